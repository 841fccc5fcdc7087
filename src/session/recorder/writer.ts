// Writes one recording: lines into a buffer, the buffer to the sink, and only then the callbacks that waited for it
// (promise 1). Refuses to know: what the lines say, where the sink keeps them.

import { asHoopctlError, type HoopctlError, ourError } from '../../core/errors.ts';
import { type Limit, limit } from '../../core/limits.ts';
import { Chain, type ChainState, encodeFields, type LineCipher, utf8 } from './line.ts';
import { type NotedLine, NotedLines } from './noted.ts';
import type { Flushable, FlushScheduler } from './scheduler.ts';
import type { SegmentedTarget } from './sink.ts';

/**
 * What survives when a callback of `recorded` runs: `buffered`, a kill of the gateway; `synced`, a loss of power. A commit
 * of `synced` is shared by all sessions whose lines wait.
 */
export type Durability = 'buffered' | 'synced';

/**
 * What a failure of the record means: the session ends; it ends, and no other begins until the place is known to work again;
 * or it goes on unrecorded.
 */
export type OnFailure = 'end-session' | 'refuse-new' | 'best-effort';

/** Characters of lines that wait in memory at most before they are written without being asked for. */
const BUFFER_CHARS = 64 * 1024;

/** Lines of one session that wait for a disk that does not take them. */
export const BACKLOG: Limit = limit('recording_backlog_chars', 'bytes', 16 * 1024 * 1024);

/** Whole segments that wait with them: only where the limit of their size is tiny. */
const MAX_FULL = 1024;

export interface Seal {
  readonly digest: string;
  /** Lines, the seal among them. */
  readonly lines: number;
  readonly bytes: number;
  /** Files that it consists of. */
  readonly segments: number;
  /** Set when the session could not write its own end. */
  readonly interrupted: string | undefined;
}

export interface WriterOptions {
  readonly target: SegmentedTarget;
  readonly session: string;
  readonly durability: Durability;
  /** It goes on without a record when that fails. */
  readonly bestEffort: boolean;
  /** The limit in force. */
  readonly limit: (bound: Limit) => Limit;
  readonly scheduler: FlushScheduler;
  readonly now: () => number;
  /** Left out: nothing is hidden. */
  readonly cipher?: LineCipher;
  /** The record cannot be written: end the session, forward nothing more. Called once. */
  readonly failed: (error: HoopctlError) => void;
  /** A callback of `recorded` threw. */
  readonly faulted: (error: HoopctlError) => void;
}

/** `failed` and `unrecorded`: nothing is written any more; then callbacks are dropped, or called as if it were. */
type State = 'open' | 'failed' | 'unrecorded' | 'closed';

/** What goes into one file in one piece, and where the chain stands after it. */
interface Piece {
  readonly text: string;
  readonly state: ChainState;
  /** It begins the next file. */
  readonly fresh: boolean;
}

export class RecordingWriter implements Flushable {
  readonly #options: WriterOptions;
  readonly #chain = new Chain();
  #state: State = 'open';
  /** Lines that wait to be encoded. INVARIANT: none when anything is written, cut or sealed. */
  readonly #noted = new NotedLines();
  /** Lines that wait, of the segment that is written last; those of segments before it. */
  #buffer = '';
  #full: Piece[] = [];
  #waiting: (() => void)[] = [];
  /** It is to be flushed within 50 ms, whatever is flushed before. */
  #lazy = false;
  #running = false;
  #halted = false;
  /** An append that is under way. */
  #flying: Promise<void> | undefined;
  /** The chain as it stands in the sink. */
  #written: ChainState = this.#chain.state;
  #bytes = 0;
  /** Bytes of the segment that `#buffer` belongs to that are written, or on their way. */
  #begun = 0;
  #segments = 1;
  /** The file that `#buffer` belongs to is not made yet. */
  #fresh = false;
  #why = '';

  constructor(options: WriterOptions) {
    this.#options = options;
    options.target.onLost = (error) => this.#fail(error);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False once it has failed or is closed: lines are then dropped. */
  get open(): boolean {
    return this.#state === 'open';
  }

  /**
   * Notes a line; members as `encodeFields` makes them, those of `secret` hidden where the recording is encrypted. Written
   * with the next flush, within 50 ms at the latest.
   */
  line(kind: string, fields: string, secret = ''): void {
    if (this.#state !== 'open') return;
    this.#noted.add({ at: this.#options.now(), kind, fields, secret });
    if (this.#noted.full) this.#encode();
    if (this.#lazy) return;
    this.#lazy = true;
    this.#options.scheduler.lazy(this);
  }

  /**
   * Writes every line so far and calls `then`: at once where the disk is quick. `together`: where other sessions are busy
   * too, at the end of the turn of the event loop, one after the other. That saves no write, a recording being a file of its
   * own; but between other work, of which the processor's caches are full, each takes longer (README, Recordings).
   */
  recorded(then: () => void, together = false): void {
    if (this.#state === 'unrecorded') this.#run(then);
    if (this.#state !== 'open' || this.#halted) return;
    this.#waiting.push(then);
    // While others are being called the order of asking is the order of calling: `flush` comes to it.
    if (this.#running) return;
    const { scheduler } = this.#options;
    if (together && scheduler.busy) scheduler.together(this);
    else this.flush();
  }

  overdue(): void {
    this.#lazy = false;
    this.flush();
  }

  flush(): void {
    if (this.#running) return;
    this.#encode();
    if (this.#apart) {
      this.#append();
      return;
    }
    this.#running = true;
    do {
      this.#encode();
      this.#writeOut();
      const due = this.#waiting;
      if (due.length === 0) break;
      this.#waiting = [];
      for (const then of due) this.#run(then);
    } while (this.#waiting.length > 0);
    this.#running = false;
  }

  /** For good: nothing is called back any more, not even what is due in this flush. Lines are taken until `close`. */
  halt(): void {
    this.#halted = true;
    this.#waiting = [];
  }

  /** From outside: it is to count as failed while it still could be written. */
  fail(error: Error): void {
    this.#fail(error);
  }

  /** Writes the rest and the seal, makes it durable. Undefined when that failed: the next start will seal it. */
  async close(): Promise<Seal | undefined> {
    if (this.#state !== 'open') return undefined;
    this.halt();
    this.#encode();
    // One that ends begins the next where more waits.
    while (this.#flying !== undefined || (this.open && this.#pending)) {
      if (this.#flying !== undefined) await this.#flying;
      else if (this.#apart) this.#append();
      else this.#writeOut();
    }
    if (!this.open) return undefined;
    return this.#seal(undefined);
  }

  /** Writing has to be waited for: commits are, and so is a disk that has become slow. */
  get #apart(): boolean {
    return this.#options.durability === 'synced' || this.#flying !== undefined || this.#options.target.slow;
  }

  /** Gives what is noted its numbers and its chain. */
  #encode(): void {
    if (this.#noted.empty) return;
    for (const line of this.#noted.take()) this.#next(line);
  }

  #next({ at, kind, fields, secret }: NotedLine): void {
    if (this.#state !== 'open') return;
    this.#buffer += this.#chain.next(at, kind, fields, secret, this.#options.cipher);
    if (this.#begun + this.#buffer.length >= this.#options.target.maxSegment) this.#nextSegment();
    if (this.#buffer.length <= BUFFER_CHARS && this.#full.length === 0) return;
    if (!this.#apart) this.#writeOut();
    else this.#append();
    const backlog = this.#options.limit(BACKLOG);
    if (this.#buffer.length > backlog.value || this.#full.length > MAX_FULL) {
      this.#fail(new Error(`more lines wait to be written than ${backlog.name} (${backlog.value})`));
    }
  }

  #run(then: () => void): void {
    // A callback before this one may have ended the session.
    if (this.#halted || (this.#state !== 'open' && this.#state !== 'unrecorded')) return;
    try {
      then();
    } catch (thrown) {
      this.#options.faulted(asHoopctlError(thrown));
    }
  }

  get #pending(): boolean {
    return this.#buffer !== '' || this.#full.length > 0;
  }

  /** Everything that waits, one piece a file. */
  #take(): Piece[] {
    this.#cut();
    const pieces = this.#full;
    this.#full = [];
    return pieces;
  }

  #cut(): void {
    if (this.#buffer === '') return;
    this.#full.push({ text: this.#buffer, state: this.#chain.state, fresh: this.#fresh });
    this.#begun += Buffer.byteLength(this.#buffer);
    this.#buffer = '';
    this.#fresh = false;
  }

  /** The lines from here on go into the next file. */
  #nextSegment(): void {
    this.#cut();
    this.#segments += 1;
    this.#begun = 0;
    this.#fresh = true;
    const { session, now } = this.#options;
    this.#buffer = this.#chain.next(now(), 'segment', encodeFields({ session, segment: this.#segments }));
  }

  #writeOut(): void {
    if (!this.#pending || this.#state !== 'open') return;
    try {
      if (this.#full.length === 0 && !this.#fresh) {
        // As nearly always: all of it goes behind what is there.
        const text = this.#buffer;
        this.#buffer = '';
        this.#begun += this.#write(text);
        this.#written = this.#chain.state;
        return;
      }
      for (const { text, state, fresh } of this.#take()) {
        if (fresh) this.#options.target.next();
        this.#write(text);
        this.#written = state;
      }
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** What waits goes out; what comes meanwhile waits for the next time. */
  #append(): void {
    if (this.#flying !== undefined || this.#state !== 'open') return;
    if (!this.#pending && this.#waiting.length === 0) return;
    this.#flying = this.#appendOnce().finally(() => {
      this.#flying = undefined;
      if (this.#waiting.length > 0 || this.#pending) this.flush();
    });
  }

  async #appendOnce(): Promise<void> {
    const pieces = this.#take();
    const due = this.#waiting;
    this.#waiting = [];
    // Nobody waits: it goes out, and is durable with the next commit.
    const durable = this.#options.durability === 'synced' ? due.length > 0 : undefined;
    if (pieces.length === 0) pieces.push({ text: '', state: this.#chain.state, fresh: false });
    try {
      for (const { text, state, fresh } of pieces) {
        if (fresh) this.#options.target.next();
        const bytes = utf8(text);
        this.#bytes += bytes.length;
        await this.#options.target.append(bytes, durable);
        this.#written = state;
      }
    } catch (thrown) {
      this.#fail(thrown);
    }
    this.#running = true;
    for (const then of due) this.#run(then);
    this.#running = false;
  }

  /** How many bytes they were. */
  #write(text: string): number {
    const bytes = utf8(text);
    this.#options.target.write(bytes);
    this.#bytes += bytes.length;
    return bytes.length;
  }

  #fail(thrown: unknown): void {
    if (this.#state !== 'open') return;
    const { bestEffort, scheduler, target, cipher, failed } = this.#options;
    this.#state = bestEffort ? 'unrecorded' : 'failed';
    cipher?.forget();
    this.#noted.take();
    this.#buffer = '';
    this.#full = [];
    scheduler.forget(this);
    this.#why = thrown instanceof Error ? thrown.message : String(thrown);
    const error = ourError('recording_failed', `cannot write the recording ${target.name}: ${this.#why}`, {
      fix: 'free space or repair the disk of the recordings, then connect again',
      cause: thrown,
    });
    failed(error);
    const due = this.#waiting;
    this.#waiting = [];
    for (const then of due) this.#run(then);
  }

  /**
   * After a failure: tries once to seal what was written before it. Where that fails too, the salvage does it, at the next
   * start at the latest; nothing retries for ever.
   */
  async closeFailed(): Promise<Seal | undefined> {
    if (this.#state !== 'failed' && this.#state !== 'unrecorded') return undefined;
    while (this.#flying !== undefined) await this.#flying;
    const { target, now, session } = this.#options;
    this.#chain.rewind(this.#written);
    try {
      target.restore();
      // A file that was begun and got no line.
      if (target.segmentBytes === 0 && target.segment > 1) {
        this.#write(this.#chain.next(now(), 'segment', encodeFields({ session, segment: target.segment })));
      }
    } catch {
      this.#state = 'closed';
      target.abandon();
      return undefined;
    }
    return this.#seal(`the record could not be written: ${this.#why}`);
  }

  async #seal(interrupted: string | undefined): Promise<Seal | undefined> {
    this.#state = 'closed';
    const { scheduler, target, cipher, now, failed } = this.#options;
    cipher?.forget();
    scheduler.forget(this);
    const segments = target.segment;
    const seal = this.#chain.seal(
      now(),
      encodeFields({ ...(segments > 1 ? { segments } : {}), ...(interrupted === undefined ? {} : { interrupted }) }),
    );
    try {
      if (target.slow) {
        const bytes = utf8(seal.line);
        await target.append(bytes, undefined);
        this.#bytes += bytes.length;
      } else this.#write(seal.line);
      await target.finish();
    } catch (thrown) {
      target.abandon();
      if (interrupted === undefined) failed(asSealFailure(thrown, target.name));
      return undefined;
    }
    return { digest: seal.digest, lines: seal.lines, bytes: this.#bytes, segments, interrupted };
  }
}

function asSealFailure(thrown: unknown, name: string): HoopctlError {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return ourError('recording_failed', `cannot seal the recording ${name}: ${why}`, {
    fix: 'free space or repair the disk of the recordings; it is sealed as soon as that works, at the next start at the latest',
    cause: thrown,
  });
}
