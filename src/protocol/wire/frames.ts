// Cuts a byte stream into frames: answers "is a whole frame here?" and nothing else. Keeps original bytes, copies only a
// frame that arrived in pieces, and checks a declared length before any of the body is waited for.
// Refuses to know: what a frame means, any protocol by name.

import { peerError } from '../../core/errors.ts';
import { type Limit, limitExceeded } from '../../core/limits.ts';

/** Where a protocol keeps a frame's length. */
export interface FrameFormat {
  /** Bytes from which the length is known. */
  readonly header: number;
  /** The least length a whole frame can declare, header included. */
  readonly min: number;
  /** The whole frame's declared length in bytes, header included, read at `at`; may be negative or absurd. */
  total(buffer: Buffer, at: number): number;
  /** The bound on a frame, by its first byte: asked only for frames longer than `free`. */
  limit(type: number): Limit;
  /** No bound is under this many bytes, so that small frames need not ask. */
  readonly free: number;
}

/** What `next` found. */
export const Step = {
  /** More bytes are needed. */
  need: 0,
  /** `start`‥`end` of `buffer` is one whole frame. */
  frame: 1,
  /** `start`‥`end` of `buffer` is a piece of a frame that is being passed. */
  part: 2,
  /** A frame's header is at `start` and not its whole body: `pass()` it in pieces, or leave it to be collected. */
  header: 3,
} as const;
export type Step = (typeof Step)[keyof typeof Step];

const EMPTY = Buffer.alloc(0);

export class FrameReader {
  /** The bytes in hand; `start`‥`end` is what the last `next` found. Never written to. */
  buffer: Buffer = EMPTY;
  start = 0;
  end = 0;
  /** The declared length of the frame that the last `next` met, whole or not. */
  total = 0;
  readonly #format: FrameFormat;
  #queue: Buffer[] = [];
  #queued = 0;
  #passing = 0;

  constructor(format: FrameFormat) {
    this.#format = format;
  }

  /** Bytes taken in and not yet found by `next`. */
  get pending(): number {
    return this.buffer.length - this.end + this.#queued;
  }

  /** In the middle of a frame that is being passed: nothing else may be put into its stream here. */
  get midFrame(): boolean {
    return this.#passing > 0;
  }

  /** Takes a chunk in; the reader owns it. */
  push(chunk: Buffer): void {
    if (this.end === this.buffer.length && this.#queued === 0) {
      this.buffer = chunk;
      this.start = 0;
      this.end = 0;
      return;
    }
    this.#queue.push(chunk);
    this.#queued += chunk.length;
  }

  /** Moves on behind what was found last. Throws protocol_violation and limit_exceeded on a length that cannot be. */
  next(): Step {
    this.start = this.end;
    if (this.#passing > 0) return this.#part();
    if (this.buffer.length - this.end < this.#format.header && !this.#gather(this.#format.header)) return Step.need;
    const total = this.#format.total(this.buffer, this.start);
    this.total = total;
    if (total < this.#format.min || total > this.#format.free) this.#check(total);
    if (this.buffer.length - this.start < total && !this.#gather(total)) return Step.header;
    this.end = this.start + total;
    return Step.frame;
  }

  /**
   * Walks on over the whole frames in hand that begin with `type`, moving `end` behind the last of them; returns how
   * many. The tight loop for a long run of frames that nobody has to look into.
   */
  run(type: number): number {
    const { min, free, header } = this.#format;
    const format = this.#format;
    const buffer = this.buffer;
    const last = buffer.length - header;
    let at = this.end;
    let count = 0;
    while (at <= last && buffer[at] === type) {
      const total = format.total(buffer, at);
      if (total < min || total > free || at + total > buffer.length) break;
      at += total;
      count++;
    }
    this.end = at;
    return count;
  }

  /** The frame whose header `next` found will be delivered in pieces as they come, without being buffered. */
  pass(): void {
    this.#passing = this.total;
  }

  /** Puts the frame found last back: `next` will find it again. */
  unread(): void {
    this.end = this.start;
  }

  /** Lets go of a buffer that was wholly found, so that an idle reader keeps nothing alive. */
  release(): void {
    if (this.end !== this.buffer.length || this.#queued > 0) return;
    this.buffer = EMPTY;
    this.start = 0;
    this.end = 0;
  }

  #part(): Step {
    if (this.end === this.buffer.length) {
      const chunk = this.#queue.shift();
      if (chunk === undefined) return Step.need;
      this.#queued -= chunk.length;
      this.buffer = chunk;
      this.start = 0;
      this.end = 0;
    }
    const length = Math.min(this.#passing, this.buffer.length - this.end);
    this.#passing -= length;
    this.end += length;
    return Step.part;
  }

  /** Joins what is queued to what is in hand when that makes `want` bytes; copies once, not with every chunk. */
  #gather(want: number): boolean {
    const rest = this.buffer.length - this.end;
    if (this.#queued === 0 || rest + this.#queued < want) return false;
    this.buffer = Buffer.concat(rest === 0 ? this.#queue : [this.buffer.subarray(this.end), ...this.#queue]);
    this.#queue = [];
    this.#queued = 0;
    this.start = 0;
    this.end = 0;
    return true;
  }

  #check(total: number): void {
    if (total < this.#format.min) {
      throw peerError(
        'protocol_violation',
        `a message declares a length of ${total} bytes, at least ${this.#format.min} expected`,
      );
    }
    const bound = this.#format.limit(this.buffer[this.start]!);
    if (total > bound.value) throw limitExceeded(bound, total);
  }
}
