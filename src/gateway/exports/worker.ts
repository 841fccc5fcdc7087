// The exports' own thread: follows the record's files, writes events as they are wanted and sends them, so that none of it
// takes time from sessions. It runs at low priority. Refuses to know: the store, the log, secrets beyond the one in use.

import { platform, setPriority } from 'node:os';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../core/clock.ts';
import { ourError } from '../../core/errors.ts';
import type { Limit } from '../../core/limits.ts';
import { readEntries } from '../../session/log/reader.ts';
import { followSource } from '../../session/recorder/follow-source.ts';
import { LogFolder } from '../../store/log-directory.ts';
import { objectsOver } from '../../store/object-port.ts';
import { recordingStem, segmentsOf } from '../../store/recording-files.ts';
import { ownOpeners } from '../recording-identity.ts';
import { Exporter, type ExporterState, type Kept } from './exporter.ts';
import type { ExportServices, ExportSpec, ExportWorkerOptions, FromExports, ToExports } from './messages.ts';
import { openDestination } from './open.ts';

/** How often the gateway is told how far everything is. */
const STATES_MS = 100;
const LOW_PRIORITY = 10;

const { data, version, datastores, objects } = workerData as ExportWorkerOptions;
const port = parentPort!;
const running = new Map<string, Exporter>();
const waiting = new Map<number, PromiseWithResolvers<unknown>>();
let asked = 0;
let told = '{}';

// On Linux a thread's own: the process keeps its priority.
if (platform() === 'linux') setPriority(0, LOW_PRIORITY);

const folder = new LogFolder(join(data, 'log'));
const elsewhere = objectsOver(objects);
const stem = (session: string) => join(data, 'recordings', recordingStem(session));
const source = followSource({
  log: { entries: (from) => readEntries(folder, from) },
  sink: { files: (session) => segmentsOf(stem(session), elsewhere) },
  openerFor: ownOpeners(data, elsewhere),
});

function say(message: FromExports): void {
  port.postMessage(message);
}

/** The gateway's answer. Errors: what it said. */
function ask<S extends keyof ExportServices>(
  service: S,
  ...given: Parameters<ExportServices[S]>
): ReturnType<ExportServices[S]> {
  const id = ++asked;
  const answer = Promise.withResolvers<unknown>();
  waiting.set(id, answer);
  say({ what: 'ask', id, service, given });
  return answer.promise as ReturnType<ExportServices[S]>;
}

/** What a reference leads to is no matter of the store: the gateway's words alone. */
function inWords(error: unknown): never {
  throw new Error((error as Error).message);
}

/** Told without waiting: the gateway's trouble with it is in the gateway's own log. */
const tell = (answer: Promise<unknown>): void => void answer.catch(() => {});

port.on('message', (message: ToExports) => {
  if (message.what === 'start') begin(message.spec);
  else if (message.what === 'stop') void end(message.name);
  else {
    const { id, result, error } = message;
    const answer = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(ourError('store_failed', error));
  }
});

function begin({ one, gateway, limits }: ExportSpec): void {
  const { name, kinds, labels, rows } = one;
  const limit = (bound: Limit): Limit => ({ ...bound, value: limits[bound.name] ?? bound.value });
  const means = {
    product: { version, gateway, datastore: (protocol: string) => datastores.includes(protocol) },
    read: (reference: Parameters<ExportServices['read']>[1]) => ask('read', name, reference).catch(inWords),
    clock: systemClock,
    version,
    timeoutMs: () => limits.export_timeout_ms!,
    eventBytes: limits.export_event_bytes!,
    rejected: (_: string, count: number, why: string) => tell(ask('rejected', name, count, why)),
  };
  const exporter = new Exporter({
    ...{ name, selection: { kinds, labels }, rows, source, clock: systemClock, limit },
    open: (mark) => openDestination(one, mark, means),
    load: () => ask('load', name),
    keep: (kept: Kept) => ask('keep', name, kept),
    refused: ({ id, sequence }, why) => ask('refused', name, { id, sequence }, why),
    failing: (why, forMs) => tell(ask('failing', name, why, forMs)),
    recovered: (afterMs) => tell(ask('recovered', name, afterMs)),
  });
  running.set(name, exporter);
  exporter.start();
}

async function end(name: string): Promise<void> {
  await running.get(name)?.stop();
  running.delete(name);
  say({ what: 'stopped', name });
}

setInterval(() => {
  const states: Record<string, ExporterState> = {};
  for (const [name, exporter] of running) states[name] = exporter.state;
  const text = JSON.stringify(states);
  if (text === told) return;
  told = text;
  say({ what: 'states', states });
}, STATES_MS);
