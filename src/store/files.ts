// Files of the data directory: private to their owner, appended to, cut back to what is whole when a write fails.
// Refuses to know: what the lines in them mean.

import { mkdirSync } from 'node:fs';
import type { DiskFiles } from '../session/recorder/files.ts';
import type { RecordingTarget } from '../session/recorder/sink.ts';
import { writeAll } from './node-files.ts';

/** Makes a directory and those above it, mode 0700 for each that is new. */
export function privateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** Lets so many run at once, the rest in order: many sessions that end together must not take every thread. */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

export interface FileTargetOptions {
  readonly files: DiskFiles;
  readonly fd: number;
  readonly path: string;
  /** Bytes in it already. */
  readonly length: number;
  readonly gate: Gate;
  /** After it was finished. */
  readonly finished?: () => void;
  /** Whether a write is to survive a loss of power when it returns. */
  readonly synced?: () => boolean;
}

/** Whether the file still has a name is asked before a write, at most this often: it costs as much as the write. */
const LINKS_MS = 100;

/** One file being appended to. */
export class FileTarget implements RecordingTarget {
  readonly #options: FileTargetOptions;
  #length: number;
  /** Bytes of a failed write may stand behind the good ones. */
  #torn = false;
  #closed = false;
  #linksAt = Number.NEGATIVE_INFINITY;

  constructor(options: FileTargetOptions) {
    this.#options = options;
    this.#length = options.length;
  }

  get name(): string {
    return this.#options.path;
  }

  write(bytes: Uint8Array): void {
    const { files, fd } = this.#options;
    if (this.#torn) this.#cut();
    this.#assertThere();
    let wrote = 0;
    try {
      writeAll(files, fd, bytes, (count) => {
        wrote += count;
      });
      if (this.#options.synced?.() === true) files.datasync(fd);
    } catch (thrown) {
      if (wrote > 0) this.#torn = true;
      try {
        if (this.#torn) this.#cut();
      } catch {
        // The first error is the one to tell; the torn bytes are cut before the next write or at the next start.
      }
      throw thrown;
    }
    this.#length += bytes.length;
  }

  /** What is written to a file that has no name any more is gone with the process. */
  #assertThere(): void {
    const now = performance.now();
    if (now - this.#linksAt < LINKS_MS) return;
    const { files, fd, path } = this.#options;
    if (files.links(fd) === 0) throw Object.assign(new Error(`ENOENT: ${path} was removed`), { code: 'ENOENT' });
    this.#linksAt = now;
  }

  sync(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return this.#options.gate.run(() => this.#options.files.sync(this.#options.fd));
  }

  async finish(): Promise<void> {
    await this.sync();
    this.#close();
    this.#options.finished?.();
  }

  abandon(): void {
    try {
      this.#close();
    } catch {
      // Nothing is lost by it: what was written is in the kernel's hands.
    }
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.files.close(this.#options.fd);
  }

  #cut(): void {
    this.#options.files.truncate(this.#options.fd, this.#length);
    this.#torn = false;
  }
}
