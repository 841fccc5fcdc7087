// The gateway's log in a directory: DATA/log/checkpoint, tile/…, blob/…, journal/…, and the segments of an older gateway
// beside them. Refuses to know: what is in any of them.

import { closeSync, createReadStream, existsSync, fsyncSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LogSegments } from '../session/log/segments.ts';
import type { LogFile, LogStorage } from '../session/log/storage.ts';
import type { LogSource } from '../session/log/tiles.ts';
import type { DiskFiles } from '../session/recorder/files.ts';
import type { RecordingTarget } from '../session/recorder/sink.ts';
import { FileTarget, Gate, privateDirectory } from './files.ts';
import { nodeFiles } from './node-files.ts';
import { unusedName } from './recordings.ts';

const JOURNALS = 'journal';
/** Files written at once: their syncs share a commit of the file system. */
const WRITES = 8;

/** A log's files below a directory, for reading. */
export class LogFolder implements LogSource {
  protected readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  async get(path: string): Promise<Buffer | undefined> {
    try {
      const whole = join(this.root, path);
      // What somebody handed over may have a pipe or a device where a file is due: reading it would never end.
      return (await stat(whole)).isFile() ? await readFile(whole) : undefined;
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw thrown;
    }
  }

  async list(folder: string): Promise<readonly string[]> {
    return readdir(join(this.root, folder)).catch(nothingThere);
  }

  async journals(): Promise<readonly number[]> {
    const names = await readdir(join(this.root, JOURNALS)).catch(nothingThere);
    return names
      .filter((name) => /^\d{12}\.jsonl$/.test(name))
      .map((name) => Number(name.slice(0, 12)))
      .sort((a, b) => a - b);
  }

  async readJournal(first: number): Promise<Buffer> {
    return (await this.get(journalPath(first))) ?? Buffer.alloc(0);
  }
}

function nothingThere(thrown: NodeJS.ErrnoException): string[] {
  if (thrown.code === 'ENOENT') return [];
  throw thrown;
}

function journalPath(first: number): string {
  return join(JOURNALS, `${String(first).padStart(12, '0')}.jsonl`);
}

/** For the one process that writes it. */
export class LogDirectory extends LogFolder implements LogStorage {
  readonly #files: DiskFiles;
  readonly #synced: () => boolean;
  readonly #gate = new Gate(1);

  /** `root`: DATA/log. `synced`: whether an entry is to survive a loss of power when it is taken. */
  constructor(root: string, files: DiskFiles = nodeFiles, synced: () => boolean = () => false) {
    super(root);
    this.#files = files;
    this.#synced = synced;
    privateDirectory(join(root, JOURNALS));
  }

  get synced(): boolean {
    return this.#synced();
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    await putFile(join(this.root, path), bytes);
  }

  async putAll(files: readonly LogFile[]): Promise<void> {
    const gate = new Gate(WRITES);
    const folders = new Set(files.map(({ path }) => dirname(join(this.root, path))));
    for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 });
    await Promise.all(files.map(({ path, bytes }) => gate.run(() => replaceFile(join(this.root, path), bytes))));
    for (const folder of folders) await syncFolder(folder);
  }

  putNow(path: string, bytes: Uint8Array): void {
    const whole = join(this.root, path);
    if (existsSync(whole)) return;
    privateDirectory(dirname(whole));
    const aside = `${whole}.tmp`;
    const fd = openSync(aside, 'w', 0o600);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(aside, whole);
  }

  async removeFolder(path: string): Promise<void> {
    await rm(join(this.root, path), { recursive: true, force: true });
  }

  createJournal(first: number): RecordingTarget {
    const path = join(this.root, journalPath(first));
    return this.#target(path, this.#files.open(path, 'new'), 0);
  }

  reopenJournal(first: number, length: number): RecordingTarget {
    const path = join(this.root, journalPath(first));
    const fd = this.#files.open(path, 'existing');
    this.#files.truncate(fd, length);
    return this.#target(path, fd, length);
  }

  async removeJournal(first: number): Promise<void> {
    await rm(join(this.root, journalPath(first)), { force: true });
  }

  async quarantineJournal(first: number): Promise<string> {
    const path = join(this.root, journalPath(first));
    const where = unusedName(`${path}.damaged`);
    await rename(path, where);
    return where;
  }

  async quarantine(): Promise<string> {
    const where = unusedName(`${this.root}.damaged`);
    await rename(this.root, where);
    privateDirectory(join(this.root, JOURNALS));
    return where;
  }

  #target(path: string, fd: number, length: number): RecordingTarget {
    const synced = this.#synced;
    return new FileTarget({ files: this.#files, fd, path, length, gate: this.#gate, synced });
  }
}

/** Replaces a file in one step, durable when it resolves; folders are made where they are missing, for their owner alone. */
export async function putFile(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await replaceFile(path, bytes);
  await syncFolder(folder);
}

async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const aside = `${path}.tmp`;
  const file = await open(aside, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
}

async function syncFolder(folder: string): Promise<void> {
  const place = await open(folder, 'r');
  try {
    await place.sync();
  } finally {
    await place.close();
  }
}

/** DATA/log/0001.jsonl, 0002.jsonl, …: what a gateway wrote before the log was a tree. */
export class SegmentDirectory implements LogSegments {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async list(): Promise<readonly string[]> {
    const names = await readdir(this.#root).catch(nothingThere);
    return names
      .filter((name) => /^\d{4,}\.jsonl$/.test(name) && statSync(join(this.#root, name)).isFile())
      .map((name) => name.slice(0, -'.jsonl'.length))
      .sort((a, b) => Number(a) - Number(b));
  }

  async *read(segment: string): AsyncGenerator<Uint8Array> {
    yield* createReadStream(this.#path(segment), { highWaterMark: 1024 * 1024 });
  }

  reopen(segment: string, length: number): RecordingTarget {
    const path = this.#path(segment);
    const fd = nodeFiles.open(path, 'existing');
    nodeFiles.truncate(fd, length);
    return new FileTarget({ files: nodeFiles, fd, path, length, gate: new Gate(1) });
  }

  #path(segment: string): string {
    return join(this.#root, `${segment}.jsonl`);
  }
}
