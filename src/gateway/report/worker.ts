// The thread that makes one report: it takes minutes of a large record, and no time from sessions. Refuses to know: who asked.

import { platform, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { asHoopctlError } from '../../core/errors.ts';
import { objectsOver } from '../../store/object-port.ts';
import { makeReport } from './make.ts';
import type { FromReport, ReportWorkerOptions } from './messages.ts';

const PROGRESS_MS = 1000;
const LOW_PRIORITY = 10;

const { data, request, objects } = workerData as ReportWorkerOptions;
const say = (message: FromReport) => parentPort!.postMessage(message);
// On Linux a thread's own: the process keeps its priority.
if (platform() === 'linux') setPriority(0, LOW_PRIORITY);

let told = Date.now();
try {
  const progress = (sessions: number) => {
    if (Date.now() - told < PROGRESS_MS) return;
    told = Date.now();
    say({ sessions });
  };
  const made = await makeReport(data, request, progress, objectsOver(objects));
  say({ made });
} catch (thrown) {
  const { code, message } = asHoopctlError(thrown);
  say({ error: { code, message } });
}
