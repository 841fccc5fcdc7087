// Follows the record: the log's entries and the lines of recordings, those still being written too, as one stream of
// events from a cursor on. At least once: whoever keeps a cursor after it has dealt with what came before misses nothing.
// Refuses to know: files, segments, compression (follow-source.ts), who follows and why.

import type { LogEntry } from '../log/audit.ts';
import type { LogFollowing, Position } from './follow-source.ts';
import type { Line } from './reader.ts';

/** Where a follower stands. JSON as it is; has as many members as sessions are open. */
export interface Cursor {
  /** The next entry of the log. */
  readonly index: number;
  /** Sessions whose recording is not read to its end yet. */
  readonly open: Readonly<Record<string, Position>>;
}

export const BEGINNING: Cursor = { index: 0, open: {} };

/** One line of the record. */
export interface RecordEvent {
  /** The same each time it is followed: `log:INDEX` (`log-again-N:INDEX` of a log that was begun anew), `SESSION:SEQ`, or `SESSION:SEQ-missing` where lines are not there. */
  readonly id: string;
  readonly from: 'log' | 'session';
  /** ISO 8601 UTC. */
  readonly at: string;
  /** As in the log or the recording (FORMAT.md); `missing`: from `seq` on the recording has no lines that it should have. */
  readonly kind: string;
  /** The session whose recording it is from; undefined for the log's, which may name one in `fields`. */
  readonly session: string | undefined;
  /** Index in the log or `seq` in the recording. */
  readonly number: number;
  /** All other members, without the chain's. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Lines taken from one open recording before the others have their turn. */
const TURN_LINES = 5000;

/** One reader at a time. Holds one line and the positions in memory, however much there is to read. */
export class Follower {
  readonly #source: LogFollowing;
  readonly #open: Map<string, Position>;
  #index: number;
  #more = false;
  #log: string | undefined;
  #before: Position | undefined;

  constructor(source: LogFollowing, cursor: Cursor = BEGINNING) {
    this.#source = source;
    this.#index = cursor.index;
    this.#open = new Map(Object.entries(cursor.open));
  }

  /** After the last event that `events` gave: keep it when that event is dealt with. */
  get cursor(): Cursor {
    return { index: this.#index, open: Object.fromEntries(this.#open) };
  }

  /** Where the line begins that the last event is, of a session's recording: from there it would be read once more. */
  get before(): Position | undefined {
    return this.#before;
  }

  /** Sessions that are read while they are being recorded. */
  get open(): ReadonlySet<string> {
    return new Set(this.#open.keys());
  }

  /** Whether the last `events` ended before what was written then: an open recording has had its turn. */
  get more(): boolean {
    return this.#more;
  }

  /**
   * Everything written until now, then ends; call again for what came since. Breaking off is allowed at any event.
   * Order: the log's entries as they stand; a recording's lines as they stand, all of them after the entry that lets the
   * session in and before the one that says that the recording is sealed. Lines of different sessions come as they are found.
   * Errors: what reading throws; the cursor then stands after the last event given.
   */
  async *events(): AsyncGenerator<RecordEvent> {
    this.#more = false;
    for await (const entry of this.#source.entries(this.#index)) {
      const session = sessionOf(entry);
      if (session !== undefined && begins(entry))
        this.#open.set(session, this.#open.get(session) ?? { seq: 0, byte: 0 });
      if (session !== undefined && ends(entry)) yield* this.#finish(session, entry);
      // Recovery has told of all that the process before left open: what is still here will never be written.
      if (entry.kind === 'start') for (const left of this.#open.keys()) yield* this.#finish(left, entry);
      this.#index = entry.index + 1;
      this.#log ??= logId(await logName(this.#source));
      yield logEvent(this.#log, entry);
    }
    for (const session of this.#open.keys()) {
      if (this.#source.grown?.(session, this.#open.get(session)!) === false) continue;
      yield* this.#lines(session, TURN_LINES);
    }
  }

  /** All of a recording to which nothing is added any more, once more: for whoever has let go of it. Between two events. */
  async *again(session: string): AsyncGenerator<RecordEvent> {
    if (this.#open.has(session)) return;
    this.#open.set(session, { seq: 0, byte: 0 });
    yield* this.#lines(session, Number.POSITIVE_INFINITY);
    this.#open.delete(session);
  }

  /** The rest of a recording to which nothing is added any more. */
  async *#finish(session: string, entry: LogEntry): AsyncGenerator<RecordEvent> {
    // One that the cursor does not know began before it, or was read before: whole once more is better than not at all.
    if (!this.#open.has(session)) this.#open.set(session, { seq: 0, byte: 0 });
    yield* this.#lines(session, Number.POSITIVE_INFINITY);
    const due = entry.kind === 'recording' && typeof entry.fields.lines === 'number' ? entry.fields.lines : 0;
    if (this.#open.get(session)!.seq < due) {
      // Its files may have been compressed under the reading: once more, by the numbers of the lines.
      this.#open.set(session, { seq: this.#open.get(session)!.seq, byte: 0 });
      yield* this.#lines(session, Number.POSITIVE_INFINITY);
    }
    const { seq } = this.#open.get(session)!;
    if (seq < due) {
      const id = `${session}:${seq}-missing`;
      const fields = { lines: due, have: seq };
      yield { id, from: 'session', at: entry.at, kind: 'missing', session, number: seq, fields };
    }
    this.#open.delete(session);
  }

  async *#lines(session: string, max: number): AsyncGenerator<RecordEvent> {
    let left = max;
    for await (const { line, end } of this.#source.lines(session, this.#open.get(session)!)) {
      this.#before = this.#open.get(session);
      this.#open.set(session, { seq: line.seq + 1, byte: end });
      yield eventOf(session, line);
      left -= 1;
      if (left <= 0) {
        this.#more = true;
        return;
      }
    }
  }
}

/** What the log calls itself, in its first entry; undefined: there is none. */
export async function logName(source: Pick<LogFollowing, 'entries'>): Promise<string | undefined> {
  for await (const { kind, fields } of source.entries(0)) {
    return kind === 'log' && typeof fields.origin === 'string' ? fields.origin : '';
  }
  return undefined;
}

/** In the ids of its entries. One that took the place of a damaged log counts from 0 again, and has another name. */
export function logId(name: string | undefined): string {
  const again = /\/(again-\d+)$/.exec(name ?? '')?.[1];
  return again === undefined ? 'log' : `log-${again}`;
}

/** An entry of the log as an event. */
export function logEvent(log: string, { index, at, kind, fields }: LogEntry): RecordEvent {
  return { id: `${log}:${index}`, from: 'log', at, kind, session: undefined, number: index, fields };
}

/** A line of a recording as an event. What is encrypted in it is left out, and said to be: nobody can use it there. */
export function eventOf(session: string, { seq, at, kind, prev, enc, ...members }: Line): RecordEvent {
  const fields = enc === undefined ? members : { ...members, encrypted: true };
  return { id: `${session}:${seq}`, from: 'session', at, kind, session, number: seq, fields };
}

export function sessionOf({ fields }: LogEntry): string | undefined {
  return typeof fields.session === 'string' ? fields.session : undefined;
}

export function begins({ kind, fields }: LogEntry): boolean {
  return kind === 'access' && fields.verdict === 'allow';
}

const NO_RECORDING: ReadonlySet<unknown> = new Set(['recording missing at start', 'recording not begun']);

/** Sealed, by the session or by the salvage, or out of the way for good. */
export function ends({ kind, fields }: Pick<RecordEvent, 'kind' | 'fields'>): boolean {
  return (
    (kind === 'recording' && (fields.what === undefined || fields.salvaged !== undefined)) ||
    (kind === 'failure' && (fields.salvaged === 'quarantined' || NO_RECORDING.has(fields.what)))
  );
}
