// Recordings in a directory: the files of a session under the day it began, and a link in `open/` for as long as they are
// being written, so that the next start finds what a kill left behind without looking through everything.
// Refuses to know: what is in a recording.

import { existsSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ourError, userError } from '../core/errors.ts';
import type { Limit } from '../core/limits.ts';
import type { DiskFiles } from '../session/recorder/files.ts';
import type { DiskHealth, RecordingSink, SegmentedTarget } from '../session/recorder/sink.ts';
import type { StoredFile } from '../session/recorder/stored.ts';
import { Disk } from './disk/disk.ts';
import { JOURNAL } from './disk/jobs.ts';
import { readJournal } from './disk/journal.ts';
import { Packer } from './disk/packer.ts';
import { DirectoryTarget } from './disk/target.ts';
import type { ObjectReader } from './elsewhere.ts';
import { privateDirectory } from './files.ts';
import { PACK_AFTER_MS, SEGMENT_BYTES } from './limits.ts';
import { appendWhole, nodeFiles } from './node-files.ts';
import {
  COMPRESSED,
  isSession,
  keyFile,
  localFiles,
  parseName,
  recordingStem,
  segmentFile,
  segmentsOf,
  storedKey,
  storedPath,
} from './recording-files.ts';

/** Marks of sealed recordings that are still to be compressed. */
const PACKING = 'packing';

export interface RecordingDirectoryOptions {
  /** The real ones unless a test says otherwise. */
  readonly files?: DiskFiles;
  /** The limit in force. */
  readonly limit?: (bound: Limit) => Limit;
  /** For tests: how often it looks how the disk does, in ms. */
  readonly lookMs?: number;
  /** Whether sealed recordings are compressed; left out: no. */
  readonly compress?: () => boolean;
  /** One could not be compressed: it stays as it is until the next start. */
  readonly unpacked?: (session: string, problem: string) => void;
  /** Reads what was moved to object storage. */
  readonly objects?: ObjectReader;
}

export class RecordingDirectory implements RecordingSink {
  readonly #root: string;
  readonly #files: DiskFiles;
  readonly #limit: (bound: Limit) => Limit;
  readonly #compress: () => boolean;
  readonly #objects: ObjectReader | undefined;
  readonly #disk: Disk;
  readonly #packer: Packer;
  readonly #live = new Set<DirectoryTarget>();
  #abandoned: string[] = [];
  #lastDay = '';

  /** `root`: DATA/recordings; made with mode 0700 where it is not there. */
  constructor(root: string, options: RecordingDirectoryOptions = {}) {
    const { files = nodeFiles, limit = (bound) => bound, compress = () => false, unpacked = () => {} } = options;
    this.#root = root;
    this.#files = files;
    this.#limit = limit;
    this.#compress = compress;
    this.#objects = options.objects;
    this.#makeRoot();
    this.#packer = new Packer({
      afterMs: () => limit(PACK_AFTER_MS).value,
      work: (session) => {
        const names = this.localFiles(session);
        return { files: names.filter((name) => !name.endsWith(COMPRESSED)), mark: this.#waits(session) };
      },
      failed: unpacked,
    });
    this.#disk = new Disk({
      root,
      files,
      limit,
      ...(options.lookMs === undefined ? {} : { lookMs: options.lookMs }),
      make: () => this.#makeRoot(),
      open: () => [...this.#live].map((target) => target.openFile()),
    });
  }

  get health(): DiskHealth {
    return this.#disk.health;
  }

  get suspect(): boolean {
    return this.#disk.suspect;
  }

  onHealth(listener: (health: DiskHealth) => void): void {
    this.#disk.listen(listener);
    this.#disk.watch();
  }

  /** After the last recording was finished. */
  async stop(): Promise<void> {
    await this.#packer.stop();
    await this.#disk.stop();
  }

  /** The absolute path of a session's first file while it is written. */
  path(session: string): string {
    return join(this.#root, segmentFile(recordingStem(session), 1));
  }

  create(session: string, key?: Uint8Array): SegmentedTarget {
    const stem = recordingStem(session);
    let marked = false;
    try {
      this.#admit();
      this.#makeDay(stem);
      // The mark first: a kill between the two leaves a mark without a file, which salvage understands.
      symlinkSync(join('..', segmentFile(stem, 1)), this.#mark(session));
      marked = true;
      const target = new DirectoryTarget({
        disk: this.#disk,
        files: this.#files,
        root: this.#root,
        stem,
        maxSegment: () => this.#limit(SEGMENT_BYTES).value,
        key,
        mark: this.#mark(session),
        moved: () => (this.#compress() ? this.#waits(session) : undefined),
        closed: (finished) => {
          this.#live.delete(target);
          if (!finished) this.#abandoned.push(session);
          else if (this.#compress()) this.#packer.add(session);
        },
      });
      this.#live.add(target);
      return target;
    } catch (thrown) {
      // Its own, not that of a recording of the same id. Where it stays, the next start finds nothing to its name.
      if (marked) rmSync(this.#mark(session), { force: true });
      // Users are told it: where the files are is in the cause alone.
      const { code, message = String(thrown) } = thrown as NodeJS.ErrnoException;
      const why = (code ?? message).replaceAll(this.#root, 'their directory');
      throw ourError('recording_failed', `cannot begin the recording: ${why}`, {
        fix: 'free space or repair the disk of the recordings, then connect again',
        cause: thrown,
      });
    }
  }

  files(session: string): Generator<StoredFile> {
    return segmentsOf(this.#stem(session), this.#objects);
  }

  /** Whether its files are being compressed now. */
  compressing(session: string): boolean {
    return this.#packer.busy(session);
  }

  /** The paths of its files that are here, in order. */
  localFiles(session: string): string[] {
    return [...localFiles(this.#stem(session))];
  }

  key(session: string): Promise<Uint8Array | undefined> {
    return storedKey(this.#stem(session), this.#objects);
  }

  async eraseKey(session: string): Promise<boolean> {
    const path = join(this.#root, keyFile(recordingStem(session)));
    if (existsSync(this.#mark(session))) {
      throw userError('conflict', `the key of ${session} cannot be erased: it is being recorded, or not sealed yet`, {
        fix: 'wait until it is sealed',
      });
    }
    if (!existsSync(path)) return false;
    unlinkSync(path);
    this.#files.syncDirectory(dirname(path));
    return true;
  }

  /** Overwrites what is left of recordings that are not being written any more in what sessions committed together. */
  async scrub(): Promise<void> {
    const size = statSync(join(this.#root, JOURNAL), { throwIfNoEntry: false })?.size ?? 0;
    if (size > 0) await this.#disk.run({ do: 'empty' });
  }

  async unfinished(): Promise<readonly string[]> {
    this.#replayJournal();
    for (const session of readdirSync(join(this.#root, PACKING)).filter(isSession)) this.#packer.add(session, true);
    return readdirSync(join(this.#root, 'open')).filter(isSession).sort();
  }

  abandoned(): readonly string[] {
    return this.#abandoned.splice(0);
  }

  async repair(session: string, length: number, tail: string): Promise<void> {
    const stem = recordingStem(session);
    this.#makeDay(stem);
    const plain = this.#plainFiles(stem);
    const packed = plain.length === 0 && storedPath(join(this.#root, segmentFile(stem, 1))) !== undefined;
    // One that was finished, and whose mark a power loss brought back.
    if (!packed) this.#cutAndSeal(plain.length === 0 ? [this.path(session)] : plain, length, tail);
    this.#unmark(session, this.#compress() && !packed ? this.#waits(session) : undefined);
  }

  async quarantine(session: string): Promise<string> {
    const directory = join(this.#root, 'damaged');
    privateDirectory(directory);
    let first: string | undefined;
    const key = join(this.#root, keyFile(recordingStem(session)));
    const names = this.localFiles(session);
    for (const name of existsSync(key) ? [...names, key] : names) {
      const where = unusedName(join(directory, basename(name)));
      renameSync(name, where);
      first ??= where;
    }
    this.#unmark(session);
    return first ?? directory;
  }

  #stem(session: string): string {
    return join(this.#root, recordingStem(session));
  }

  /** The files of segments that are not packed, in order. */
  #plainFiles(stem: string): string[] {
    const found: string[] = [];
    for (let segment = 1; ; segment++) {
      const path = join(this.#root, segmentFile(stem, segment));
      if (!existsSync(path)) return found;
      found.push(path);
    }
  }

  #cutAndSeal(paths: readonly string[], length: number, tail: string): void {
    let before = 0;
    let last = paths[0]!;
    let kept = length;
    for (const path of paths) {
      const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      if (path !== paths[0] && before >= length) break;
      [last, kept] = [path, Math.min(size, length - before)];
      before += size;
    }
    // From the end, so that a kill leaves no gap.
    for (const path of [...paths].reverse()) {
      if (path === last) break;
      unlinkSync(path);
    }
    const fd = this.#files.open(last, existsSync(last) ? 'existing' : 'new');
    try {
      this.#files.truncate(fd, kept);
      if (tail !== '') appendWhole(this.#files, fd, Buffer.from(tail, 'utf8'), kept);
      this.#files.datasync(fd);
    } finally {
      this.#files.close(fd);
    }
    this.#files.syncDirectory(dirname(last));
  }

  /** After a power loss: what was acknowledged and is not in the files any more. */
  #replayJournal(): void {
    const journal = join(this.#root, JOURNAL);
    for (const { file, at, bytes } of readJournal(journal)) {
      const session = parseName(basename(file))?.session;
      const path = join(this.#root, file);
      // What is finished was durable before its mark went away.
      if (session === undefined || !existsSync(this.#mark(session))) continue;
      if (storedPath(path) !== undefined && storedPath(path) !== path) continue;
      this.#makeDay(file);
      const fd = this.#files.open(path, existsSync(path) ? 'existing' : 'new');
      try {
        // Longer than that it may well be: written, and not yet asked to be durable.
        const size = statSync(path).size;
        if (size < at) continue;
        const had = Buffer.alloc(Math.min(bytes.length, size - at));
        if (had.length > 0) this.#files.read(fd, had, at);
        if (size >= at + bytes.length && had.equals(bytes)) continue;
        this.#files.truncate(fd, at);
        appendWhole(this.#files, fd, bytes, at);
        this.#files.datasync(fd);
      } finally {
        this.#files.close(fd);
      }
      this.#files.syncDirectory(dirname(path));
    }
    if (existsSync(journal)) unlinkSync(journal);
  }

  /** Throws where no session may begin. */
  #admit(): void {
    if (this.health.state === 'gone' || !existsSync(join(this.#root, 'open'))) this.#disk.remake();
    const { state, message } = this.health;
    if (state !== 'ok') throw new Error(message);
  }

  #makeRoot(): void {
    for (const name of ['open', PACKING]) privateDirectory(join(this.#root, name));
  }

  /** Where the mark of a sealed one waits until it is packed. */
  #waits(session: string): string {
    return join(this.#root, PACKING, session);
  }

  #mark(session: string): string {
    return join(this.#root, 'open', session);
  }

  #unmark(session: string, moved?: string): void {
    try {
      if (moved === undefined) unlinkSync(this.#mark(session));
      else {
        renameSync(this.#mark(session), moved);
        this.#packer.add(session);
      }
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
    }
  }

  #makeDay(relative: string): void {
    const day = relative.slice(0, 10);
    if (day === this.#lastDay && existsSync(join(this.#root, day))) return;
    privateDirectory(join(this.#root, day));
    this.#lastDay = day;
  }
}

/** The path, or the path with the first free number behind it: nothing is ever overwritten. */
export function unusedName(path: string): string {
  for (let number = 0; ; number++) {
    const name = number === 0 ? path : `${path}.${number}`;
    if (!existsSync(name)) return name;
  }
}
