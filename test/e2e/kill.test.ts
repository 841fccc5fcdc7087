// Recorded before it happens (promise 1) and nothing lost (promise 10): the gateway is killed with SIGKILL at random
// moments under load, many times. Every statement that the server's own log has seen is in a recording, and every
// recording verifies after the restart.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { sleep } from '../support/process.ts';
import { seeded } from '../support/random.ts';
import { chainProblems, readRecordings, recordedStatements } from '../support/recordings.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { bind, execute, parse, query, sync, WireClient, type WireOptions } from '../support/wire.ts';

const KILLS = Number(process.env.HOOPCTL_TEST_KILLS ?? 100);
const CLIENTS = 6;

let stage: Stage;

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'], config: { log_statement: "'all'", log_min_error_statement: 'panic' } },
    (server) => ({
      connections: { app: connectionTo(server, 'app') },
      rules: [{ name: 'no-drop', when: { does: ['drop'] }, then: 'deny' }],
    }),
    { setup: 'create table seen (tag text)', database: 'app' },
  );
});
afterAll(() => stage?.stop());

/** One client that goes on whatever happens to its gateway; every statement of it has a tag of its own. */
async function load(number: number, options: () => WireOptions, over: () => boolean): Promise<number> {
  const random = seeded(1000 + number);
  let sent = 0;
  const tag = () => `tag-${number}-${sent++}-`;
  while (!over()) {
    let client: WireClient | undefined;
    try {
      client = await WireClient.connect(options());
      for (;;) {
        const kind = random.below(4);
        if (kind === 0) client.send(query(`select '${tag()}'`));
        else if (kind === 1) client.send(query(`insert into seen values ('${tag()}'); select '${tag()}'`));
        else if (kind === 2) client.send(query(`drop table if exists "${tag()}"`));
        else {
          const piped = Array.from({ length: 5 }, () => [
            parse('', `select '${tag()}', $1::int`),
            bind('', '', ['1']),
            execute(''),
          ]);
          client.send(...piped.flat(), sync());
        }
        await client.until('Z', 20_000);
        if (client.closed || over()) break;
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

const TAG = /tag-\d+-\d+-/g;

function tags(texts: Iterable<string>): Set<string> {
  const found = new Set<string>();
  for (const text of texts) for (const [tag] of text.matchAll(TAG)) found.add(tag);
  return found;
}

describeWith(['linux'], `a gateway killed ${KILLS} times`, () => {
  it('has recorded everything that the server saw, in recordings that verify', { timeout: 500_000 }, async () => {
    const random = seeded(Date.now() % 1_000_000);
    console.log(`kill torture: seed ${random.seed} (HOOPCTL_TEST_SEED), ${KILLS} kills (HOOPCTL_TEST_KILLS)`);
    const connected = await stage.alice.connect('app', [], { quiet: true });
    const password = await stage.alice.token('app', ['--ttl', '1h']);
    const ca = readFileSync(stage.gateway.caFile, 'utf8');
    const tunnel = { port: connected.port, user: 'alice', database: 'app' };
    const native = { port: stage.gateway.nativePort as number, user: 'alice', database: 'app', password, ca };
    let done = false;
    const loads = Array.from({ length: CLIENTS }, (_, i) =>
      load(
        i,
        () => (i % 2 === 0 ? tunnel : native),
        () => done,
      ),
    );
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(50 + random.below(400));
      await stage.gateway.process.stop('SIGKILL');
      await stage.gateway.start();
    }
    await sleep(500);
    done = true;
    const sent = (await Promise.all(loads)).reduce((sum, count) => sum + count, 0);
    await connected.stop();
    await stage.gateway.stop();

    const logged = stage.server
      .log()
      .split('\n')
      .filter((line) => /LOG: {2}(statement|execute [^:]*): /.test(line));
    const seen = tags(logged);
    const recordings = readRecordings(stage.gateway.recordings);
    const recorded = tags(recordedStatements(recordings));
    const missing = [...seen].filter((tag) => !recorded.has(tag));
    console.log(
      `kill torture: ${KILLS} kills, ${sent} statements sent, ${seen.size} seen by the server, ${recorded.size} recorded,` +
        ` ${missing.length} seen but not recorded, ${recordings.length} recordings`,
    );
    expect(missing).toEqual([]);
    expect(recordings.flatMap(chainProblems)).toEqual([]);
    // The test would show nothing if hardly anything had run, or none had been cut in the middle.
    expect(seen.size).toBeGreaterThan(KILLS * 5);
    const interrupted = recordings.filter(({ lines }) => lines.at(-1)?.interrupted !== undefined);
    expect(interrupted.length).toBeGreaterThan(KILLS / 2);
    // Nothing that a rule refuses was run.
    expect(logged.filter((line) => line.includes('drop table if exists'))).toEqual([]);
    const verified = await stage.alice.run(['audit', 'verify', stage.gateway.recordings], { timeout: 120_000 });
    expect(verified.code, verified.stdout.slice(-2000) + verified.stderr).toBe(0);
  });
});
