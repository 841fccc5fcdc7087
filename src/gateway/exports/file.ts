// Events into a file of this machine: appended, made durable, then counted. A restart cuts what was written after the last
// cursor, so that the file has every event once. Refuses to know: what the lines say.

import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import type { ExportEvent } from '../../session/export/event.ts';
import type { Writer } from '../../session/export/formats.ts';
import { reasonOf } from '../webhooks/post.ts';
import { DeliveryError, type Destination } from './destination.ts';
import type { FileExport } from './schema.ts';

type Options = Pick<FileExport, 'path' | 'rotate' | 'keep'>;

export class FileDestination implements Destination {
  readonly #options: Options;
  readonly #writer: Writer;
  #file: FileHandle | undefined;
  #mark: { inode: string; bytes: number } | undefined;
  #regular = true;

  /** `mark`: as it was with the cursor that is gone on from. */
  constructor(options: Options, writer: Writer, mark: Destination['mark']) {
    this.#options = options;
    this.#writer = writer;
    if (mark !== undefined) this.#mark = { inode: String(mark.inode), bytes: Number(mark.bytes) };
  }

  get mark(): Destination['mark'] {
    return this.#mark;
  }

  async send(events: readonly ExportEvent[]): Promise<void> {
    try {
      const file = await this.#open();
      const mark = this.#mark!;
      const head = mark.bytes === 0 ? this.#writer.head : '';
      const bytes = Buffer.from(head + events.map((event) => this.#writer.line(event)).join(''), 'utf8');
      await file.appendFile(bytes);
      if (this.#regular) await file.datasync();
      this.#mark = { ...mark, bytes: mark.bytes + bytes.length };
    } catch (thrown) {
      await this.close();
      throw new DeliveryError(`the file cannot be written: ${reasonOf(thrown)}`);
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
  }

  async #open(): Promise<FileHandle> {
    const { path, rotate } = this.#options;
    if (this.#file !== undefined && this.#regular) {
      // Somebody may have moved it away (logrotate): then a new one is begun under the name.
      const found = await stat(path, { bigint: true }).catch(() => undefined);
      const full = rotate !== undefined && this.#mark!.bytes >= rotate;
      if (full) await this.#rotate();
      if (full || found?.ino.toString() !== this.#mark!.inode) await this.close();
    }
    this.#file ??= await this.#begin();
    return this.#file;
  }

  async #begin(): Promise<FileHandle> {
    const file = await open(this.#options.path, 'a', 0o600);
    const found = await file.stat({ bigint: true });
    this.#regular = found.isFile();
    const inode = found.ino.toString();
    let bytes = this.#regular ? Number(found.size) : 0;
    if (this.#regular && this.#mark?.inode === inode && this.#mark.bytes < bytes) {
      bytes = this.#mark.bytes;
      await file.truncate(bytes);
    }
    this.#mark = { inode, bytes };
    return file;
  }

  /** PATH → PATH.1 → PATH.2; the last goes. */
  async #rotate(): Promise<void> {
    const { path, keep } = this.#options;
    await rm(`${path}.${keep}`, { force: true });
    for (let number = keep; number > 0; number--) {
      const from = number === 1 ? path : `${path}.${number - 1}`;
      await rename(from, `${path}.${number}`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }
}
