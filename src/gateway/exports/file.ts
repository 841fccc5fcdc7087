// Events into a file of this machine: appended, made durable, then counted. How far a write may reach is kept before it
// begins: what a kill or a full disk left of it is cut, so that the file has every event once, and nothing else is ever cut.
// Refuses to know: what the lines say.

import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ExportEvent } from '../../session/export/event.ts';
import type { Writer } from '../../session/export/formats.ts';
import { reasonOf } from '../webhooks/post.ts';
import { DeliveryError, type Destination } from './destination.ts';
import type { FileExport } from './schema.ts';

type Options = Pick<FileExport, 'path' | 'rotate' | 'keep'>;

interface Mark {
  readonly inode: string;
  /** What the receiver has: of the file, as long as that is the same one. */
  readonly bytes: number;
  /** What may be there behind it of a write that did not come to its end. */
  readonly until: number;
}

const NEWLINE = 10;

export class FileDestination implements Destination {
  readonly #options: Options;
  readonly #writer: Writer;
  #file: FileHandle | undefined;
  #mark: Mark | undefined;
  #regular = true;
  /** What `intend` said would be written. */
  #due: Buffer | undefined;

  /** `mark`: as it was with the cursor that is gone on from. */
  constructor(options: Options, writer: Writer, mark: Destination['mark']) {
    this.#options = options;
    this.#writer = writer;
    if (mark === undefined) return;
    const bytes = Number(mark.bytes);
    this.#mark = { inode: String(mark.inode), bytes, until: Number(mark.until ?? bytes) };
  }

  get mark(): Destination['mark'] {
    return this.#mark === undefined ? undefined : { ...this.#mark };
  }

  async intend(events: readonly ExportEvent[]): Promise<void> {
    await this.#guarded(async () => {
      const file = await this.#open();
      const { inode, bytes } = this.#mark!;
      const head = bytes === 0 ? this.#writer.head : '';
      // Somebody's last line may be without its end: ours begins on one of its own.
      const front = bytes > 0 && this.#regular && !(await endsLine(file, bytes)) ? '\n' : '';
      this.#due = Buffer.from(front + head + events.map((event) => this.#writer.line(event)).join(''), 'utf8');
      this.#mark = { inode, bytes, until: bytes + this.#due.length };
    });
  }

  async send(): Promise<void> {
    await this.#guarded(async () => {
      const file = this.#file!;
      await file.appendFile(this.#due!);
      if (this.#regular) await file.datasync();
      const { inode, until } = this.#mark!;
      this.#mark = { inode, bytes: until, until };
    });
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      await this.close();
      throw new DeliveryError(`the file cannot be written: ${reasonOf(thrown)}`);
    }
  }

  async #open(): Promise<FileHandle> {
    const { path, rotate } = this.#options;
    if (this.#file !== undefined && this.#regular) {
      // Somebody may have moved it away (logrotate): then a new one is begun under the name.
      const found = await stat(path, { bigint: true }).catch(() => undefined);
      const same = found?.ino.toString() === this.#mark!.inode;
      if (same) await this.#settle(this.#file);
      const full = same && rotate !== undefined && this.#mark!.bytes >= rotate;
      if (full) await this.#rotate();
      if (full || !same) await this.close();
    }
    this.#file ??= await this.#begin();
    return this.#file;
  }

  async #begin(): Promise<FileHandle> {
    const { path } = this.#options;
    const there = await stat(path).catch(() => undefined);
    // A pipe or a terminal is written only: opened for both, it would not wait for who reads.
    const reads = there === undefined || there.isFile() ? constants.O_RDWR : constants.O_WRONLY;
    const file = await open(path, reads | constants.O_APPEND | constants.O_CREAT, 0o600);
    try {
      const found = await file.stat({ bigint: true });
      this.#regular = found.isFile();
      const inode = found.ino.toString();
      if (this.#mark?.inode !== inode) {
        const bytes = this.#regular ? Number(found.size) : 0;
        this.#mark = { inode, bytes, until: bytes };
        // With its name: a loss of power leaves it where it is looked for.
        if (this.#regular) await syncFolder(dirname(path));
      } else if (this.#regular) await this.#settle(file);
      return file;
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  /** The file as far as the receiver has it. What is behind it is cut where it can only be ours. */
  async #settle(file: FileHandle): Promise<void> {
    const { inode, bytes, until } = this.#mark!;
    const { size } = await file.stat();
    if (size > until) {
      throw new Error(
        'it has grown by what this destination did not write: give each destination of each gateway a file of its own, or move this one away',
      );
    }
    if (size > bytes) await file.truncate(bytes);
    // Shorter: somebody emptied it in its place (logrotate's copytruncate).
    const now = Math.min(size, bytes);
    this.#mark = { inode, bytes: now, until: now };
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

async function endsLine(file: FileHandle, bytes: number): Promise<boolean> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, bytes - 1);
  return bytesRead === 0 || buffer[0] === NEWLINE;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
