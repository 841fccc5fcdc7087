// What one end of a tunnel sends: the writes of one turn of the event loop become one frame, and one system call where
// they fit. Refuses to know: what the bytes and texts mean, and when a tunnel ends.

import type { Socket } from 'node:net';
import { frame, MAX_HEADER, OPCODE, writeHeader } from './frames.ts';

/** Up to here frames are copied into one buffer, so that they leave in one piece; above, `writev` gathers them. */
const COPY_BYTES = 16 * 1024;
/** Writes of one turn become one frame up to here; as much may be queued before the writer is asked to stop. */
export const QUEUE_BYTES = 64 * 1024;
/** How long a text that is not urgent waits for bytes to travel with, ms. */
const LATER_MS = 20;

const TURN = Promise.resolve();

export class FrameSender {
  /** Something was sent since the watch looked last. */
  sent = true;
  /** The queue that `write` called full has drained. */
  onDrain: (() => void) | undefined;
  readonly #socket: Socket;
  readonly #masks: boolean;
  readonly #flush = () => this.flush();
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Whole text frames that go before the pending bytes. */
  #texts: Buffer[] = [];
  #textBytes = 0;
  #later = false;
  #stalled = false;
  #ended = false;

  constructor(socket: Socket, masks: boolean) {
    this.#socket = socket;
    this.#masks = masks;
    socket.on('drain', () => this.#drained());
  }

  /** Bytes not yet taken by the operating system. */
  get queued(): number {
    return this.#socket.writableLength + this.#pendingBytes;
  }

  /** Queues bytes; false: stop until `onDrain`. */
  write(chunk: Buffer): boolean {
    if (this.#ended) return false;
    if (this.#pendingBytes === 0) void TURN.then(this.#flush);
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes >= QUEUE_BYTES) this.flush();
    if (!this.#stalled && this.queued < QUEUE_BYTES) return true;
    this.#stalled = true;
    return false;
  }

  /**
   * Sends a text behind the bytes written so far. One that is not `urgent` travels with the next bytes, at the latest
   * after LATER_MS: a record and a system call of its own for each operation would cost more than all the rest.
   */
  text(payload: string, urgent: boolean): void {
    if (this.#ended) return;
    if (this.#pendingBytes > 0) this.flush();
    const whole = frame(OPCODE.text, Buffer.from(payload), this.#masks);
    this.#texts.push(whole);
    this.#textBytes += whole.length;
    if (urgent) {
      this.flush();
    } else if (!this.#later) {
      this.#later = true;
      setTimeout(() => {
        this.#later = false;
        this.flush();
      }, LATER_MS).unref();
    }
  }

  /** A ping or pong. A peer that does not read gets none: its queue must not grow (RFC 6455 §5.5.3 allows it). */
  control(opcode: number, payload: Buffer): void {
    if (this.#ended || this.#socket.writableLength >= QUEUE_BYTES) return;
    this.#socket.write(frame(opcode, payload, this.#masks));
    this.sent = true;
  }

  /** Sends what is queued and a close frame, then ends our side of the connection. */
  end(close: Buffer): void {
    if (this.#ended) return;
    this.flush();
    this.#ended = true;
    this.#socket.end(frame(OPCODE.close, close, this.#masks));
  }

  flush(): void {
    const bytes = this.#pendingBytes;
    const total = this.#textBytes + bytes;
    if (total === 0 || this.#ended) return;
    const texts = this.#texts;
    const chunks = this.#pending;
    this.#texts = [];
    this.#textBytes = 0;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.sent = true;
    if (total <= COPY_BYTES) this.#copied(texts, chunks, bytes, total);
    else this.#gathered(texts, chunks, bytes);
    if (this.#stalled && !this.#socket.writableNeedDrain) this.#drained();
  }

  #copied(texts: Buffer[], chunks: Buffer[], bytes: number, total: number): void {
    const whole = Buffer.allocUnsafe(MAX_HEADER + total);
    let at = 0;
    for (const text of texts) {
      whole.set(text, at);
      at += text.length;
    }
    if (bytes > 0) at += writeHeader(whole, at, OPCODE.binary, bytes, this.#masks);
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    this.#socket.write(whole.subarray(0, at));
  }

  #gathered(texts: Buffer[], chunks: Buffer[], bytes: number): void {
    const socket = this.#socket;
    const header = Buffer.allocUnsafe(MAX_HEADER);
    socket.cork();
    for (const text of texts) socket.write(text);
    if (bytes > 0) socket.write(header.subarray(0, writeHeader(header, 0, OPCODE.binary, bytes, this.#masks)));
    for (const chunk of chunks) socket.write(chunk);
    socket.uncork();
  }

  #drained(): void {
    if (!this.#stalled || this.queued >= QUEUE_BYTES) return;
    this.#stalled = false;
    this.onDrain?.();
  }
}
