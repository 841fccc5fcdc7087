// The search index's own thread: follows the record's files and answers searches, so that neither ever holds up a session.
// It runs at low priority. Refuses to know: HTTP, who may search.

import { platform, setPriority } from 'node:os';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { asHoopctlError, type HoopctlError } from '../../core/errors.ts';
import { readEntries } from '../../session/log/reader.ts';
import { followSource, type LogFollowing } from '../../session/recorder/follow-source.ts';
import { Indexer } from '../../session/search/indexer.ts';
import type { FoundPage, SearchIndex, SearchQuery } from '../../session/search/operation.ts';
import { Pace } from '../../session/search/pace.ts';
import { searchWords as words } from '../../session/search/tokens.ts';
import { isAway, isDamaged } from '../../store/database.ts';
import { LogFolder } from '../../store/log-directory.ts';
import { objectsOver } from '../../store/object-port.ts';
import { recordingStem, segmentsOf } from '../../store/recording-files.ts';
import { Fts5Index } from '../../store/search/fts5.ts';
import { ownOpeners } from '../recording-identity.ts';
import { load } from './load.ts';
import type { SearchAnswer, SearchRequest, SearchWorkerOptions } from './messages.ts';

/** How long after all was read the record is looked at again, ms. */
const POLL_MS = 500;
/** After a failure. */
const RETRY_MS = 10_000;
const LOW_PRIORITY = 10;
/** Older than this, what the index has is behind. */
const BEHIND_MS = 2000;
/** How long a search waits for an index that is behind, and for how long that then does not give way. */
const WAIT_MS = 1000;
const HURRY_MS = 10_000;

const { data, gateway, shared, objects, searchMs } = workerData as SearchWorkerOptions;
const port = parentPort!;
const file = join(data, 'index.sqlite');
let stopping = false;
let broken = false;
let wake: (() => void) | undefined;
let passed = Promise.withResolvers<void>();

const index = await openIndex();
const indexer = new Indexer(index, openSource());
const pace = new Pace(load);
port.on('message', (request: SearchRequest) => void answer(request));
port.postMessage({ ready: true } satisfies SearchAnswer);
// On Linux a thread's own: the process keeps its priority.
if (platform() === 'linux') setPriority(0, LOW_PRIORITY);
await follow();

async function openIndex(): Promise<SearchIndex> {
  if (shared === undefined) return Fts5Index.open(file, words);
  const { PostgresIndex } = await import('../../store/search/postgres.ts');
  return PostgresIndex.open({ ...shared, gateway, words, searchMs });
}

function openSource(): LogFollowing {
  const recordings = join(data, 'recordings');
  const log = new LogFolder(join(data, 'log'));
  const elsewhere = objectsOver(objects);
  return followSource({
    log: { entries: (from) => readEntries(log, from) },
    sink: { files: (session) => segmentsOf(join(recordings, recordingStem(session)), elsewhere) },
    openerFor: ownOpeners(data, elsewhere),
    grown: (session, { byte }) => plainBytes(join(recordings, recordingStem(session))) > byte,
  });
}

async function follow(): Promise<void> {
  while (!stopping) {
    let pause = POLL_MS;
    try {
      await indexer.catchUp(rested);
      if (indexer.complete !== undefined) port.postMessage({ indexed: indexer.complete } satisfies SearchAnswer);
      passed.resolve();
      passed = Promise.withResolvers();
      // Where little is to be read it never comes to a batch's end: it gives way all the same.
      pause = Math.max(POLL_MS, pace.rest());
    } catch (thrown) {
      if (await damaged(thrown)) return;
      endIfAway(thrown);
      port.postMessage({ failed: publicText(thrown) } satisfies SearchAnswer);
      pause = RETRY_MS;
    }
    if (!stopping) await sleep(pause);
  }
  if (broken) return;
  await index.close();
  port.postMessage({ stopped: true } satisfies SearchAnswer);
  port.close();
}

/** Between two batches: lets searches in, and gives way where the machine is busy. False: it stops. */
async function rested(): Promise<boolean> {
  const rest = pace.rest();
  if (rest > 0) await sleep(rest);
  else await new Promise((resolve) => setImmediate(resolve));
  return !stopping;
}

/** Bytes that are there uncompressed; without bound where some are not. */
function plainBytes(stem: string): number {
  let sum = 0;
  for (const { plainBytes: bytes } of segmentsOf(stem)) sum += bytes ?? Number.POSITIVE_INFINITY;
  return sum;
}

async function answer(request: SearchRequest): Promise<void> {
  if (request.what === 'stop') {
    stopping = true;
    wake?.();
    return;
  }
  try {
    const result = await answerTo(request);
    port.postMessage({ id: request.id, result } satisfies SearchAnswer);
  } catch (thrown) {
    const { code, message } = asHoopctlError(thrown);
    port.postMessage({ id: request.id, error: { code, message } } satisfies SearchAnswer);
    await damaged(thrown);
    endIfAway(thrown);
  }
}

/** The next thread is told the store's address and login as they are then: a password may have been changed. */
function endIfAway(thrown: unknown): void {
  if (!stopping && isAway(thrown)) throw thrown;
}

async function answerTo(request: Exclude<SearchRequest, { what: 'stop' }>) {
  if (request.what === 'search') return search(request.query);
  if (request.what === 'forget') return index.forget(request.session);
  await index.scrub();
  return 0;
}

/** With a page that cannot be read it would neither follow the record nor find what is in it, at this start and the next. */
async function damaged(thrown: unknown): Promise<boolean> {
  if (shared !== undefined || !isDamaged(thrown)) return false;
  if (!broken) {
    broken = true;
    stopping = true;
    await index.close();
    Fts5Index.discard(file);
    port.postMessage({ damaged: publicText(thrown) } satisfies SearchAnswer);
  }
  return true;
}

/** Waits a moment for an index that is behind, and says so where it still is. */
async function search(query: SearchQuery): Promise<FoundPage> {
  const from = Date.now() - BEHIND_MS;
  const behind = () => (indexer.complete ?? 0) < from;
  if (behind()) {
    pace.hurry(HURRY_MS);
    wake?.();
    const late = AbortSignal.timeout(WAIT_MS);
    const over = new Promise((resolve) => late.addEventListener('abort', resolve, { once: true }));
    while (behind() && !late.aborted) await Promise.race([passed.promise, over]);
  }
  // Asked before the search: what comes into the index while it runs may not be in its page.
  const told = behind() ? { indexed: indexer.complete ?? 0 } : {};
  return { ...(await index.search(query)), ...told };
}

function publicText(thrown: unknown): string {
  const error: HoopctlError = asHoopctlError(thrown);
  return error.message;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
