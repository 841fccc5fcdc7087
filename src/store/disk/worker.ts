// The thread that does what is slow about recordings' files (jobs.ts). Entered by thread.ts only; refuses to know: sessions.

import { parentPort, workerData } from 'node:worker_threads';
import { nodeFiles } from '../node-files.ts';
import { DiskRunner, type Job } from './jobs.ts';

const runner = new DiskRunner(nodeFiles, (workerData as { root: string }).root);
const port = parentPort!;

port.on('message', (jobs: readonly Job[]) => {
  const began = performance.now();
  const outcomes = runner.run(jobs);
  port.postMessage({ outcomes, ms: performance.now() - began });
});
