// The commit journal: bytes of many recordings made durable by one fdatasync, before they are durable in their own files.
// Read once, at the start after a power loss (FORMAT.md says how). Refuses to know: what the bytes mean, when to commit.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DiskFiles } from '../../session/recorder/files.ts';
import { appendWhole } from '../node-files.ts';

/** Bytes that stand, or have to stand, in a file from `at` on. */
export interface JournalRecord {
  /** Relative to the directory of recordings. */
  readonly file: string;
  readonly at: number;
  readonly bytes: Uint8Array;
}

export class Journal {
  readonly #files: DiskFiles;
  readonly #path: string;
  #fd: number | undefined;
  #length = 0;

  constructor(files: DiskFiles, path: string) {
    this.#files = files;
    this.#path = path;
  }

  get length(): number {
    return this.#length;
  }

  /** All of them durable when it returns. Throws where they are not; then none of them counts. */
  commit(records: readonly JournalRecord[]): void {
    this.#fd ??= this.#open();
    const bytes = Buffer.concat(records.flatMap(({ file, at, bytes }) => [head(file, at, bytes), bytes]));
    appendWhole(this.#files, this.#fd, bytes, this.#length);
    try {
      this.#files.datasync(this.#fd);
    } catch (thrown) {
      // Otherwise a start would put into files what nobody was told is there.
      this.#files.truncate(this.#fd, this.#length);
      throw thrown;
    }
    this.#length += bytes.length;
  }

  /** Everything in it is durable elsewhere. */
  empty(): void {
    if (this.#fd === undefined || this.#length === 0) return;
    this.#files.truncate(this.#fd, 0);
    this.#length = 0;
  }

  /** Goes on behind what is whole in it: a thread before may have broken, and its files still need that. */
  #open(): number {
    const existed = existsSync(this.#path);
    for (const { file, at, bytes } of readJournal(this.#path))
      this.#length += head(file, at, bytes).length + bytes.length;
    const fd = this.#files.open(this.#path, existed ? 'existing' : 'new');
    this.#files.truncate(fd, this.#length);
    if (!existed) this.#files.syncDirectory(dirname(this.#path));
    return fd;
  }
}

function head(file: string, at: number, bytes: Uint8Array): Buffer {
  return Buffer.from(`${JSON.stringify({ file, at, bytes: bytes.length, sha256: digest(bytes) })}\n`);
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The records of a journal up to the first that is torn: that one was never acknowledged. */
export function* readJournal(path: string): Generator<JournalRecord> {
  if (!existsSync(path)) return;
  const all = readFileSync(path);
  for (let at = 0; at < all.length; ) {
    const end = all.indexOf(10, at);
    if (end < 0) return;
    const said = parsed(all.toString('utf8', at, end));
    if (said === undefined) return;
    const bytes = all.subarray(end + 1, end + 1 + said.bytes);
    if (bytes.length !== said.bytes || digest(bytes) !== said.sha256) return;
    yield { file: said.file, at: said.at, bytes };
    at = end + 1 + said.bytes;
  }
}

function parsed(line: string): { file: string; at: number; bytes: number; sha256: string } | undefined {
  try {
    const { file, at, bytes, sha256 } = JSON.parse(line) as Record<string, unknown>;
    if (typeof file !== 'string' || typeof sha256 !== 'string') return undefined;
    if (!Number.isSafeInteger(at) || !Number.isSafeInteger(bytes)) return undefined;
    return { file, at: at as number, bytes: bytes as number, sha256 };
  } catch {
    return undefined;
  }
}
