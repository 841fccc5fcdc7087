// PostgreSQL's own regression tests (Debian source package) against the gateway's port, without masks and with everything
// allowed, compared with the same tests against the server itself: the same ones pass.

import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DEBIAN_POSTGRES, describeWith, PG_REGRESS, REGRESSION_TESTS } from '../support/needs.ts';
import { type Postgres, type PostgresOptions, startPostgres } from '../support/postgres.ts';
import { removeDirectory, repository, runOk, temporaryDirectory } from '../support/process.ts';
import { connectionTo, startStage } from '../support/stage.ts';
import { directly, openWay, type Way } from '../support/ways.ts';

/**
 * Tests that cannot pass through the gateway, each with the reason; they run none the less, so that one that begins to
 * pass is noticed. The README repeats this list.
 */
const CANNOT: Record<string, string> = {};

const SETTINGS = ['lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time']
  .map((name) => `alter database regression set ${name} = 'C';`)
  .concat(
    "alter database regression set bytea_output = 'hex'",
    "alter database regression set timezone_abbreviations = 'Default'",
  )
  .join(';');

interface Outcome {
  passed: string[];
  failed: string[];
  differences: string;
  /** What each failed test printed, the folder's name taken out. */
  printed: Map<string, string>;
}

async function regress(way: Way): Promise<Outcome> {
  const directory = temporaryDirectory('regress');
  cpSync(join(repository, REGRESSION_TESTS), directory, { recursive: true });
  await runOk('chmod', ['-R', 'a+rwX', directory]);
  const tests = join(directory, 'regress');
  const args = [
    `--inputdir=${tests}`,
    `--outputdir=${tests}`,
    `--bindir=${DEBIAN_POSTGRES}`,
    `--dlpath=${directory}/lib`,
    `--schedule=${tests}/parallel_schedule`,
    '--use-existing',
    '--dbname=regression',
    '--max-concurrent-tests=20',
  ];
  // The server, another user, writes files where pg_regress makes the folders.
  const script = `umask 000; exec '${PG_REGRESS}' --host="$PGHOST" --port="$PGPORT" --user="$PGUSER" "$@"`;
  const { stdout } = await way.run('sh', ['-c', script, 'sh', ...args], { cwd: directory, timeout: 400_000 });
  const found: Outcome = { passed: [], failed: [], differences: '', printed: new Map() };
  for (const line of stdout.split('\n')) {
    const match = line.match(/^(?:test| ) +(\S+) +\.\.\. +(ok|FAILED)/);
    if (match === null) continue;
    (match[2] === 'ok' ? found.passed : found.failed).push(match[1] as string);
  }
  const file = join(tests, 'regression.diffs');
  if (existsSync(file)) found.differences = readFileSync(file, 'utf8');
  for (const test of found.failed) {
    const text = readFileSync(join(tests, 'results', `${test}.out`), 'utf8');
    found.printed.set(test, text.replaceAll(directory, 'DIRECTORY'));
  }
  removeDirectory(directory);
  return found;
}

/** The part of regression.diffs that is about these tests. */
function differencesOf(tests: readonly string[], differences: string): string {
  return differences
    .split(/^(?=diff -U3 )/m)
    .filter((part) => tests.some((test) => part.startsWith('diff') && part.includes(`/results/${test}.out`)))
    .join('')
    .slice(0, 20_000);
}

async function newServer(server: Postgres): Promise<void> {
  await server.query(SETTINGS);
}

describeWith(['postgresql-15', 'pg_regress'], "PostgreSQL's regression tests", () => {
  it('pass through the gateway as they do on the server itself', { timeout: 600_000 }, async () => {
    const options: PostgresOptions = { version: 'debian15', databases: ['regression'] };
    let expected: Outcome;
    {
      await using server = await startPostgres(options);
      await newServer(server);
      expected = await regress(directly(server, 'regression'));
    }
    const stage = await startStage(options, (server) => ({
      connections: {
        regression: connectionTo(server, 'regression', {
          target: { databases: '*' },
          options: { allow: ['function-call'], applicationName: false },
        }),
      },
    }));
    await newServer(stage.server);
    const way = await openWay('connect', stage.alice, 'regression');
    const got = await regress(way);
    await way.stop();
    await stage.stop();

    const cannot = Object.keys(CANNOT);
    const lost = expected.passed.filter((test) => !got.passed.includes(test));
    console.log(
      `pg_regress: ${expected.passed.length} of ${expected.passed.length + expected.failed.length} pass on the server itself,` +
        ` ${got.passed.length} through the gateway; fail on both: ${expected.failed.filter((test) => got.failed.includes(test)).join(' ') || 'none'}`,
    );
    expect(expected.passed.length).toBeGreaterThan(190);
    expect(
      lost.filter((test) => !cannot.includes(test)),
      differencesOf(lost, got.differences),
    ).toEqual([]);
    // What fails on the server itself (the mirror's source package is older than its psql) prints the same by the gateway.
    const both = expected.failed.filter((test) => got.failed.includes(test));
    expect(both.filter((test) => got.printed.get(test) !== expected.printed.get(test))).toEqual([]);
    expect(cannot.filter((test) => got.passed.includes(test))).toEqual([]);
  });
});
