// Compresses recordings some time after they were sealed, one after the other, off the data path (pack.ts). What a process
// before left is taken up at the start. Refuses to know: what is in them, how they are compressed.

import { Worker } from 'node:worker_threads';
import type { Packed, Packing } from './pack.ts';

export interface PackerOptions {
  readonly afterMs: () => number;
  /** What there is to do for a session, when its turn has come; undefined: nothing any more. */
  readonly work: (session: string) => Packing | undefined;
  /** It stays as it is until the next start. */
  readonly failed: (session: string, problem: string) => void;
}

/** The thread ends when it has had nothing to do for this long. */
const IDLE_MS = 10_000;

export class Packer {
  readonly #options: PackerOptions;
  /** In the order of their time. */
  readonly #queue: { readonly session: string; readonly at: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #worker: Worker | undefined;
  #busy: string | undefined;
  #stopped = false;

  constructor(options: PackerOptions) {
    this.#options = options;
  }

  /** After `afterMs`, or at once where it has waited long enough. */
  add(session: string, now = false): void {
    if (this.#stopped) return;
    const at = performance.now() + (now ? 0 : this.#options.afterMs());
    this.#queue.push({ session, at });
    this.#schedule();
  }

  /** Whether it is at this one now. */
  busy(session: string): boolean {
    return this.#busy === session;
  }

  /** What is at work is left as it is: the next start takes it up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#worker?.terminate();
  }

  #schedule(): void {
    if (this.#busy !== undefined || this.#stopped) return;
    clearTimeout(this.#timer);
    const next = this.#queue[0];
    const wait = next === undefined ? IDLE_MS : Math.max(0, next.at - performance.now());
    this.#timer = setTimeout(() => (next === undefined ? this.#rest() : this.#begin()), wait).unref();
  }

  #rest(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }

  #begin(): void {
    const { session } = this.#queue.shift()!;
    const work = this.#options.work(session);
    if (work === undefined) {
      this.#schedule();
      return;
    }
    this.#busy = session;
    this.#worker ??= this.#start();
    this.#worker.postMessage(work);
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './pack.ts' : './pack.js';
    const worker = new Worker(new URL(file, import.meta.url), { trackUnmanagedFds: false });
    worker.unref();
    worker.on('message', ({ problem }: Packed) => this.#done(problem));
    worker.on('error', (error) => this.#gone(worker, error.message));
    worker.on('exit', () => this.#gone(worker, 'its thread ended'));
    return worker;
  }

  #gone(worker: Worker, problem: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    if (this.#busy !== undefined) this.#done(problem);
  }

  #done(problem: string | undefined): void {
    const session = this.#busy;
    this.#busy = undefined;
    if (session !== undefined && problem !== undefined && !this.#stopped) this.#options.failed(session, problem);
    this.#schedule();
  }
}
