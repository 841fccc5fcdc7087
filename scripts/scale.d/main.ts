// scripts/scale: grows one record by powers of ten and measures at each what it costs. CPU is that of the thread that does the
// work, so that other load moves it little; searches are the median and the slowest of several, by a warm index.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkPlace } from '../../src/cli/audit/check.ts';
import { placeOf } from '../../src/cli/audit/place.ts';
import { makeReport } from '../../src/gateway/report/make.ts';
import { readEntries } from '../../src/session/log/reader.ts';
import { followSource } from '../../src/session/recorder/follow-source.ts';
import { CONTROL_IDS } from '../../src/session/report/controls.ts';
import { Indexer } from '../../src/session/search/indexer.ts';
import type { SearchQuery } from '../../src/session/search/operation.ts';
import { searchWords } from '../../src/session/search/tokens.ts';
import { LogFolder } from '../../src/store/log-directory.ts';
import { RecordingDirectory } from '../../src/store/recordings.ts';
import { Fts5Index } from '../../src/store/search/fts5.ts';
import { filesUnder } from '../../test/support/process.ts';
import { Growing } from './grow.ts';

const { values } = parseArgs({
  options: {
    to: { type: 'string', default: '1000000' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});

const TRIES = 7;

/** At a moment of the record; newest first, a page of 50, as the command asks. */
const QUERIES: Record<string, (now: number) => Partial<SearchQuery>> = {
  'a word that all have': () => ({ words: ['select'] }),
  'two common words': () => ({ words: ['customers', 'osaka'] }),
  'a rare word': () => ({ words: ['drop*'], verdict: 'deny' }),
  'a value that one has': () => ({ words: ['4711'] }),
  'refusals of one person': () => ({ words: [], verdict: 'deny', who: 'user7@example.com' }),
  'errors on a connection': () => ({ words: [], connection: 'db-3', error: '57014' }),
  'many rows': () => ({ words: [], rows: { min: 19 } }),
  'more rows than any has': () => ({ words: [], rows: { min: 5000 } }),
  nothing: () => ({ words: ['nothinghasthis'] }),
  'one hour, one relation': (now) => ({ words: [], relation: 'payments', since: now / 2 - 3_600_000, until: now / 2 }),
};

interface Step {
  readonly operations: number;
  readonly sessions: number;
  readonly ingest_per_s: number;
  readonly ingest_cpu_us: number;
  readonly plain_bytes: number;
  readonly packed_bytes: number;
  readonly index_per_s: number;
  readonly index_cpu_us: number;
  readonly index_bytes: number;
  readonly search_ms: Record<string, { readonly median: number; readonly worst: number }>;
  readonly verify_mb_s: number;
  readonly verify_s: number;
  readonly report_s: number;
  readonly report_cpu_s: number;
  readonly report_kb: number;
  readonly resident_mib: number;
}

const say = (text: string) => process.stderr.write(`· ${text}\n`);

async function main(): Promise<void> {
  mkdirSync(values.directory, { recursive: true });
  const data = mkdtempSync(join(values.directory, 'scale-'));
  if (!values.keep) process.once('exit', () => rmSync(data, { recursive: true, force: true }));
  const growing = await Growing.in(data);
  const index = Fts5Index.open(join(data, 'index.sqlite'), searchWords);
  const log = new LogFolder(join(data, 'log'));
  const source = followSource({
    log: { entries: (from) => readEntries(log, from) },
    sink: new RecordingDirectory(join(data, 'recordings')),
  });
  const indexer = new Indexer(index, source);
  const steps: Step[] = [];
  for (let goal = 10_000; goal <= Number(values.to); goal *= 10) {
    steps.push(await measure(data, growing, index, indexer, goal));
    show(steps.at(-1)!);
  }
  await growing.close();
  await index.close();
  const about = { node: process.version, cpus: cpus().length };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ about, steps }, null, 2)}\n`);
  if (values.keep) say(`the record is in ${data}`);
}

async function measure(
  data: string,
  growing: Growing,
  index: Fts5Index,
  indexer: Indexer,
  goal: number,
): Promise<Step> {
  say(`${goal.toLocaleString('en')} operations: writing`);
  const before = growing.operations;
  const writing = await timed(() => growing.to(goal));
  say('indexing');
  const indexing = await timed(() => indexer.catchUp(async () => true));
  const counted = await index.count();
  if (counted !== goal) throw new Error(`${counted} operations are in the index, not ${goal}`);
  say('searching');
  const search_ms: Step['search_ms'] = {};
  const halfway = Date.UTC(2026, 0, 1) * 2 + (growing.now - Date.UTC(2026, 0, 1));
  for (const [name, query] of Object.entries(QUERIES)) search_ms[name] = await searchTimes(index, query(halfway));
  await packed(data);
  say('verifying');
  const { recordings } = await verified(data);
  say('reporting');
  let html = 0;
  const reporting = await timed(async () => {
    html = await reported(data, growing.now);
  });
  const added = goal - before;
  return {
    operations: goal,
    sessions: growing.sessions,
    ingest_per_s: added / writing.seconds,
    ingest_cpu_us: (writing.cpu * 1e6) / added,
    plain_bytes: recordings.bytes / goal,
    packed_bytes: bytesUnder(join(data, 'recordings')) / goal,
    index_per_s: added / indexing.seconds,
    index_cpu_us: (indexing.cpu * 1e6) / added,
    index_bytes: statSync(join(data, 'index.sqlite')).size / goal,
    search_ms,
    verify_mb_s: recordings.bytes / 1e6 / (recordings.ms / 1000),
    verify_s: recordings.ms / 1000,
    report_s: reporting.seconds,
    report_cpu_s: reporting.cpu,
    report_kb: html / 1000,
    resident_mib: process.memoryUsage.rss() / 2 ** 20,
  };
}

async function timed(action: () => Promise<void>): Promise<{ seconds: number; cpu: number }> {
  const [from, cpu] = [performance.now(), process.threadCpuUsage()];
  await action();
  const { user, system } = process.threadCpuUsage(cpu);
  return { seconds: (performance.now() - from) / 1000, cpu: (user + system) / 1e6 };
}

async function searchTimes(index: Fts5Index, query: Partial<SearchQuery>): Promise<{ median: number; worst: number }> {
  const times: number[] = [];
  for (let i = 0; i < TRIES; i++) {
    const from = performance.now();
    await index.search({ words: [], limit: 50, ...query });
    times.push(performance.now() - from);
  }
  times.sort((a, b) => a - b);
  return { median: times[TRIES >> 1]!, worst: times.at(-1)! };
}

/** Until the gateway's own packer has compressed what is sealed. */
async function packed(data: string): Promise<void> {
  const waiting = () => readdirSync(join(data, 'recordings/packing')).length;
  for (let left = waiting(); left > 0; left = waiting()) {
    say(`${left} recordings to compress`);
    await new Promise((resolve) => setTimeout(resolve, 3000));
  }
}

async function verified(data: string) {
  const options = { trust: { keys: [], witnesses: [] }, since: [], recordings: true, recording: undefined };
  const remote = () => Promise.reject(new Error('there is none'));
  const place = placeOf(data);
  if (place.kind === 'recordings') throw new Error(`${data} is no data directory`);
  const { findings, recordings } = await checkPlace(place, { ...options, remote });
  if (!findings.ok || recordings === undefined) throw new Error(`does not verify: ${JSON.stringify(findings)}`);
  return { recordings };
}

/** Everything of the record in one report, all controls, 25 sessions sampled: bytes of its page. */
async function reported(data: string, until: number): Promise<number> {
  const request = { controls: CONTROL_IDS, from: 0, to: until + 1, seed: 'scale', sample: 25, rows: 200 };
  const made = await makeReport(data, request, () => {});
  if (made.problems.length > 0) throw new Error(`the report says: ${made.problems.join(', ')}`);
  return Buffer.byteLength(made.files.get('report.html') ?? '');
}

function bytesUnder(directory: string): number {
  return filesUnder(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

function show(step: Step): void {
  const n = (value: number, digits = 0) => value.toFixed(digits);
  console.log(`\n${step.operations.toLocaleString('en')} operations in ${step.sessions.toLocaleString('en')} sessions`);
  console.log(`  written        ${n(step.ingest_per_s)} a second, ${n(step.ingest_cpu_us, 1)} µs of CPU each`);
  console.log(
    `  on disk        ${n(step.plain_bytes)} bytes each, ${n(step.packed_bytes)} compressed, index ${n(step.index_bytes)}`,
  );
  console.log(`  indexed        ${n(step.index_per_s)} a second, ${n(step.index_cpu_us, 1)} µs of CPU each`);
  console.log(`  verified       ${n(step.verify_mb_s)} MB/s, ${n(step.verify_s, 1)} s for all`);
  console.log(
    `  reported       ${n(step.report_s, 1)} s, ${n(step.report_cpu_s, 1)} of CPU; the page has ${n(step.report_kb)} kB`,
  );
  console.log(`  resident       ${n(step.resident_mib)} MiB`);
  for (const [name, { median, worst }] of Object.entries(step.search_ms)) {
    console.log(`  found in ms    ${n(median, 1).padStart(8)} (at most ${n(worst, 1)}): ${name}`);
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

// Threads that are waited for (the disk's, when it was slow) keep no process alive.
const awake = setInterval(() => {}, 60_000);
await main();
clearInterval(awake);
