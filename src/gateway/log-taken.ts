// The digests of the entries that the gateway's log took, as they are taken: DATA/keys/log-taken. Apart from the log's journal,
// so that at a start an entry is noticed that somebody else put there, and one that is gone. Refuses to know: entries.

import { createReadStream, existsSync, fstatSync } from 'node:fs';
import type { DiskFiles } from '../session/recorder/files.ts';
import { LineSplitter } from '../session/recorder/reader.ts';
import { nodeFiles, writeAll } from '../store/node-files.ts';
import { writePrivate } from './files.ts';

/** A digest in hex and a newline. */
const RECORD_BYTES = 65;

export class TakenFile {
  readonly #path: string;
  readonly #files: DiskFiles;
  #open: { readonly fd: number; length: number } | undefined;

  constructor(path: string, files: DiskFiles = nodeFiles) {
    this.#path = path;
    this.#files = files;
  }

  /** In order; undefined: a gateway of before there was this file. What was torn at its end was taken by nobody. */
  async read(): Promise<readonly string[] | undefined> {
    if (!existsSync(this.#path)) return undefined;
    const digests: string[] = [];
    const splitter = new LineSplitter();
    for await (const chunk of createReadStream(this.#path)) {
      for (const { bytes } of splitter.push(chunk as Buffer)) digests.push(bytes.toString('latin1'));
    }
    return digests;
  }

  /** These and nothing else, in one step. */
  begin(digests: readonly string[]): void {
    this.close();
    writePrivate(this.#path, digests.map((digest) => `${digest}\n`).join(''));
  }

  /** Throws where it could not; then it is not there. */
  take(digest: string, durable: boolean): void {
    const opened = this.#opened();
    try {
      writeAll(this.#files, opened.fd, Buffer.from(`${digest}\n`, 'latin1'), () => {});
      if (durable) this.#files.datasync(opened.fd);
    } catch (thrown) {
      this.#cut(opened);
      throw thrown;
    }
    opened.length += RECORD_BYTES;
  }

  /** The last one was not taken after all. */
  drop(): void {
    const opened = this.#opened();
    opened.length -= RECORD_BYTES;
    this.#cut(opened);
  }

  async sync(): Promise<void> {
    if (this.#open !== undefined) await this.#files.sync(this.#open.fd);
  }

  close(): void {
    if (this.#open !== undefined) this.#files.close(this.#open.fd);
    this.#open = undefined;
  }

  #cut({ fd, length }: { fd: number; length: number }): void {
    try {
      this.#files.truncate(fd, length);
    } catch {
      // A digest too many is one of an entry that is not there: the next start tells of it where there are several.
    }
  }

  #opened(): { readonly fd: number; length: number } {
    if (this.#open !== undefined) return this.#open;
    const fd = this.#files.open(this.#path, existsSync(this.#path) ? 'existing' : 'new');
    const { size } = fstatSync(fd);
    const length = size - (size % RECORD_BYTES);
    if (length < size) this.#files.truncate(fd, length);
    this.#open = { fd, length };
    return this.#open;
  }
}
