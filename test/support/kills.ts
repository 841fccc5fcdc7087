// Kill torture: a gateway under mixed load is killed with SIGKILL again and again, also while it starts, and after each start
// everything that was sealed is checked; at the end, against the server's own log, that nothing ran that is not on record.
// For the suite (a few kills) and for scripts/torture (hundreds).

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Connected, Gateway } from './gateway.ts';
import { sleep } from './process.ts';
import { type Random, seeded } from './random.ts';
import { chainProblems, type Recording, readRecordings, recordedStatements } from './recordings.ts';
import { connectionTo, type Stage, startStage } from './stage.ts';
import { bind, execute, parse, query, sync, WireClient, type WireOptions } from './wire.ts';

/** Small segments, packed at once: so that kills meet the cutting and the packing, too. */
export const LIMITS = {
  recording_segment_bytes: 16 * 1024,
  recording_pack_after_ms: 20,
  connection_token_ms: 8 * 3_600_000,
};

/** `kept`: as buffered as the default; `sure`: durable before it runs. Both to the same database. */
export function killStage(): Promise<Stage> {
  return startStage(
    { databases: ['app'], config: { log_statement: "'all'", log_min_error_statement: 'panic' } },
    (server) => ({
      connections: {
        kept: connectionTo(server, 'app'),
        sure: connectionTo(server, 'app', { recording: { durability: 'synced' } }),
      },
      rules: [{ name: 'no-drop', when: { does: ['drop'] }, then: 'deny' }],
      limits: LIMITS,
    }),
    { setup: 'create table seen (tag text)', database: 'app' },
  );
}

export interface KillOptions {
  readonly kills: number;
  readonly clients: number;
  readonly random: Random;
  /** Told now and then. */
  readonly say?: (text: string) => void;
}

export interface KillResult {
  readonly sent: number;
  readonly seen: number;
  readonly recorded: number;
  /** Tags that the server ran and no recording has. */
  readonly missing: readonly string[];
  /** Refused by a rule, and run all the same. */
  readonly refusedButRun: number;
  readonly recordings: number;
  readonly interrupted: number;
  readonly segmented: number;
  /** Of the kills, those that hit a gateway that was starting. */
  readonly whileStarting: number;
  /** What was wrong with recordings, after any start. */
  readonly problems: readonly string[];
}

/** One client that goes on whatever happens to its gateway; every statement of it has a tag of its own. */
async function load(
  name: string,
  seed: number,
  options: () => Promise<WireOptions>,
  run: { over: boolean; answered: number },
): Promise<number> {
  const random = seeded(seed);
  let sent = 0;
  const tag = () => `tag-${name}-${sent++}-`;
  while (!run.over) {
    let client: WireClient | undefined;
    try {
      client = await WireClient.connect(await options());
      for (;;) {
        const kind = random.below(5);
        if (kind === 0) client.send(query(`select '${tag()}'`));
        else if (kind === 1) client.send(query(`insert into seen values ('${tag()}'); select '${tag()}'`));
        else if (kind === 2) client.send(query(`drop table if exists "${tag()}"`));
        else if (kind === 3) client.send(query(`select '${tag()}', repeat('x', 100) from generate_series(1, 200)`));
        else {
          const piped = Array.from({ length: 5 }, () => [
            parse('', `select '${tag()}', $1::int`),
            bind('', '', ['1']),
            execute(''),
          ]);
          client.send(...piped.flat(), sync());
        }
        await client.until('Z', 20_000);
        run.answered += 1;
        if (client.closed || run.over) break;
        // Some sessions are short, so that kills meet their ends.
        if (random.below(20) === 0) {
          client.close();
          break;
        }
      }
    } catch {
      // Killed under us: again.
      await sleep(10);
    } finally {
      client?.destroy();
    }
  }
  return sent;
}

const TAG = /tag-\w+-\d+-/g;

export function tags(texts: Iterable<string>): Set<string> {
  const found = new Set<string>();
  for (const text of texts) for (const [tag] of text.matchAll(TAG)) found.add(tag);
  return found;
}

const idOf = ({ file }: Recording) => basename(file).split('.')[0] as string;

/** Everything that is not being written now has to be sealed and whole. What was found whole once is not read again. */
function problemsNow(directory: string, checked: Set<string>, before: ReadonlySet<string>): string[] {
  const known = new Set(readdirSync(join(directory, 'open')));
  const all = readRecordings(directory, (name) => {
    const id = basename(name).split('.')[0] as string;
    return before.has(id) && !checked.has(id) && !known.has(id);
  });
  const problems = all.flatMap(chainProblems);
  for (const one of all) checked.add(idOf(one));
  return problems;
}

function sessionsIn(directory: string): Set<string> {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return new Set(files.filter((name) => name.includes('.jsonl')).map((name) => basename(name).split('.')[0] as string));
}

/** Kills the gateway so many times at random moments of its load, and checks what is sealed after each start. */
async function killAgainAndAgain(
  gateway: Gateway,
  { kills, clients, random, say = () => {} }: KillOptions,
  answered: () => number,
): Promise<{ problems: string[]; whileStarting: number }> {
  const checked = new Set<string>();
  const problems: string[] = [];
  let whileStarting = 0;
  for (let kill = 1; kill <= kills; kill++) {
    // When the load has come back after the last one, at some moment.
    const wanted = answered() + clients;
    for (let wait = 0; wait < 1000 && answered() < wanted; wait++) await sleep(30);
    await sleep(random.below(300));
    await gateway.process.stop('SIGKILL');
    const before = sessionsIn(gateway.recordings);
    // In the middle of the salvage, of the log's opening, of anything that a start does.
    while (kill < kills && random.below(4) === 0) {
      const starting = gateway.start().catch(() => {});
      await sleep(random.below(800));
      await gateway.process.stop('SIGKILL');
      await starting;
      kill += 1;
      whileStarting += 1;
    }
    await gateway.start();
    problems.push(...problemsNow(gateway.recordings, checked, before));
    if (kill % 50 < 2) say(`${kill} kills, ${checked.size} recordings checked, ${problems.length} problems`);
  }
  return { problems, whileStarting };
}

/** Loads in the background, and what they have done so far. */
export interface Loads {
  readonly run: { over: boolean; answered: number };
  /** Each resolves with how much it sent, once the run is over. */
  readonly each: readonly Promise<number>[];
}

export function startLoads(
  { clients, random }: KillOptions,
  load: (name: string, seed: number, run: Loads['run'], i: number) => Promise<number>,
): Loads {
  const run = { over: false, answered: 0 };
  const each = Array.from({ length: clients }, (_, i) => load(`${clients}x${i}`, random.seed + i, run, i));
  return { run, each };
}

/** The kills, under these loads; then everything ends in order. */
export async function killUnder(
  { run, each }: Loads,
  { gateway, connected }: { gateway: Gateway; connected: Connected },
  options: KillOptions,
): Promise<{ sent: number; problems: string[]; whileStarting: number }> {
  const found = await killAgainAndAgain(gateway, options, () => run.answered);
  await sleep(500);
  run.over = true;
  const sent = (await Promise.all(each)).reduce((sum, count) => sum + count, 0);
  await connected.stop();
  await gateway.stop();
  return { sent, ...found };
}

export async function killTorture(stage: Stage, options: KillOptions): Promise<KillResult> {
  const { gateway, alice } = stage;
  const connected = await alice.connect(['kept', 'sure'], [], { quiet: true });
  const ca = readFileSync(gateway.caFile, 'utf8');
  const passwords = new Map<string, string>();
  for (const name of ['kept', 'sure']) passwords.set(name, await alice.token(name, ['--ttl', '8h']));
  const way = (i: number): (() => Promise<WireOptions>) => {
    const connection = i % 3 === 2 ? 'sure' : 'kept';
    const tunnel = { port: connected.ports[connection] as number, user: 'alice', database: 'app' };
    const native = {
      ...{ port: gateway.nativePort as number, user: 'alice', database: connection, ca },
      password: passwords.get(connection) as string,
    };
    return async () => (i % 2 === 0 ? tunnel : native);
  };
  const loads = startLoads(options, (name, seed, run, i) => load(name, seed, way(i), run));
  const { sent, problems, whileStarting } = await killUnder(loads, { gateway, connected }, options);
  const logged = stage.server
    .log()
    .split('\n')
    .filter((line) => /LOG: {2}(statement|execute [^:]*): /.test(line));
  const seen = tags(logged);
  const recordings = readRecordings(gateway.recordings);
  const recorded = tags(recordedStatements(recordings));
  return {
    sent,
    seen: seen.size,
    recorded: recorded.size,
    missing: [...seen].filter((tag) => !recorded.has(tag)),
    refusedButRun: logged.filter((line) => line.includes('drop table if exists')).length,
    recordings: recordings.length,
    interrupted: recordings.filter(({ lines }) => lines.at(-1)?.interrupted !== undefined).length,
    segmented: recordings.filter(({ lines }) => lines.some(({ kind }) => kind === 'segment')).length,
    whileStarting,
    problems: [...problems, ...recordings.flatMap(chainProblems)],
  };
}
