// Reads of a plain socket without Node's stream in between: one area for all sockets instead of 64 KiB allocated, cut
// down and freed for every read, which was a tenth of the gateway's work for a small statement.
// Refuses to know: what is read, TLS.

import type { OnReadOpts, Socket } from 'node:net';

/** Where the kernel writes; taken out before the next read of any socket begins. */
const area = Buffer.allocUnsafeSlow(64 * 1024);

export class DirectReads {
  /** For `net.connect`. */
  readonly option: OnReadOpts;
  #socket: Socket | undefined;
  #handler: ((chunk: Buffer) => void) | undefined;
  /** Read before anybody listened: servers of other protocols speak first. */
  #early: Buffer[] = [];

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

  /** False stops the reading, as `net.connect` documents. */
  #read(size: number): boolean {
    const chunk = Buffer.allocUnsafe(size);
    area.copy(chunk, 0, 0, size);
    if (this.#handler === undefined) {
      this.#early.push(chunk);
      return false;
    }
    this.#handler(chunk);
    return true;
  }
}
