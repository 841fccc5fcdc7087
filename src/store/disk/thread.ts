// Hands jobs to the thread of the disk, one batch at a time: what comes while one is being done makes up the next, so that
// all who wait then share one commit. Refuses to know: what the jobs do (jobs.ts).

import { Worker } from 'node:worker_threads';
import type { DiskFiles } from '../../session/recorder/files.ts';
import { nodeFiles } from '../node-files.ts';
import { DiskRunner, type Job, type Outcome, type Seen } from './jobs.ts';

export interface Answer {
  readonly outcomes: readonly Outcome[];
  /** How long the batch took. */
  readonly ms: number;
}

interface Waiting {
  readonly job: Job;
  readonly resolve: (seen: Seen | undefined) => void;
  readonly reject: (error: Error) => void;
}

export class DiskThread {
  /** Told after each batch how long it took, in ms. */
  took: (ms: number) => void = () => {};
  readonly #root: string;
  readonly #inline: DiskRunner | undefined;
  #worker: Worker | undefined;
  #queue: Waiting[] = [];
  #flying: Waiting[] | undefined;
  #since = 0;

  /** With other file calls than the real ones everything is done in this thread: another could not be handed them. */
  constructor(root: string, files: DiskFiles) {
    this.#root = root;
    this.#inline = files === nodeFiles ? undefined : new DiskRunner(files, root);
  }

  /** How long the batch at work has been at it, in ms; 0 when none is. */
  get waitingMs(): number {
    return this.#flying === undefined ? 0 : performance.now() - this.#since;
  }

  /** Rejects with the `code` and message of the file call that failed. */
  run(job: Job): Promise<Seen | undefined> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#pump();
    });
  }

  /** After what is under way; nothing may be asked after it. */
  async stop(): Promise<void> {
    while (this.#flying !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #pump(): void {
    if (this.#flying !== undefined || this.#queue.length === 0) return;
    this.#flying = this.#queue;
    this.#queue = [];
    this.#since = performance.now();
    const jobs = this.#flying.map(({ job }) => job);
    if (this.#inline !== undefined) {
      const runner = this.#inline;
      setImmediate(() => {
        const began = performance.now();
        const outcomes = runner.run(jobs);
        this.#done({ outcomes, ms: performance.now() - began });
      });
      return;
    }
    const worker = this.#start();
    worker.ref();
    worker.postMessage(jobs);
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: { root: this.#root },
      trackUnmanagedFds: false,
    });
    worker.on('message', (answer: Answer) => this.#done(answer));
    worker.on('error', (error) => this.#broken(worker, error));
    worker.on('exit', () => this.#broken(worker, new Error('the thread of the disk ended')));
    this.#worker = worker;
    return worker;
  }

  /** What it was at is lost to those who wait; the next job gets a new thread. */
  #broken(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const lost = [...(this.#flying ?? []), ...this.#queue];
    this.#flying = undefined;
    this.#queue = [];
    for (const { reject } of lost) reject(error);
  }

  #done({ outcomes, ms }: Answer): void {
    const done = this.#flying ?? [];
    this.#flying = undefined;
    this.took(ms);
    for (const [i, { resolve, reject }] of done.entries()) {
      const outcome = outcomes[i]!;
      if (outcome.ok) resolve(outcome.seen);
      else reject(Object.assign(new Error(outcome.message), { code: outcome.code }));
    }
    this.#pump();
    if (this.#flying === undefined) this.#worker?.unref();
  }
}
