// What the client gets of files that are masked, by handle, and how much of it a session may have held at a time.
// Refuses to know: how a file is read, what masks find.

import type { Limit } from '../../../core/limits.ts';
import type { Session } from '../../contract.ts';

/** Bytes held by all channels of a session: files, and what is read of those to come. */
const held = new WeakMap<Session, { bytes: number }>();

export class ShownFiles {
  readonly #files = new Map<string, Buffer>();
  readonly #all: { bytes: number };
  readonly #limit: Limit;
  /** Of these here. */
  #bytes = 0;

  constructor(session: Session, limit: Limit) {
    const all = held.get(session) ?? { bytes: 0 };
    held.set(session, all);
    this.#all = all;
    this.#limit = limit;
  }

  get(handle: string): Buffer | undefined {
    return this.#files.get(handle);
  }

  /** Room for so many bytes more; otherwise why there is none. */
  take(bytes: number): string | undefined {
    if (this.#all.bytes + bytes > this.#limit.value) {
      return `masks apply to it, and the masked files that are open have ${this.#limit.value} bytes (${this.#limit.name}): close some`;
    }
    this.#count(bytes);
    return undefined;
  }

  give(bytes: number): void {
    this.#count(-bytes);
  }

  /** In place of `read` bytes that were taken for it. */
  keep(handle: string, shown: Buffer, read: number): void {
    this.#count(shown.length - read);
    this.#files.set(handle, shown);
  }

  drop(handle: string): void {
    this.#count(-(this.#files.get(handle)?.length ?? 0));
    this.#files.delete(handle);
  }

  /** The channel is over. */
  end(): void {
    this.#files.clear();
    this.#count(-this.#bytes);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#all.bytes += bytes;
  }
}
