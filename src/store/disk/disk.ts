// How the disk of the recordings does: room, speed, whether it is there at all. Asked before a session begins, told of every
// write, and it looks for itself once a second. Refuses to know: sessions, what is written.

import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Limit } from '../../core/limits.ts';
import type { DiskFiles } from '../../session/recorder/files.ts';
import type { DiskHealth } from '../../session/recorder/sink.ts';
import { DISK_CRITICAL, DISK_LOW, SLOW_WRITE_MS, WRITE_WAIT_MS } from '../limits.ts';
import type { Job, Seen } from './jobs.ts';
import { DiskThread } from './thread.ts';

/** How often it looks for itself. */
const LOOK_MS = 1000;
/** A write that takes less goes unnoticed; the longer ones are forgotten at this part of the time that passes. */
const NOTICED_MS = 5;
const HELD_PART = 0.25;
/** A slow disk is taken for a quick one again when every batch has been quick for this long. */
const QUICK_MS = 10_000;
/** A batch that is not done after this long: the disk does not answer, and no session is begun on it. */
const STALLED_MS = 2000;
/** The marks are no more than these parts of the file system: a small one would never be good enough. */
const LOW_PART = 0.05;
const CRITICAL_PART = 0.02;

/** A file that is being written, as it is now: its number may be another file's a moment later. */
export interface OpenFile {
  readonly fd: number;
  /** It was removed. */
  lost(): void;
}

export interface DiskOptions {
  readonly root: string;
  readonly files: DiskFiles;
  readonly limit: (bound: Limit) => Limit;
  /** The files that are being written. */
  readonly open: () => readonly OpenFile[];
  readonly lookMs?: number;
  /** Makes the directory and what has to be in it. */
  readonly make: () => void;
}

export class Disk {
  readonly #options: DiskOptions;
  readonly #thread: DiskThread;
  readonly #device: number;
  readonly #listeners = new Set<(health: DiskHealth) => void>();
  #timer: NodeJS.Timeout | undefined;
  #free = Number.POSITIVE_INFINITY;
  #low = 0;
  #critical = 0;
  /** How long writes have held up this thread lately, in ms, as of a moment. */
  #held = 0;
  #heldAt = 0;
  /** Why the directory cannot be written to; undefined while it can. */
  #gone: string | undefined;
  #slowSince: number | undefined;
  #suspect = false;
  #looking = false;
  #told: DiskHealth['state'] = 'ok';

  constructor(options: DiskOptions) {
    this.#options = options;
    this.#thread = new DiskThread(options.root, options.files);
    this.#thread.took = (ms) => this.#took(ms);
    this.#device = statSync(options.root).dev;
    this.#measure();
  }

  /** Looks once a second from now on. */
  watch(): void {
    this.#timer ??= setInterval(() => void this.look(), this.#options.lookMs ?? LOOK_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    // A thread that hangs in a call that never returns would hang the end of the process with it.
    await Promise.race([this.#thread.stop(), new Promise((resolve) => setTimeout(resolve, STALLED_MS).unref())]);
  }

  /** Writes go through the thread: the last ones took too long for this one to wait for. */
  get slow(): boolean {
    return this.#slowSince !== undefined;
  }

  /** Something failed, and nothing has shown since that it works again. */
  get suspect(): boolean {
    return this.#suspect;
  }

  get health(): DiskHealth {
    const { root } = this.#options;
    const free = this.#free;
    const say = (state: DiskHealth['state'], message: string): DiskHealth => ({ state, message, free });
    if (this.#gone !== undefined) return say('gone', this.#gone);
    if (free < this.#critical) {
      return say('critical', `${free} bytes are free on the disk of ${root}, the critical mark is ${this.#critical}`);
    }
    const waiting = Math.round(this.#thread.waitingMs);
    if (waiting > STALLED_MS) return say('stalled', `the disk of ${root} has not answered for ${waiting} ms`);
    if (free < this.#low) {
      return say('low', `${free} bytes are free on the disk of ${root}, the low-water mark is ${this.#low}`);
    }
    return say('ok', `${free} bytes are free on the disk of ${root}`);
  }

  /** Told when its state changes. */
  listen(listener: (health: DiskHealth) => void): void {
    this.#listeners.add(listener);
  }

  /** In the thread. Rejects also when it took too long: it may then still happen. */
  async run(job: Job): Promise<Seen | undefined> {
    const bound = this.#options.limit(WRITE_WAIT_MS);
    let timer: NodeJS.Timeout | undefined;
    const done = this.#thread.run(job);
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new DiskLate(bound, done)), bound.value);
    });
    try {
      return await Promise.race([done, late]);
    } catch (thrown) {
      this.failed();
      throw thrown;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Of a write in this thread: how much, and how long it took. */
  wrote(bytes: number, ms: number): void {
    this.#free -= bytes;
    if (ms > NOTICED_MS) this.#heldUp(ms);
    if (this.#free > this.#critical * 2) return;
    // Near the mark the estimate is not good enough: others write to the disk as well.
    this.#measure();
    if (this.#free < this.#critical) this.#tell();
  }

  failed(): void {
    this.#suspect = true;
  }

  /** Once a second: room, what was removed, whether it works again. */
  async look(): Promise<void> {
    if (this.#looking) {
      this.#tell();
      return;
    }
    this.#looking = true;
    try {
      const open = this.#options.open();
      const seen = await this.#thread.run({ do: 'look', fds: open.map(({ fd }) => fd), probe: this.#suspect });
      if (seen !== undefined) this.#saw(seen, open);
    } catch (thrown) {
      const { code, message } = thrown as NodeJS.ErrnoException;
      if (code === 'ENOENT') this.#gone = `the directory of the recordings is gone: ${message}`;
      this.#suspect = true;
    } finally {
      this.#looking = false;
      this.#tell();
      // After those that were in it have been told.
      if (this.#gone !== undefined) attempt(() => this.remake());
    }
  }

  /**
   * Makes the directory again where it was removed. Throws where it must not be: the file system that it was on is no longer
   * there, and recordings would end up under a mount point.
   */
  remake(): void {
    if (!this.mayRemake()) throw new Error(this.#gone ?? `${this.#options.root} is gone`);
    this.#options.make();
    this.#gone = undefined;
  }

  mayRemake(): boolean {
    const above = statSync(dirname(this.#options.root), { throwIfNoEntry: false });
    return above !== undefined && above.dev === this.#device;
  }

  #saw({ free, total, device, lost }: Seen, open: readonly OpenFile[]): void {
    this.#room(free, total);
    const root = this.#options.root;
    this.#gone = device === this.#device ? undefined : `${root} is on another file system than at the start`;
    this.#suspect = this.#gone !== undefined;
    for (const file of open) if (lost.includes(file.fd)) file.lost();
  }

  #measure(): void {
    try {
      const { free, total } = this.#options.files.space(this.#options.root);
      this.#room(free, total);
    } catch {
      // The next look tells why.
    }
  }

  #room(free: number, total: number): void {
    const { limit } = this.#options;
    this.#free = free;
    this.#low = Math.floor(Math.min(limit(DISK_LOW).value, total * LOW_PART));
    this.#critical = Math.floor(Math.min(limit(DISK_CRITICAL).value, total * CRITICAL_PART));
  }

  /**
   * A write has held up this thread. One hiccup, of a machine that is busy, is none of the disk's; it is slow when writes take
   * a quarter of the time.
   */
  #heldUp(ms: number): void {
    const now = performance.now();
    this.#held = Math.max(0, this.#held - (now - this.#heldAt) * HELD_PART) + ms;
    this.#heldAt = now;
    if (this.#held > this.#options.limit(SLOW_WRITE_MS).value) this.#slowSince = now;
  }

  /** Of a batch in the thread: a commit takes its time on every disk, so it only keeps a slow one slow. */
  #took(ms: number): void {
    if (this.#slowSince === undefined) return;
    const now = performance.now();
    if (ms > this.#options.limit(SLOW_WRITE_MS).value) this.#slowSince = now;
    else if (now - this.#slowSince > QUICK_MS) this.#slowSince = undefined;
  }

  #tell(): void {
    const { health } = this;
    if (health.state === this.#told) return;
    this.#told = health.state;
    for (const listener of this.#listeners) listener(health);
  }
}

function attempt(job: () => void): void {
  try {
    job();
  } catch {
    // At the next look.
  }
}

/** A job that took too long. */
export class DiskLate extends Error {
  /** When it is over after all, however; never rejects. */
  readonly over: Promise<void>;

  constructor(bound: Limit, done: Promise<unknown>) {
    super(`the disk has not answered within ${bound.name} (${bound.value} ms)`);
    this.over = done.then(
      () => {},
      () => {},
    );
  }
}
