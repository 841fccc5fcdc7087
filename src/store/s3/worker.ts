// The thread that puts recordings into object storage, at the lowest priority that the system gives: reading, hashing and
// encrypting take no time from sessions. Entered by uploader.ts only.

import { constants as os, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { systemClock } from '../../core/clock.ts';
import type { Elsewhere } from '../elsewhere.ts';
import { S3Error } from './answers.ts';
import { S3Client, type S3Credentials, type S3Place } from './client.ts';
import { type Upload, upload } from './upload.ts';

export interface UploadRequest {
  readonly id: number;
  readonly job: Upload;
  readonly place: S3Place;
  readonly credentials: S3Credentials;
  readonly timeoutMs: number;
}

/** `local`: it is about the files of that recording. */
export type UploadAnswer =
  | { readonly id: number; readonly done: Elsewhere }
  | { readonly id: number; readonly problem: string; readonly local: boolean };

const port = parentPort!;

try {
  // On Linux this is the thread's own, not the process's.
  setPriority(0, os.priority.PRIORITY_LOW);
} catch {
  // Then at the priority that it has.
}

let kept: { readonly what: string; readonly client: S3Client } | undefined;

/** One client, with its connections, as long as the place stays the same. */
function clientFor({ place, credentials, timeoutMs }: UploadRequest): S3Client {
  const what = JSON.stringify([place, credentials, timeoutMs]);
  if (kept?.what !== what) {
    const client = new S3Client({ place, credentials: async () => credentials, timeoutMs: () => timeoutMs });
    kept = { what, client };
  }
  return kept.client;
}

/** Of the disk, or the process, and not of one recording. */
const ALL = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** Neither the storage nor the disk is in the way: such a recording will not go there the next time either. */
function itsOwn(thrown: unknown): boolean {
  return !(thrown instanceof S3Error) && !ALL.has(String((thrown as NodeJS.ErrnoException).code));
}

port.on('message', (request: UploadRequest) => {
  const { id, job } = request;
  void (async () => {
    try {
      const done = await upload(clientFor(request), job, () => systemClock.now());
      port.postMessage({ id, done } satisfies UploadAnswer);
    } catch (thrown) {
      const problem = thrown instanceof Error ? thrown.message : String(thrown);
      port.postMessage({ id, problem, local: itsOwn(thrown) } satisfies UploadAnswer);
    }
  })();
});
