// Waits for bytes of a stream before there is a conversation: the few round trips of a login. Never on the hot path.
// Refuses to know: what the bytes mean.

import { type HoopctlError, peerError } from '../../../core/errors.ts';
import { type Limit, limitExceeded } from '../../../core/limits.ts';
import type { ByteStream } from '../../../core/stream.ts';
import { HEADER } from '../wire/types.ts';

/** Bytes that may lie here while nobody asks for them; the stream is not read above it. */
const HELD = 1024 * 1024;

export class Inbox {
  readonly stream: ByteStream;
  /** Told when the stream ends while nobody waits for its bytes. */
  onClosed: (() => void) | undefined;
  readonly #gone: () => HoopctlError;
  #bytes: Buffer = Buffer.alloc(0);
  #closed = false;
  #failure: Error | undefined;
  #waiter: { want: number; resolve: () => void; reject: (error: Error) => void } | undefined;

  /** Takes the stream's handlers over until `release`. `gone`: the error when it ends while bytes are waited for. */
  constructor(stream: ByteStream, gone: () => HoopctlError) {
    this.stream = stream;
    this.#gone = gone;
    stream.onData = (chunk) => {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
      this.#settle();
      if (this.#waiter === undefined && this.#bytes.length > HELD) stream.pause();
    };
    stream.onEnd = () => this.#close();
    stream.onClose = (error) => {
      this.#failure ??= error;
      this.#close();
    };
    stream.resume();
  }

  get held(): number {
    return this.#bytes.length;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The first bytes, without taking them; waits for `length` of them. */
  async peek(length: number): Promise<Buffer> {
    await this.#need(length);
    return this.#bytes.subarray(0, length);
  }

  async take(length: number): Promise<Buffer> {
    await this.#need(length);
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  /** One message of protocol 3, whole; its length is checked before its body is waited for. */
  async message(bound: Limit): Promise<Buffer> {
    const header = await this.peek(HEADER);
    const total = header.readInt32BE(1) + 1;
    if (total < HEADER) throw peerError('protocol_violation', `a message declares a length of ${total} bytes`);
    if (total > bound.value) throw limitExceeded(bound, total);
    return this.take(total);
  }

  /** A packet before the first message: length and code, no type. */
  async packet(bound: Limit): Promise<Buffer> {
    const header = await this.peek(8);
    const total = header.readInt32BE(0);
    if (total < 8) throw peerError('protocol_violation', `a startup packet declares a length of ${total} bytes`);
    if (total > bound.value) throw limitExceeded(bound, total);
    return this.take(total);
  }

  /** Fails what waits now, and all that will. */
  fail(error: Error): void {
    this.#failure = error;
    this.#close();
  }

  /** Gives the stream back, paused, with what was read of it and not taken. */
  release(): Buffer {
    const { stream } = this;
    stream.pause();
    stream.onData = undefined;
    stream.onEnd = undefined;
    stream.onClose = undefined;
    const rest = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    return rest;
  }

  #need(want: number): Promise<void> | undefined {
    if (this.#bytes.length >= want) return undefined;
    return new Promise((resolve, reject) => {
      this.#waiter = { want, resolve, reject };
      this.stream.resume();
      this.#settle();
    });
  }

  #close(): void {
    this.#closed = true;
    this.#settle();
    this.onClosed?.();
  }

  #settle(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    if (this.#bytes.length >= waiter.want) {
      this.#waiter = undefined;
      waiter.resolve();
    } else if (this.#closed) {
      this.#waiter = undefined;
      waiter.reject(this.#failure ?? this.#gone());
    }
  }
}
