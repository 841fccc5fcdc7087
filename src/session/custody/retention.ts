// Which recordings have been kept for long enough, by the labels of their connections, and whether the clock can be believed
// when it says so. Refuses to know: how they are removed, where they are.

import type { Clock } from '../../core/clock.ts';
import { formatDuration } from '../../core/clock.ts';
import { asHoopctlError } from '../../core/errors.ts';
import { type Limit, limit } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import type { Alerts } from '../alerts.ts';
import type { KeyValue } from '../identity/stores.ts';
import type { AuditLog } from '../log/audit.ts';
import type { PurgeOrder, SessionRecord } from '../records.ts';
import { type Alike, type CustodyStore, holding } from './store.ts';

/** How often is looked for recordings that have been kept for long enough. */
export const RETENTION_POLL_MS: Limit = limit('retention_poll_ms', 'ms', 60_000);
/** Recordings that are let go at each look: a mistake has a chance to be noticed. */
export const RETENTION_BATCH: Limit = limit('retention_batch', 'count', 200);
/** A clock that is ahead of where it was at the last look by more than this is not believed at once. */
export const RETENTION_JUMP_MS: Limit = limit('retention_clock_jump_ms', 'ms', 86_400_000);
/** How long the gateway has to run with such a clock until it is believed. */
export const RETENTION_PAUSE_MS: Limit = limit('retention_clock_pause_ms', 'ms', 86_400_000);

/** When is looked again at a recording that could not be read. */
const UNCLEAR_MS = 3_600_000;
/** In one look, of recordings of one connection: then it is not them. */
const PLACE_FAILURES = 10;

export interface RetentionRule {
  /** All of these; {} is every connection. */
  readonly labels: Readonly<Record<string, string>>;
  readonly keep: number;
  /** `erase-key`: what is encrypted stays, unreadable; what is not is purged. */
  readonly then: 'purge' | 'erase-key';
}

export interface RetentionOptions {
  readonly rules: () => readonly RetentionRule[];
  /** Of connections as they are now, for recordings of which nobody noted them. */
  readonly labels: (connection: string) => Readonly<Record<string, string>>;
  readonly store: CustodyStore;
  readonly order: (session: SessionRecord, order: Omit<PurgeOrder, 'at'>) => Promise<void>;
  readonly encrypted: (session: string) => Promise<boolean>;
  readonly keep: Pick<KeyValue, 'get' | 'set'>;
  readonly gateway: string;
  readonly audit: AuditLog;
  readonly alerts: Alerts;
  readonly clock: Clock;
  /** Milliseconds that only ever go on, whatever is done to the clock. */
  readonly ticks?: () => number;
  readonly log: Log;
  readonly limit: (bound: Limit) => Limit;
}

/** What is kept of the clock. */
interface Seen {
  /** The last moment that was believed. */
  readonly at: number;
  /** How long the gateway has run with a clock that is not. */
  readonly doubtedMs: number;
}

/** The first rule whose labels they have; undefined: such recordings are kept for good. */
export function ruleFor(
  rules: readonly RetentionRule[],
  labels: Readonly<Record<string, string>>,
): { readonly rule: RetentionRule; readonly place: number } | undefined {
  const place = rules.findIndex((rule) => Object.entries(rule.labels).every(([key, value]) => labels[key] === value));
  return place < 0 ? undefined : { rule: rules[place]!, place };
}

export class Retention {
  readonly #options: RetentionOptions;
  readonly #ticks: () => number;
  /** Of which nobody could tell whether they are encrypted, and when to look again. */
  readonly #unclear = new Map<string, number>();
  #lookedAt: number | undefined;
  #doubted = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#ticks = options.ticks ?? (() => performance.now());
  }

  /** Orders the purge of what is due, so many at most. How many. Errors: `store_failed`, `recording_failed`. */
  async look(): Promise<number> {
    const { rules, store, gateway } = this.#options;
    const inForce = rules();
    if (inForce.length === 0 || !(await this.#believed())) return 0;
    let left = this.#options.limit(RETENTION_BATCH).value;
    const before = left;
    const holds = await store.holds(false);
    for (const alike of await store.alike(gateway)) {
      const found = ruleFor(inForce, this.#labelsOf(alike));
      if (found !== undefined && left > 0) left -= await this.#letGo(alike, found, holds, left);
    }
    return before - left;
  }

  async #letGo(
    alike: Alike,
    { rule, place }: { rule: RetentionRule; place: number },
    holds: Awaited<ReturnType<CustodyStore['holds']>>,
    most: number,
  ): Promise<number> {
    const { store, clock, gateway, order } = this.#options;
    const reason = `older than ${formatDuration(rule.keep)} (recordings.retention[${place}])`;
    let done = 0;
    // What is held stays the oldest: it must not hide what is not.
    for (let asked = most; ; asked *= 2) {
      const due = await store.aged(gateway, alike, clock.now() - rule.keep, asked);
      const free = due
        .filter((session) => holding(holds, session).length === 0 && !this.#isUnclear(session.id))
        .slice(0, most);
      if (free.length < most && due.length === asked) continue;
      let failures = 0;
      for (const session of free) {
        const keyOnly = rule.then === 'erase-key' ? await this.#encrypted(session.id) : false;
        if (keyOnly === undefined) {
          failures += 1;
          // It is the place that does not answer, and not the one recording: the others wait for the next look.
          if (failures === PLACE_FAILURES) return done;
          continue;
        }
        try {
          await order(session, { reason, by: 'retention', ...(keyOnly ? { only: 'key' } : {}) });
          done += 1;
        } catch (thrown) {
          // Held, or asked for, since it was looked at.
          if (asHoopctlError(thrown).code !== 'conflict') throw thrown;
        }
      }
      return done;
    }
  }

  /** Undefined: nobody can tell for now, which is told once. One that is damaged or gone must not keep the others for ever. */
  async #encrypted(session: string): Promise<boolean | undefined> {
    const { encrypted, audit, log } = this.#options;
    try {
      const found = await encrypted(session);
      this.#unclear.delete(session);
      return found;
    } catch (thrown) {
      const why = asHoopctlError(thrown).message;
      const known = this.#unclear.has(session);
      this.#unclear.set(session, this.#ticks() + UNCLEAR_MS);
      if (known) return undefined;
      log.error(
        { session, why },
        `the recording of ${session} is old enough, and whether it is encrypted cannot be told`,
      );
      audit.append('failure', { what: 'retention cannot tell whether it is encrypted', session, why });
      return undefined;
    }
  }

  #isUnclear(session: string): boolean {
    return (this.#unclear.get(session) ?? 0) > this.#ticks();
  }

  #labelsOf({ connection, labels }: Alike): Readonly<Record<string, string>> {
    return labels ?? this.#options.labels(connection);
  }

  /**
   * A clock that was set wrong would have everything purged at once. One that is far ahead of where it was has to go on for
   * a while first, with somebody told; one that was put right again is believed at once.
   */
  async #believed(): Promise<boolean> {
    const { keep, clock, limit: inForce, gateway } = this.#options;
    const key = `retention:${gateway}`;
    const kept = await keep.get(key);
    const now = clock.now();
    const seen: Seen = kept === undefined ? { at: now, doubtedMs: 0 } : (JSON.parse(kept) as Seen);
    const ticks = this.#ticks();
    const ran = this.#lookedAt === undefined ? 0 : ticks - this.#lookedAt;
    this.#lookedAt = ticks;
    const ahead = now - seen.at;
    const doubtedMs = seen.doubtedMs + ran;
    const believed = ahead <= inForce(RETENTION_JUMP_MS).value || doubtedMs >= inForce(RETENTION_PAUSE_MS).value;
    if (!believed) this.#doubt(ahead);
    else this.#doubted = false;
    await keep.set(key, JSON.stringify(believed ? { at: now, doubtedMs: 0 } : { at: seen.at, doubtedMs }));
    return believed;
  }

  #doubt(ahead: number): void {
    if (this.#doubted) return;
    this.#doubted = true;
    const { audit, alerts, log, limit: inForce } = this.#options;
    const pause = formatDuration(inForce(RETENTION_PAUSE_MS).value);
    const message = `the clock is ${formatDuration(ahead)} ahead of where it was: nothing is purged by age for ${pause}`;
    log.error({ ahead }, message);
    audit.append('failure', { what: 'retention waits', ahead, message });
    alerts.raise({ type: 'retention.waits', data: { message } });
  }
}
