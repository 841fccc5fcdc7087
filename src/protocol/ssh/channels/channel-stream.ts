// One side of a channel as a byte stream, for whoever takes its bytes here instead of passing them on: what came and waits, the
// window that is granted for it, what waits to be sent. Refuses to know: who opened the channel, how it ends.

import type { ByteStream } from '../../../core/stream.ts';
import { BLOCK } from './backlog.ts';
import type { Leg } from './leg.ts';

export abstract class ChannelStream implements ByteStream {
  onEnd: (() => void) | undefined;
  onClose: ((error: Error | undefined) => void) | undefined;
  onDrain: (() => void) | undefined;
  abstract readonly remote: string;
  /** Undefined while the channel is not open. */
  protected abstract readonly leg: Leg | undefined;
  readonly #highWater: number;
  #onData: ((chunk: Buffer) => void) | undefined;
  /** What came while nobody took it; at most the window that was granted. */
  #inbox: { readonly block: Buffer; to: number }[] = [];
  #paused = false;
  #queued = 0;
  #full = false;

  /** `highWater`: bytes that wait for the other side's window before whoever writes is told to stop. */
  constructor(highWater: number) {
    this.#highWater = highWater;
  }

  abstract end(): void;
  abstract destroy(error?: Error): void;
  /** Whether what is written is still sent. */
  protected abstract get writable(): boolean;
  /** Whether what came is still given out. */
  protected abstract get readable(): boolean;
  /** Nothing that came waits any more; also told when that was so before. */
  protected abstract emptied(): void;

  get onData(): ((chunk: Buffer) => void) | undefined {
    return this.#onData;
  }

  set onData(handler: ((chunk: Buffer) => void) | undefined) {
    this.#onData = handler;
    // As of a socket: never from inside of the setting.
    queueMicrotask(() => this.deliver());
  }

  get queued(): number {
    return this.#queued;
  }

  write(chunk: Buffer): boolean {
    if (!this.writable) return false;
    this.#queued += chunk.length;
    this.leg!.data(chunk, 0, this.#went);
    this.#full ||= this.#queued > this.#highWater;
    return !this.#full;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.deliver();
  }

  protected get paused(): boolean {
    return this.#paused;
  }

  /** Data that came. The buffer is not ours to give away: a copy is. */
  protected keep(bytes: Buffer): void {
    this.leg?.received(bytes.length);
    this.#copy(bytes);
    this.deliver();
  }

  protected deliver(): void {
    while (!this.#paused && this.readable && this.#onData !== undefined && this.#inbox.length > 0) {
      const { block, to } = this.#inbox.shift()!;
      this.leg?.taken(to);
      this.#onData(block.subarray(0, to));
    }
    if (this.readable && this.#inbox.length === 0) this.emptied();
  }

  /** What waits is given out no more. */
  protected forget(): void {
    this.#inbox = [];
  }

  #copy(bytes: Buffer): void {
    const last = this.#inbox.at(-1);
    if (last !== undefined && last.to + bytes.length <= last.block.length) {
      last.to += bytes.copy(last.block, last.to);
      return;
    }
    // Small pieces that wait share a block.
    const room = last === undefined ? bytes.length : Math.max(bytes.length, BLOCK);
    const block = Buffer.allocUnsafeSlow(room);
    this.#inbox.push({ block, to: bytes.copy(block) });
  }

  /** One function for all of it: what waits for the same shares blocks. */
  readonly #went = (count: number): void => {
    this.#queued -= count;
    if (!this.#full || this.#queued > this.#highWater / 2) return;
    this.#full = false;
    queueMicrotask(() => this.onDrain?.());
  };
}
