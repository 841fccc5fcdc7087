// The gateway's end of the thread that uploads: starts it at the first job, again when it has ended. Refuses to know: what
// is uploaded (upload.ts), when.

import { Worker } from 'node:worker_threads';
import type { Elsewhere } from '../elsewhere.ts';
import type { UploadAnswer, UploadRequest } from './worker.ts';

/** Why a recording is not in object storage. `local`: it is about its own files. */
export class UploadError extends Error {
  readonly local: boolean;

  constructor(message: string, local: boolean) {
    super(message);
    this.local = local;
  }
}

export class Uploader {
  readonly #waiting = new Map<number, PromiseWithResolvers<Elsewhere>>();
  #worker: Worker | undefined;
  #next = 1;
  #stopped = false;

  /** Errors: `UploadError`. */
  upload(request: Omit<UploadRequest, 'id'>): Promise<Elsewhere> {
    if (this.#stopped) return Promise.reject(new UploadError('the gateway stops', false));
    const id = this.#next++;
    const waiting = Promise.withResolvers<Elsewhere>();
    this.#waiting.set(id, waiting);
    this.#worker ??= this.#start();
    this.#worker.postMessage({ id, ...request } satisfies UploadRequest);
    return waiting.promise;
  }

  /** What is at work is left as it is: the next start goes on with it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    // Nothing of the environment, which holds secrets, and no standard input.
    const worker = new Worker(new URL(file, import.meta.url), { env: {}, trackUnmanagedFds: false, name: 'uploads' });
    worker.unref();
    worker.on('message', (answer: UploadAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('done' in answer) waiting?.resolve(answer.done);
      else waiting?.reject(new UploadError(answer.problem, answer.local));
    });
    worker.on('error', (error) => this.#gone(worker, error.message));
    worker.on('exit', () => this.#gone(worker, 'its thread ended'));
    return worker;
  }

  #gone(worker: Worker, problem: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(new UploadError(problem, false));
    this.#waiting.clear();
  }
}
