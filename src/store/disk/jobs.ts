// What is done on the disk of the recordings by a thread of its own, batch by batch: writes that somebody waits for, the
// commit that makes them durable together, the closing of files, and a look at how the disk does.
// Refuses to know: threads (thread.ts), sessions, what the bytes mean.

import { renameSync, statSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { DiskFiles } from '../../session/recorder/files.ts';
import { appendWhole, keepWhole } from '../node-files.ts';
import { Journal } from './journal.ts';

export type Job =
  /** Appends, to a file of `at` bytes. `durable`: it survives a power loss when the job is done; undefined: nobody asked. */
  | {
      readonly do: 'write';
      readonly fd: number;
      readonly file: string;
      readonly at: number;
      readonly bytes: Uint8Array;
      readonly durable: boolean | undefined;
    }
  /**
   * Makes a file durable, closes it, and puts the mark of its session away: to `moved`, or nowhere. Left open where it was
   * removed.
   */
  | {
      readonly do: 'close';
      readonly fd: number;
      readonly file: string;
      readonly mark?: string;
      readonly moved?: string;
    }
  /** A small file with its whole content, durable when the job is done. It must not exist. */
  | { readonly do: 'keep'; readonly file: string; readonly bytes: Uint8Array }
  /** Makes durable by themselves the files that the journal is kept for, and empties it. */
  | { readonly do: 'empty' }
  | { readonly do: 'look'; readonly fds: readonly number[]; readonly probe: boolean };

/** Of `look`. */
export interface Seen {
  readonly free: number;
  readonly total: number;
  /** The file system that the directory is on. */
  readonly device: number;
  /** Open files that were removed. */
  readonly lost: readonly number[];
}

export type Outcome =
  | { readonly ok: true; readonly seen?: Seen }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** The journal is emptied when it has grown to this. */
const JOURNAL_BYTES = 64 * 1024 * 1024;
/** What was written and not asked to be durable waits in memory for the next commit, up to this much a file. */
const PENDING_BYTES = 256 * 1024;

interface Dirty {
  readonly fd: number;
  /** Up to where the file is durable, by itself or through the journal. */
  from: number;
  /** The bytes behind that; undefined: more than are kept, the file has to be made durable itself. */
  pending: Uint8Array[] | undefined;
  size: number;
  /** Whether the journal has bytes of it that the file itself may lose. */
  journalled: boolean;
  /** Whether its name survives, and the mark of its session. */
  named: boolean;
  marked: boolean;
}

type Write = Extract<Job, { do: 'write' }>;

/** Where the journal is, below the directory of recordings. */
export const JOURNAL = join('open', 'journal');

/** One for a directory of recordings: knows what is not durable yet. */
export class DiskRunner {
  readonly #files: DiskFiles;
  readonly #root: string;
  readonly #journal: Journal;
  /** Files of recordings that have to be durable, by path. */
  readonly #dirty = new Map<string, Dirty>();

  constructor(files: DiskFiles, root: string) {
    this.#files = files;
    this.#root = root;
    this.#journal = new Journal(files, join(root, JOURNAL));
  }

  /** One outcome for each job, in order. Never throws. */
  run(jobs: readonly Job[]): Outcome[] {
    const outcomes = jobs.map((job) => (job.do === 'write' ? attempt(() => this.#write(job)) : undefined));
    this.#commit(jobs, outcomes);
    return jobs.map((job, i) => {
      if (job.do === 'close') return attempt(() => this.#close(job));
      if (job.do === 'keep') return attempt(() => this.#keep(job.file, job.bytes));
      if (job.do === 'empty') return attempt(() => this.#emptyJournal());
      if (job.do === 'look') return attempt(() => this.#look(job.fds, job.probe));
      return outcomes[i]!;
    });
  }

  #write({ fd, file, at, bytes, durable }: Write): undefined {
    if (this.#files.links(fd) === 0) throw removed(file);
    appendWhole(this.#files, fd, bytes, at);
    if (durable === undefined) return;
    let dirty = this.#dirty.get(file);
    if (dirty === undefined) {
      // What was written before it is known here may be lost as well.
      const pending = at === 0 ? [] : undefined;
      dirty = { fd, from: at, pending, size: 0, journalled: false, named: false, marked: false };
      this.#dirty.set(file, dirty);
    }
    dirty.size += bytes.length;
    if (dirty.size > PENDING_BYTES) dirty.pending = undefined;
    dirty.pending?.push(bytes);
  }

  /** Everything that a job of this batch wants durable: one file by itself, several by one write to the journal. */
  #commit(jobs: readonly Job[], outcomes: (Outcome | undefined)[]): void {
    const wanted: { place: number; file: string; dirty: Dirty; at: number }[] = [];
    for (const [place, job] of jobs.entries()) {
      if (job.do !== 'write' || job.durable !== true || outcomes[place]?.ok !== true) continue;
      wanted.push({ place, file: job.file, dirty: this.#dirty.get(job.file)!, at: job.at });
    }
    const together = wanted.length > 1 ? wanted.filter(({ dirty }) => dirty.pending !== undefined) : [];
    const journalled = together.length > 1 && this.#journalise(together);
    for (const { place, file, dirty, at } of wanted) {
      if (journalled && dirty.size === 0) continue;
      const done = attempt(() => this.#own(file, dirty));
      if (done.ok) continue;
      outcomes[place] = done;
      // Not durable is not written: nothing was forwarded, so it must not stand in the file.
      attempt(() => void this.#files.truncate(dirty.fd, at));
      this.#dirty.delete(file);
    }
    if (this.#journal.length > JOURNAL_BYTES) attempt(() => this.#emptyJournal());
  }

  /** False where it did not work; the files are then made durable one by one. */
  #journalise(wanted: readonly { file: string; dirty: Dirty }[]): boolean {
    const records = wanted.map(({ file, dirty }) => ({
      file,
      at: dirty.from,
      bytes: Buffer.concat(dirty.pending!),
    }));
    const { ok } = attempt(() => {
      // The journal is of use only to those that are known to be unfinished.
      if (wanted.some(({ dirty }) => !dirty.marked)) this.#files.syncDirectory(join(this.#root, 'open'));
      this.#journal.commit(records);
      return undefined;
    });
    if (!ok) return false;
    for (const { dirty } of wanted) {
      dirty.marked = true;
      dirty.journalled = true;
      settle(dirty);
    }
    return true;
  }

  /** Makes the file durable, and its name. */
  #own(file: string, dirty: Dirty): undefined {
    this.#files.datasync(dirty.fd);
    if (!dirty.named) {
      this.#syncName(file);
      if (!dirty.marked) this.#files.syncDirectory(join(this.#root, 'open'));
      dirty.named = true;
      dirty.marked = true;
    }
    dirty.journalled = false;
    settle(dirty);
  }

  #keep(file: string, bytes: Uint8Array): undefined {
    keepWhole(this.#files, join(this.#root, file), bytes);
    this.#syncName(file);
  }

  /** The day's directory may be new as well, and those above it. */
  #syncName(file: string): void {
    for (let at = dirname(file); ; at = dirname(at)) {
      this.#files.syncDirectory(join(this.#root, at));
      if (at === '.') break;
    }
  }

  /** Never while a file needs it: throws what making that durable threw. */
  #emptyJournal(): undefined {
    for (const [file, dirty] of this.#dirty) if (dirty.journalled) this.#own(file, dirty);
    this.#journal.empty();
  }

  #close({ fd, file, mark, moved }: Extract<Job, { do: 'close' }>): undefined {
    if (this.#files.links(fd) === 0) throw removed(file);
    try {
      this.#files.datasync(fd);
    } finally {
      this.#dirty.delete(file);
      this.#files.close(fd);
    }
    if (mark === undefined) return;
    this.#files.syncDirectory(join(this.#root, dirname(file)));
    try {
      if (moved === undefined) unlinkSync(mark);
      else renameSync(mark, moved);
    } catch (thrown) {
      // Somebody removed it: the file itself is whole and sealed.
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
    }
    if (this.#dirty.size === 0) attempt(() => void this.#journal.empty());
  }

  #look(fds: readonly number[], probe: boolean): Seen {
    const { dev } = statSync(this.#root);
    if (probe) this.#probe();
    const lost = fds.filter((fd) => this.#hasNoName(fd));
    return { ...this.#files.space(this.#root), device: dev, lost };
  }

  /** Not that of one that was closed since it was asked about. */
  #hasNoName(fd: number): boolean {
    try {
      return this.#files.links(fd) === 0;
    } catch {
      return false;
    }
  }

  /** Whether a file can be made, written and made durable again. */
  #probe(): void {
    const path = join(this.#root, 'open', 'probe');
    attempt(() => void unlinkSync(path));
    const fd = this.#files.open(path, 'new');
    try {
      appendWhole(this.#files, fd, Buffer.from(`${basename(path)}\n`), 0);
      this.#files.datasync(fd);
    } finally {
      this.#files.close(fd);
      attempt(() => void unlinkSync(path));
    }
  }
}

function settle(dirty: Dirty): void {
  dirty.from += dirty.size;
  dirty.size = 0;
  dirty.pending = [];
}

/** The code of a write to a file that was removed. */
export const REMOVED = 'REMOVED';

export function removed(file: string): Error {
  return Object.assign(new Error(`${file} was removed while it was written`), { code: REMOVED });
}

function attempt(job: () => Seen | undefined): Outcome {
  try {
    const seen = job();
    return seen === undefined ? { ok: true } : { ok: true, seen };
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    return { ok: false, code: code ?? 'EIO', message: message ?? String(thrown) };
  }
}
