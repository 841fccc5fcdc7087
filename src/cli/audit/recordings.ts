// Checks many recordings, each by itself, on as many threads as help. Refuses to know: the log, what is made of the results.

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { StoredFile } from '../../session/recorder/stored.ts';
import { recordingBytes } from '../../session/recorder/stored.ts';
import { type Verification, verify } from '../../session/recorder/verify.ts';
import { storedFile } from '../../store/recording-files.ts';

export interface Job {
  /** Paths of its files, in order. */
  readonly files: readonly string[];
  readonly session: string | undefined;
}

/** What a recording's own chain and seal say, or why it could not be read. */
export type Outcome = Verification | string;

/** Bytes that one thread checks before another is worth its start. */
const WORTH_A_THREAD = 8 * 1024 * 1024;
const MAX_THREADS = 8;

export async function checkOne(files: readonly StoredFile[], session: string | undefined): Promise<Outcome> {
  try {
    return await verify(recordingBytes(files), session === undefined ? {} : { session });
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

/** In the order of the jobs. `bytes`: how much there is, to choose the number of threads by. */
export async function checkAll(jobs: readonly Job[], bytes: number): Promise<Outcome[]> {
  const threads = Math.min(MAX_THREADS, availableParallelism(), jobs.length, Math.ceil(bytes / WORTH_A_THREAD));
  const outcomes: Outcome[] = new Array(jobs.length);
  let next = 0;
  if (threads <= 1) {
    for (; next < jobs.length; next++) outcomes[next] = await runJob(jobs[next]!);
    return outcomes;
  }
  const one = async () => {
    const worker = startWorker();
    try {
      while (next < jobs.length) {
        const at = next++;
        outcomes[at] = await worker.ask(jobs[at]!);
      }
    } finally {
      await worker.stop();
    }
  };
  await Promise.all(Array.from({ length: threads }, one));
  return outcomes;
}

export function runJob({ files, session }: Job): Promise<Outcome> {
  return checkOne(
    files.map((path) => storedFile(path)),
    session,
  );
}

function startWorker(): { ask(job: Job): Promise<Outcome>; stop(): Promise<unknown> } {
  // Beside this file, and compiled when this one is.
  const worker = new Worker(new URL(import.meta.url.replace(/recordings(\.[jt]s)$/, 'worker$1')));
  let asked = Promise.withResolvers<Outcome>();
  worker.on('message', (outcome: Outcome) => asked.resolve(outcome));
  worker.on('error', (error) => asked.reject(error));
  worker.on('exit', (code) => asked.reject(new Error(`a thread that checks recordings ended with ${code}`)));
  return {
    ask: (job) => {
      asked = Promise.withResolvers<Outcome>();
      worker.postMessage(job);
      return asked.promise;
    },
    stop: () => {
      // Its exit is no failure from here on.
      asked.promise.catch(() => {});
      return worker.terminate();
    },
  };
}
