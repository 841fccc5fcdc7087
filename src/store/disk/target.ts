// One recording being written: its segments, one file open at a time. Quick writes are made here, slow and durable ones in
// the thread of the disk; and its wrapped key beside it, where it has one. Refuses to know: what the bytes say, when a segment
// is full enough (limits.ts).

import { existsSync, unlinkSync } from 'node:fs';
import type { DiskFiles } from '../../session/recorder/files.ts';
import type { SegmentedTarget } from '../../session/recorder/sink.ts';
import { privateDirectory } from '../files.ts';
import { appendWhole, keepWhole } from '../node-files.ts';
import { keyFile, segmentFile } from '../recording-files.ts';
import { type Disk, DiskLate, type OpenFile } from './disk.ts';
import { REMOVED, removed } from './jobs.ts';

/** Whether the open file still has a name is asked before a write, at most this often: it costs as much as the write. */
const LINKS_MS = 100;
/** How often a file that is removed while it is being finished is put back, and after how long. */
const RESTORES = 3;
const RESTORE_MS = 200;
const COPY_BYTES = 1024 * 1024;

export interface TargetOptions {
  readonly disk: Disk;
  readonly files: DiskFiles;
  /** Relative path without the ending, and what that stands below. */
  readonly stem: string;
  readonly root: string;
  readonly maxSegment: () => number;
  /** Kept beside it, durable before anything is written. */
  readonly key?: Uint8Array | undefined;
  /** The mark of the unfinished, and where it goes when it is finished; undefined: nowhere. */
  readonly mark: string;
  readonly moved: () => string | undefined;
  /** Told once, when nothing more is written: whether it was finished. */
  readonly closed: (finished: boolean) => void;
}

export class DirectoryTarget implements SegmentedTarget {
  onLost: ((error: Error) => void) | undefined;
  readonly #options: TargetOptions;
  #segment = 1;
  #maxSegment: number;
  #fd: number;
  #length = 0;
  /** Bytes of a failed write may stand behind the good ones. */
  #torn = false;
  #closed = false;
  #flying = false;
  /** An append that came too late, and may still come: the file is left alone until then. */
  #late: DiskLate | undefined;
  /** The closing of earlier segments. */
  #before: Promise<void> = Promise.resolve();
  #linksAt = Number.NEGATIVE_INFINITY;

  /** The keeping of the key, while it lasts; why it failed, until that was told. */
  #keeping: Promise<void> | undefined;
  #key: Uint8Array | undefined;
  #unkept: { readonly thrown: unknown } | undefined;

  /** Makes the first file. */
  constructor(options: TargetOptions) {
    this.#options = options;
    this.#fd = options.files.open(this.name, 'new');
    this.#maxSegment = options.maxSegment();
    this.#key = options.key;
    if (this.#key !== undefined) this.#keep(this.#key);
  }

  get name(): string {
    return `${this.#options.root}/${this.#file}`;
  }

  get #file(): string {
    return segmentFile(this.#options.stem, this.#segment);
  }

  get fd(): number {
    return this.#fd;
  }

  get slow(): boolean {
    return this.#options.disk.slow || this.#flying || this.#keeping !== undefined;
  }

  get segmentBytes(): number {
    return this.#length;
  }

  get segment(): number {
    return this.#segment;
  }

  /** As it was when the file was begun: it is asked for with every line. */
  get maxSegment(): number {
    return this.#maxSegment;
  }

  write(bytes: Uint8Array): void {
    const { files, disk } = this.#options;
    this.#checkKept();
    const began = performance.now();
    try {
      if (began - this.#linksAt > LINKS_MS) {
        if (files.links(this.#fd) === 0) throw removed(this.#file);
        this.#linksAt = began;
      }
      if (this.#torn) this.#cut();
      this.#torn = true;
      appendWhole(files, this.#fd, bytes, this.#length);
      this.#torn = false;
    } catch (thrown) {
      disk.failed();
      throw thrown;
    }
    this.#length += bytes.length;
    disk.wrote(bytes.length, performance.now() - began);
  }

  async append(bytes: Uint8Array, durable: boolean | undefined): Promise<void> {
    const { disk } = this.#options;
    const copy = new Uint8Array(bytes);
    const job = { do: 'write', fd: this.#fd, file: this.#file, at: this.#length, bytes: copy, durable } as const;
    this.#flying = true;
    try {
      await this.#keeping;
      this.#checkKept();
      await disk.run(job);
    } catch (thrown) {
      if (thrown instanceof DiskLate) this.#late = thrown;
      throw thrown;
    } finally {
      this.#flying = false;
    }
    this.#length += bytes.length;
    disk.wrote(bytes.length, 0);
  }

  next(): void {
    const { files, disk } = this.#options;
    const [fd, file] = [this.#fd, this.#file];
    this.#segment += 1;
    try {
      this.#fd = files.open(this.name, 'new');
    } catch (thrown) {
      this.#segment -= 1;
      disk.failed();
      throw thrown;
    }
    this.#length = 0;
    this.#maxSegment = this.#options.maxSegment();
    const closing = disk.run({ do: 'close', fd, file }).then(() => {});
    const before = this.#before;
    this.#before = before.then(() => closing);
    this.#before.catch(() => {});
  }

  restore(): void {
    const { files } = this.#options;
    if (this.#late !== undefined) throw this.#late;
    if (this.#closed || files.links(this.#fd) > 0) return;
    const path = this.name;
    if (!existsSync(this.#options.root) && !this.#options.disk.mayRemake()) throw removed(this.#file);
    privateDirectory(path.slice(0, path.lastIndexOf('/')));
    if (this.#key !== undefined && !existsSync(this.#keyPath)) keepWhole(files, this.#keyPath, this.#key);
    // Made by a restore that did not come to its end.
    if (existsSync(path)) unlinkSync(path);
    const fd = files.open(path, 'new');
    const buffer = Buffer.allocUnsafe(COPY_BYTES);
    for (let at = 0; at < this.#length; ) {
      const count = files.read(this.#fd, buffer.subarray(0, Math.min(COPY_BYTES, this.#length - at)), at);
      if (count <= 0) throw removed(this.#file);
      appendWhole(files, fd, buffer.subarray(0, count), at);
      at += count;
    }
    files.close(this.#fd);
    this.#fd = fd;
    this.#torn = false;
  }

  /** The file that is open now: what is found out about it later is not about another one of the same number. */
  openFile(): OpenFile {
    const [fd, segment] = [this.#fd, this.#segment];
    const lost = () => {
      if (this.#closed || this.#fd !== fd || this.#segment !== segment) return;
      this.onLost?.(removed(this.#file));
      this.onLost = undefined;
    };
    return { fd, lost };
  }

  async finish(): Promise<void> {
    const { disk, mark, closed } = this.#options;
    const moved = this.#options.moved();
    await this.#before;
    if (this.#closed) return;
    await this.#findKey();
    const move = moved === undefined ? {} : { moved };
    for (let left = RESTORES; ; left--) {
      try {
        await disk.run({ do: 'close', fd: this.#fd, file: this.#file, mark, ...move });
        break;
      } catch (thrown) {
        // Whoever removes the directory may not be done with it.
        if (left === 0 || (thrown as NodeJS.ErrnoException).code !== REMOVED) {
          this.#closed = (thrown as NodeJS.ErrnoException).code !== REMOVED;
          throw thrown;
        }
        await new Promise((resolve) => setTimeout(resolve, RESTORE_MS));
        this.restore();
      }
    }
    this.#closed = true;
    closed(true);
  }

  abandon(): void {
    const { closed } = this.#options;
    if (!this.#closed) {
      this.#closed = true;
      const fd = this.#fd;
      const close = () => {
        try {
          this.#options.files.close(fd);
        } catch {
          // Nothing is lost by it: what was written is in the kernel's hands.
        }
      };
      if (this.#late === undefined) close();
      else void this.#late.over.then(close);
    }
    closed(false);
  }

  get #keyPath(): string {
    return `${this.#options.root}/${keyFile(this.#options.stem)}`;
  }

  #keep(bytes: Uint8Array): void {
    const { disk, stem } = this.#options;
    this.#keeping = disk
      .run({ do: 'keep', file: keyFile(stem), bytes: new Uint8Array(bytes) })
      .then(
        () => {},
        (thrown: unknown) => {
          this.#unkept = { thrown };
          this.#key = undefined;
        },
      )
      .finally(() => {
        this.#keeping = undefined;
      });
  }

  /** Throws once: what is written then is the end of it, and needs no key. */
  #checkKept(): void {
    const unkept = this.#unkept;
    this.#unkept = undefined;
    if (unkept !== undefined) throw unkept.thrown;
  }

  /** Nobody erases the key of a recording that is being written: where it is gone, it is put back. */
  async #findKey(): Promise<void> {
    if (this.#key === undefined || this.#options.files.links(this.#fd) === 0 || existsSync(this.#keyPath)) return;
    this.#keep(this.#key);
    await this.#keeping;
    this.#checkKept();
  }

  #cut(): void {
    this.#options.files.truncate(this.#fd, this.#length);
    this.#torn = false;
  }
}
