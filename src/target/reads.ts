// Reads of a plain socket without Node's stream in between: one area for all sockets instead of 64 KiB allocated, cut
// down and freed for every read, which was a tenth of the gateway's work for a small statement.
// Refuses to know: what is read, TLS.

import type { OnReadOpts, Socket } from 'node:net';

/** Where the kernel writes; taken out before the next read of any socket begins. */
const area = Buffer.allocUnsafeSlow(64 * 1024);

/** Memory of large chunks that their readers are done with: cheaper than new, for it is still in the processor's caches. */
const free: ArrayBuffer[] = [];
const MOST_FREE = 16;
const LEAST = 8 * 1024;
/**
 * How long the readers of one socket work before others are looked at: the kernel's side of it holds megabytes, of which Node
 * would go on to read 2 MiB at a stretch. What takes long is one chunk at a time.
 */
const TURN_MS = 8;

/** What may come back: Node's own pools of small buffers must not. */
const ours = new WeakSet<ArrayBufferLike>();

function chunkOf(size: number): Buffer {
  if (size < LEAST) return Buffer.allocUnsafe(size);
  let memory = free.pop();
  if (memory === undefined) {
    memory = new ArrayBuffer(area.length);
    ours.add(memory);
  }
  return Buffer.from(memory, 0, size);
}

export class DirectReads {
  /** For `net.connect`. */
  readonly option: OnReadOpts;
  #socket: Socket | undefined;
  #handler: ((chunk: Buffer) => void) | undefined;
  /** Read before anybody listened: servers of other protocols speak first. */
  #early: Buffer[] = [];
  /** When the reads of this turn of the event loop began. */
  #turn: number | undefined;
  /** No more of it is read in this turn. */
  #resting = false;

  constructor() {
    this.option = { buffer: area, callback: (size) => this.#read(size) };
  }

  attach(socket: Socket): void {
    this.#socket = socket;
  }

  get handler(): ((chunk: Buffer) => void) | undefined {
    return this.#handler;
  }

  set handler(handler: ((chunk: Buffer) => void) | undefined) {
    this.#handler = handler;
    if (handler === undefined) return;
    for (const chunk of this.#early.splice(0)) handler(chunk);
    this.#socket?.resume();
  }

  release(chunk: Buffer): void {
    if (free.length < MOST_FREE && ours.has(chunk.buffer)) free.push(chunk.buffer as ArrayBuffer);
  }

  /** False stops the reading, as `net.connect` documents. */
  #read(size: number): boolean {
    const chunk = chunkOf(size);
    area.copy(chunk, 0, 0, size);
    if (this.#handler === undefined) {
      this.#early.push(chunk);
      return false;
    }
    // Less than was asked for: there is no more of it now, and others have their turn anyway.
    if (size < LEAST) {
      this.#handler(chunk);
      return true;
    }
    if (this.#turn === undefined) {
      this.#turn = performance.now();
      setImmediate(() => this.#turned());
    }
    this.#handler(chunk);
    this.#resting = performance.now() - this.#turn > TURN_MS;
    return !this.#resting;
  }

  #turned(): void {
    this.#turn = undefined;
    if (!this.#resting) return;
    this.#resting = false;
    // Its owner may have paused it meanwhile, or given it up.
    if (this.#handler !== undefined && this.#socket?.isPaused() === false) this.#socket.resume();
  }
}
