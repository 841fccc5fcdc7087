// Writes one recording: lines into a buffer, the buffer to the sink, and only then the callbacks that waited for it
// (promise 1). Refuses to know: what the lines say, where the sink keeps them.

import { asHoopctlError, type HoopctlError, ourError } from '../../core/errors.ts';
import { Chain, type ChainState } from './line.ts';
import type { Flushable, FlushScheduler } from './scheduler.ts';
import type { RecordingTarget } from './sink.ts';

/** What survives: `buffered`, a kill of the process; `synced` (group-committed fdatasync) is to come. */
export type Durability = 'buffered';

/** Characters of lines that wait in memory at most before they are written without being asked for. */
const BUFFER_CHARS = 64 * 1024;

/** One encoding area for all: a write is over before the next begins. Three bytes of UTF-8 a UTF-16 unit at most. */
const scratch = Buffer.allocUnsafeSlow(3 * 2 * BUFFER_CHARS);

export interface Seal {
  readonly digest: string;
  /** Lines, the seal among them. */
  readonly lines: number;
  readonly bytes: number;
  /** Set when the session could not write its own end. */
  readonly interrupted: string | undefined;
}

export interface WriterOptions {
  readonly target: RecordingTarget;
  readonly scheduler: FlushScheduler;
  readonly now: () => number;
  /** The record cannot be written: end the session, forward nothing more. Called once. */
  readonly failed: (error: HoopctlError) => void;
  /** A callback of `recorded` threw. */
  readonly faulted: (error: HoopctlError) => void;
}

type State = 'open' | 'failed' | 'closed';

export class RecordingWriter implements Flushable {
  readonly #options: WriterOptions;
  readonly #chain = new Chain();
  #state: State = 'open';
  #buffer = '';
  #waiting: (() => void)[] = [];
  #lazy = false;
  #running = false;
  #halted = false;
  /** The chain as it stands in the sink. */
  #written: ChainState = this.#chain.state;
  #bytes = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False once it has failed or is closed: lines are then dropped. */
  get open(): boolean {
    return this.#state === 'open';
  }

  /** Buffers a line; `fields` as `encodeFields` makes them. Written with the next flush, within 50 ms at the latest. */
  line(kind: string, fields: string): void {
    if (this.#state !== 'open') return;
    this.#buffer += this.#chain.next(this.#options.now(), kind, fields);
    if (this.#buffer.length > BUFFER_CHARS) this.#writeOut();
    else if (!this.#lazy) {
      this.#lazy = true;
      this.#options.scheduler.lazy(this);
    }
  }

  /**
   * Writes every line so far and calls `then`. At once, not at the end of the turn: a recording is a file of its own, so
   * waiting for other sessions would save no write, and the wait costs every statement a step of the event loop.
   */
  recorded(then: () => void): void {
    if (this.#state !== 'open' || this.#halted) return;
    this.#waiting.push(then);
    // While others are being called the order of asking is the order of calling: `flush` comes to it.
    if (!this.#running) this.flush();
  }

  flush(): void {
    if (this.#running) return;
    this.#lazy = false;
    this.#running = true;
    do {
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

  /** Writes the rest and the seal, makes it durable. Undefined when that failed: the next start will seal it. */
  async close(): Promise<Seal | undefined> {
    if (this.#state !== 'open') return undefined;
    this.halt();
    this.#writeOut();
    if (!this.open) return undefined;
    return this.#seal(undefined);
  }

  #run(then: () => void): void {
    // A callback before this one may have ended the session.
    if (this.#state !== 'open' || this.#halted) return;
    try {
      then();
    } catch (thrown) {
      this.#options.faulted(asHoopctlError(thrown));
    }
  }

  #writeOut(): void {
    if (this.#buffer === '' || this.#state !== 'open') return;
    const text = this.#buffer;
    this.#buffer = '';
    try {
      this.#write(text);
      this.#written = this.#chain.state;
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #write(text: string): void {
    let bytes: Uint8Array;
    if (text.length * 3 <= scratch.length) bytes = scratch.subarray(0, scratch.write(text, 0, 'utf8'));
    else bytes = Buffer.from(text, 'utf8');
    this.#options.target.write(bytes);
    this.#bytes += bytes.length;
  }

  #fail(thrown: unknown): void {
    this.#state = 'failed';
    this.#waiting = [];
    this.#buffer = '';
    this.#options.scheduler.forget(this);
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const error = ourError('recording_failed', `cannot write the recording ${this.#options.target.name}: ${why}`, {
      fix: 'free space or repair the disk of the recordings, then connect again',
      cause: thrown,
    });
    this.#options.failed(error);
  }

  /**
   * After a failure: tries once to seal what was written before it. Where that fails too, the salvage at the next start
   * does it; nothing retries for ever.
   */
  async closeFailed(reason: string): Promise<Seal | undefined> {
    if (this.#state !== 'failed') return undefined;
    this.#chain.rewind(this.#written);
    return this.#seal(reason);
  }

  async #seal(interrupted: string | undefined): Promise<Seal | undefined> {
    this.#state = 'closed';
    this.#options.scheduler.forget(this);
    const fields = interrupted === undefined ? '' : `,"interrupted":${JSON.stringify(interrupted)}`;
    const seal = this.#chain.seal(this.#options.now(), fields);
    try {
      this.#write(seal.line);
      await this.#options.target.finish();
    } catch (thrown) {
      this.#options.target.abandon();
      if (interrupted === undefined) this.#options.failed(asSealFailure(thrown, this.#options.target.name));
      return undefined;
    }
    return { digest: seal.digest, lines: seal.lines, bytes: this.#bytes, interrupted };
  }
}

function asSealFailure(thrown: unknown, name: string): HoopctlError {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return ourError('recording_failed', `cannot seal the recording ${name}: ${why}`, {
    fix: 'free space or repair the disk of the recordings; it is sealed at the next start',
    cause: thrown,
  });
}
