// One destination: follows the record from its cursor, sends what it wants, keeps the cursor when the receiver has it, and
// begins again from there when anything fails. Nobody waits for it. Refuses to know: formats, protocols of delivery.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';
import { asHoopctlError } from '../../core/errors.ts';
import { type Limit, limit } from '../../core/limits.ts';
import { type ExportEvent, timeOf } from '../../session/export/event.ts';
import { Openings } from '../../session/export/openings.ts';
import { type Selection, selects } from '../../session/export/select.ts';
import { type Cursor, Follower } from '../../session/recorder/follow.ts';
import type { LogFollowing } from '../../session/recorder/follow-source.ts';
import { DeliveryError, type Destination } from './destination.ts';

/** Events in one request or write, and about how much of them. */
export const EXPORT_BATCH: Limit = limit('export_batch', 'count', 500, 1);
export const EXPORT_BATCH_BYTES: Limit = limit('export_batch_bytes', 'bytes', 1024 * 1024);
/** One event in a request: a longer one loses the end of its statement, then long members, as in a message of syslog. */
export const EXPORT_EVENT_BYTES: Limit = limit('export_event_bytes', 'bytes', 256 * 1024);
/** How often the record is looked at for new events. */
export const EXPORT_POLL_MS: Limit = limit('export_poll_ms', 'ms', 500);
/** How long a receiver may take to answer, and a connection to come about. */
export const EXPORT_TIMEOUT_MS: Limit = limit('export_timeout_ms', 'ms', 15_000, 1);
/** The pause after the first failure; each next one is twice as long, up to a minute. */
export const EXPORT_RETRY_MS: Limit = limit('export_retry_ms', 'ms', 1000);
/** How long events may be with a receiver that acknowledges nothing before it is made to show that it has them. */
export const EXPORT_CONFIRM_MS: Limit = limit('export_confirm_ms', 'ms', 5000);
/** Events that are with such a receiver at most. */
export const EXPORT_UNCONFIRMED: Limit = limit('export_unconfirmed', 'count', 20_000);
/** How long a receiver takes nothing before that is told as an alert. */
export const EXPORT_ALERT_MS: Limit = limit('export_alert_ms', 'ms', 60_000);
/** Events in an hour that a receiver may refuse for good; with more it is the receiver that is wrong, and all wait. */
export const EXPORT_REFUSALS: Limit = limit('export_refusals', 'count', 10);

export const EXPORT_LIMITS: readonly Limit[] = [
  ...[EXPORT_BATCH, EXPORT_BATCH_BYTES, EXPORT_EVENT_BYTES, EXPORT_POLL_MS, EXPORT_TIMEOUT_MS, EXPORT_RETRY_MS],
  ...[EXPORT_CONFIRM_MS, EXPORT_UNCONFIRMED, EXPORT_ALERT_MS, EXPORT_REFUSALS],
];

const MAX_PAUSE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** What is filtered out moves the cursor too; it is kept no more often than this. */
const KEEP_MS = 5000;
/** How long what is left may take when the gateway stops. */
const GOODBYE_MS = 3000;

/** What is kept of a destination. */
export interface Kept {
  readonly cursor: Cursor;
  /** Of the last event that the receiver has. */
  readonly sequence: number;
  readonly mark?: Destination['mark'];
}

export interface ExporterOptions {
  readonly name: string;
  readonly selection: Selection;
  readonly rows: boolean;
  readonly source: LogFollowing;
  readonly open: (mark: Destination['mark']) => Destination;
  readonly load: () => Promise<Kept>;
  readonly keep: (kept: Kept) => Promise<void>;
  readonly clock: Clock;
  readonly limit: (bound: Limit) => Limit;
  /** An event that the receiver will never take: on record, then left out. Rejects when that cannot be written. */
  readonly refused: (event: ExportEvent, why: string) => Promise<void> | void;
  /** It fails, for so long; told at each attempt. */
  readonly failing: (why: string, forMs: number) => void;
  readonly recovered: (afterMs: number) => void;
}

export interface ExporterState {
  /** The receiver has everything that was there when last looked; something is on its way; it takes nothing. */
  readonly state: 'idle' | 'sending' | 'failing';
  /** Of the last event that the receiver has. */
  readonly sequence: number;
  /** The first entry of the log that it has not. */
  readonly index: number;
  /** Since the start. */
  readonly sent: number;
  readonly refused: number;
  /** How old the oldest event is that the receiver has not, in ms; 0 when there is none. */
  readonly lagMs: number;
  readonly error: string | undefined;
  /** Milliseconds since the epoch. */
  readonly failingSince: number | undefined;
}

export class Exporter {
  readonly #options: ExporterOptions;
  /** No more waiting for something new; at once. */
  readonly #drain = new AbortController();
  readonly #stop = new AbortController();
  #kept: Kept = { cursor: { index: 0, open: {} }, sequence: 0 };
  #running: Promise<void> | undefined;
  #destination: Destination | undefined;
  /** Of the first event that the receiver is not known to have. */
  #oldest: number | undefined;
  #unconfirmed: { readonly since: number; count: number; kept: Kept } | undefined;
  #keptAt = 0;
  #sent = 0;
  #refusals: number[] = [];
  #refused = 0;
  /** Since the cursor moved last. */
  readonly #leftOut = new Set<string>();
  /** Whether the receiver ever took something. */
  #taken = false;
  #attempts = 0;
  #failingSince: number | undefined;
  #error: string | undefined;

  constructor(options: ExporterOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** What is left is sent if that is quick, otherwise at the next start. Never rejects. */
  async stop(): Promise<void> {
    this.#drain.abort();
    const late = sleep(GOODBYE_MS, undefined, { signal: this.#stop.signal }).catch(() => {});
    await Promise.race([this.#running, late]);
    this.#stop.abort();
    await this.#running;
  }

  get state(): ExporterState {
    const { clock } = this.#options;
    const { sequence, cursor } = this.#kept;
    return {
      state: this.#failingSince !== undefined ? 'failing' : this.#oldest === undefined ? 'idle' : 'sending',
      sequence,
      index: cursor.index,
      sent: this.#sent,
      refused: this.#refused,
      lagMs: this.#oldest === undefined ? 0 : Math.max(0, clock.now() - this.#oldest),
      error: this.#error,
      failingSince: this.#failingSince,
    };
  }

  get #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#stopped && !this.#drain.signal.aborted) {
      try {
        this.#kept = await this.#options.load();
        this.#taken ||= this.#kept.sequence > 0;
        this.#unconfirmed = undefined;
        this.#destination = this.#options.open(this.#kept.mark);
        await this.#follow();
      } catch (thrown) {
        if (!this.#stopped) await this.#failed(thrown);
      } finally {
        await this.#destination?.close();
      }
    }
  }

  async #follow(): Promise<void> {
    const { source, clock } = this.#options;
    const follower = new Follower(source, this.#kept.cursor);
    const openings = new Openings(source);
    let { sequence } = this.#kept;
    while (!this.#stopped) {
      let batch: ExportEvent[] = [];
      let bytes = 0;
      const flush = async () => {
        const sending = batch;
        [batch, bytes] = [[], 0];
        await this.#deliver(sending, { cursor: follower.cursor, sequence });
      };
      for await (const followed of follower.events()) {
        const event = await openings.event(followed, this.#options.rows);
        if (event !== undefined && selects(this.#options.selection, event)) {
          sequence += 1;
          this.#oldest ??= timeOf(event) || clock.now();
          batch.push({ ...event, sequence });
          bytes += sizeOf(event);
          if (batch.length >= this.#value(EXPORT_BATCH) || bytes >= this.#value(EXPORT_BATCH_BYTES)) await flush();
        }
        if (this.#stopped) break;
      }
      if (this.#stopped) break;
      const last = this.#drain.signal.aborted && batch.length === 0 && !follower.more;
      if (batch.length > 0) await flush();
      else if (clock.now() - this.#keptAt > KEEP_MS) await this.#passed({ cursor: follower.cursor, sequence });
      await this.#confirmWhenDue();
      if (last) break;
      if (!follower.more) await this.#pause(this.#value(EXPORT_POLL_MS));
    }
    if (this.#unconfirmed !== undefined) await this.#confirm(this.#stop.signal).catch(() => {});
  }

  async #deliver(events: readonly ExportEvent[], then: Omit<Kept, 'mark'>): Promise<void> {
    const began = performance.now();
    const destination = this.#destination!;
    if (destination.intend !== undefined) {
      await destination.intend(events);
      await this.#options.keep({ ...this.#kept, mark: destination.mark });
    }
    await this.#send(events);
    const kept = { ...then, mark: destination.mark };
    if (destination.confirm === undefined) await this.#keep(kept, events.length);
    else {
      const { since, count } = this.#unconfirmed ?? { since: this.#options.clock.now(), count: 0 };
      this.#unconfirmed = { since, count: count + events.length, kept };
      await this.#confirmWhenDue();
    }
    // Sessions are served by the same machine: with a lot to send, two thirds of the time are theirs.
    await this.#pause(Math.min(1000, (performance.now() - began) * 2));
  }

  /** Smaller and smaller parts where the receiver refuses, down to the one event that it will never take. */
  async #send(events: readonly ExportEvent[]): Promise<void> {
    try {
      await this.#destination!.send(events, this.#stop.signal);
      this.#worked();
    } catch (thrown) {
      if (!(thrown instanceof DeliveryError) || !thrown.refused) throw thrown;
      if (events.length === 1) {
        await this.#refuse(events[0]!, thrown);
        return;
      }
      const middle = events.length >> 1;
      await this.#send(events.slice(0, middle));
      await this.#send(events.slice(middle));
    }
  }

  async #refuse(event: ExportEvent, thrown: DeliveryError): Promise<void> {
    // Sent again because what came after it failed: on record already, and no sign of a receiver that is wrong.
    if (this.#leftOut.has(event.id)) return;
    const now = this.#options.clock.now();
    this.#refusals = this.#refusals.filter((at) => now - at < HOUR_MS);
    // One that never took anything is not refusing this event: it is the wrong place.
    if (!this.#taken || this.#refusals.length >= this.#value(EXPORT_REFUSALS)) throw thrown;
    await this.#options.refused(event, thrown.message);
    this.#refusals.push(now);
    this.#leftOut.add(event.id);
    this.#refused += 1;
  }

  async #confirmWhenDue(): Promise<void> {
    if (this.#unconfirmed === undefined) return;
    const { since, count } = this.#unconfirmed;
    const waited = this.#options.clock.now() - since;
    if (waited < this.#value(EXPORT_CONFIRM_MS) && count < this.#value(EXPORT_UNCONFIRMED)) return;
    await this.#confirm(this.#stop.signal);
  }

  async #confirm(signal: AbortSignal): Promise<void> {
    const { kept, count } = this.#unconfirmed!;
    await this.#destination!.confirm!(signal);
    this.#worked();
    this.#unconfirmed = undefined;
    await this.#keep(kept, count);
  }

  async #keep(kept: Kept, count: number): Promise<void> {
    await this.#options.keep(kept);
    this.#leftOut.clear();
    this.#kept = kept;
    this.#keptAt = this.#options.clock.now();
    this.#sent += count;
    this.#oldest = undefined;
  }

  /** Nothing that it wants: the cursor goes on, unless something is still to be confirmed. */
  async #passed(then: Omit<Kept, 'mark'>): Promise<void> {
    if (this.#unconfirmed !== undefined || then.cursor.index === this.#kept.cursor.index) return;
    await this.#keep({ ...then, mark: this.#destination!.mark }, 0);
  }

  #worked(): void {
    this.#taken = true;
    this.#attempts = 0;
    this.#error = undefined;
    if (this.#failingSince === undefined) return;
    const after = this.#options.clock.now() - this.#failingSince;
    this.#failingSince = undefined;
    this.#options.recovered(after);
  }

  async #failed(thrown: unknown): Promise<void> {
    const now = this.#options.clock.now();
    this.#error = thrown instanceof DeliveryError ? thrown.message : asHoopctlError(thrown).message;
    this.#failingSince ??= now;
    this.#options.failing(this.#error, now - this.#failingSince);
    const full = Math.min(this.#value(EXPORT_RETRY_MS) * 2 ** this.#attempts, MAX_PAUSE_MS);
    this.#attempts += 1;
    const asked = thrown instanceof DeliveryError ? Math.min(thrown.retryAfterMs, MAX_PAUSE_MS) : 0;
    // Half of it by chance, so that a receiver that comes back does not get everything at once.
    await this.#pause(Math.max(asked, Math.round(full / 2 + (full / 2) * Math.random())));
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#drain.signal, ref: false }).catch(() => {});
  }

  #value(bound: Limit): number {
    return this.#options.limit(bound).value;
  }
}

/** About how many bytes it will be; the statement and the rows are what makes an event long. */
function sizeOf({ fields }: ExportEvent): number {
  const { text, values, params } = fields;
  const long = (value: unknown) => (value === undefined ? 0 : JSON.stringify(value).length);
  return 600 + (typeof text === 'string' ? text.length : 0) + long(values) + long(params);
}
