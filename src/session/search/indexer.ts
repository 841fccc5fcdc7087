// Keeps an index up to the record: follows it from where the index stands, in batches. Refuses to know: threads, files.

import { type Cursor, ends, Follower, logId, logName, type RecordEvent } from '../recorder/follow.ts';
import type { LogFollowing } from '../recorder/follow-source.ts';
import { Collector } from './collector.ts';
import type { SearchedSession, SearchIndex } from './operation.ts';

/** Operations, and lines without any, that are written at once. */
const BATCH_OPERATIONS = 1000;
const BATCH_LINES = 50_000;

/** Entries after which nothing of a session's content is to be found. */
const FORGETS: ReadonlySet<string> = new Set(['purging', 'purge']);

/** Of the words that operations are found by: those in an index of an earlier one are made again. */
const WORDS = 3;

interface State {
  readonly words?: number;
  /** Recordings with operations that wait for their outcome are read again from the first of those on. */
  readonly cursor: Cursor;
  readonly sessions: readonly SearchedSession[];
  /** Of which log the cursor is. Left out by versions that did not know that there may be another. */
  readonly log?: string;
}

export class Indexer {
  readonly #index: SearchIndex;
  readonly #source: LogFollowing;
  #follower: Follower | undefined;
  #collector = new Collector();
  #log: string | undefined;
  /** The state in the index. */
  #kept = '{}';
  #complete: number | undefined;

  readonly #now: () => number;

  constructor(index: SearchIndex, source: LogFollowing, now: () => number = Date.now) {
    this.#index = index;
    this.#source = source;
    this.#now = now;
  }

  /** Milliseconds since the epoch: everything written before is in the index. Undefined: that is not known of any moment yet. */
  get complete(): number | undefined {
    return this.#complete;
  }

  /** Everything written until now. `pause` is asked after each batch: searches come between. Errors: `store_failed`, reading. */
  async catchUp(pause: () => Promise<boolean>): Promise<void> {
    try {
      await this.#catchUp(pause);
    } catch (thrown) {
      // What was read since the last batch is read again.
      this.#follower = undefined;
      throw thrown;
    }
  }

  async #catchUp(pause: () => Promise<boolean>): Promise<void> {
    this.#follower ??= await this.#open();
    const follower = this.#follower;
    let lines = 0;
    let began: number;
    do {
      began = this.#now();
      for await (const event of follower.events()) {
        if (FORGETS.has(event.kind) && typeof event.fields.session === 'string') {
          // Also what was read of it and is not in the index yet: it would come in after this, and stay.
          this.#collector.forget(event.fields.session);
          const had = await this.#index.forget(event.fields.session);
          if (had > 0) await this.#index.scrub();
        }
        if (stays(event)) await this.#again(follower, String(event.fields.session));
        if (event.from === 'session') this.#collector.add(event, follower.before!);
        else if (ends(event)) this.#collector.close(String(event.fields.session));
        lines++;
        if (this.#collector.size < BATCH_OPERATIONS && lines < BATCH_LINES) continue;
        await this.#keep(follower);
        lines = 0;
        if (!(await pause())) return;
      }
    } while (follower.more);
    if (lines > 0) await this.#keep(follower);
    this.#complete = began;
  }

  /** What was to be purged and is not: nothing of it is in the index any more. */
  async #again(follower: Follower, session: string): Promise<void> {
    for await (const event of follower.again(session)) this.#collector.add(event, follower.before!);
  }

  async #open(): Promise<Follower> {
    const kept = await this.#index.state();
    this.#kept = kept ?? '{}';
    const state = JSON.parse(this.#kept) as Partial<State>;
    // That of an earlier version says less: everything is read again, and takes the place of what is there.
    const known = state.sessions !== undefined && state.cursor !== undefined && state.words === WORDS;
    this.#collector = new Collector(known ? state.sessions : []);
    this.#log = await logName(this.#source);
    if (!known) return new Follower(this.#source);
    // Another log took the place of one that was damaged: its entries count from 0 again, sessions that are not read yet stay.
    // An earlier version did not note which it was: only the first has the name without a number.
    const unsure = state.log === undefined && logId(this.#log) !== logId(undefined);
    const other = this.#log !== undefined && (unsure || (state.log !== undefined && state.log !== this.#log));
    return new Follower(this.#source, other ? { ...state.cursor, index: 0 } : state.cursor);
  }

  async #keep(follower: Follower): Promise<void> {
    const { index, open } = follower.cursor;
    const cursor: Cursor = { index, open: { ...open, ...this.#collector.waiting } };
    this.#log ??= await logName(this.#source);
    const { sessions: known } = this.#collector;
    const next: State = { words: WORDS, cursor, sessions: known, ...(this.#log && { log: this.#log }) };
    const state = JSON.stringify(next);
    const { sessions, operations } = this.#collector.take();
    // A session that ends with tens of thousands that wait: before the last piece the reader stands where it stood.
    let at = 0;
    for (; at + BATCH_OPERATIONS < operations.length; at += BATCH_OPERATIONS) {
      const piece = operations.slice(at, at + BATCH_OPERATIONS);
      await this.#index.write({ sessions, operations: piece, state: this.#kept });
    }
    await this.#index.write({ sessions, operations: at === 0 ? operations : operations.slice(at), state });
    this.#kept = state;
  }
}

/** A purge that was about to begin was taken back: a legal hold came in time. */
function stays({ from, kind, fields }: RecordEvent): boolean {
  return from === 'log' && kind === 'admin' && fields.what === 'purge cancelled' && typeof fields.session === 'string';
}
