// A thread that checks recordings: a job in, what was found out. Refuses to know: whose thread it is.

import { parentPort } from 'node:worker_threads';
import { type Job, runJob } from './recordings.ts';

parentPort?.on('message', (job: Job) => {
  void runJob(job).then((outcome) => parentPort!.postMessage(outcome));
});
