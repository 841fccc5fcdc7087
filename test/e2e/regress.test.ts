// PostgreSQL's own regression tests (Debian source package) against the gateway's port, with masks on relations that they do
// not use and with everything allowed that masks refuse, compared with the same tests against the server itself: the same
// ones pass. Those which masks do not let pass are run without masks.

import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DEBIAN_POSTGRES, describeWith, PG_REGRESS, REGRESSION_TESTS } from '../support/needs.ts';
import { type Postgres, type PostgresOptions, startPostgres } from '../support/postgres.ts';
import { removeDirectory, repository, runOk, temporaryDirectory } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { directly, openWay, type Way } from '../support/ways.ts';

/**
 * Tests that cannot pass through a gateway with masks, each with the reason; they run none the less, so that one that begins
 * to pass is noticed. The README repeats this list.
 */
const CANNOT: Record<string, string> = {
  create_table:
    'the parser here is of a later version, and refuses PARTITION BY MAGIC before the server does, in its words and ours',
  misc_functions: 'asks pg_stat_activity, which shows what other databases run, in a database with a cast of its own',
  plpgsql: 'sets standard_conforming_strings to off, which is refused',
  privileges: 'calls a function of its own over pg_stat_activity',
  strings: 'sets standard_conforming_strings to off, which is refused',
};

/** What these ask for by name is elsewhere: in another database that the same connection leads to. */
const MASKED = {
  masks: [
    { name: 'elsewhere', columns: ['crm.clients.passport_no', 'hr.*.salary_agreed'], as: 'full', predicates: 'deny' },
  ],
  rules: [
    { name: 'dangerous-too', when: { dangerous: true }, then: 'allow' },
    { name: 'opaque-too', when: { opaque: true }, then: 'allow' },
  ],
};
const ELSEWHERE = `create schema crm; create table crm.clients (id int, passport_no text);
  insert into crm.clients values (1, 'X1234567')`;

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

/** @param only these; left out: all. */
async function regress(way: Way, only?: readonly string[]): Promise<Outcome> {
  const directory = temporaryDirectory('regress');
  cpSync(join(repository, REGRESSION_TESTS), directory, { recursive: true });
  await runOk('chmod', ['-R', 'a+rwX', directory]);
  const tests = join(directory, 'regress');
  const schedule = join(directory, 'schedule');
  const all = readFileSync(join(tests, 'parallel_schedule'), 'utf8');
  writeFileSync(schedule, only === undefined ? all : ['test_setup', ...only].map((test) => `test: ${test}\n`).join(''));
  const args = [
    `--inputdir=${tests}`,
    `--outputdir=${tests}`,
    `--bindir=${DEBIAN_POSTGRES}`,
    `--dlpath=${directory}/lib`,
    `--schedule=${schedule}`,
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

const OPTIONS: PostgresOptions = { version: 'debian15', databases: ['regression', 'elsewhere'] };

async function onTheServer(only?: readonly string[]): Promise<Outcome> {
  await using server = await startPostgres(OPTIONS);
  await newServer(server);
  return await regress(directly(server, 'regression'), only);
}

async function throughGateway(policy: Record<string, unknown>, use: (way: Way, stage: Stage) => Promise<void>) {
  const stage = await startStage(OPTIONS, (server) => ({
    connections: {
      regression: connectionTo(server, 'regression', {
        target: { databases: '*' },
        options: { allow: ['function-call'], applicationName: false },
      }),
    },
    ...policy,
  }));
  await newServer(stage.server);
  const way = await openWay('connect', stage.alice, 'regression');
  await use(way, stage);
  await way.stop();
  await stage.stop();
}

/** That the same ones pass, and that what fails on the server itself prints the same by the gateway. */
function compare(expected: Outcome, got: Outcome, cannot: readonly string[], what: string): void {
  const lost = expected.passed.filter((test) => !got.passed.includes(test));
  // What fails on the server itself: the mirror's source package is older than its psql.
  const both = expected.failed.filter((test) => got.failed.includes(test));
  console.log(
    `pg_regress: ${expected.passed.length} of ${expected.passed.length + expected.failed.length} pass on the server itself,` +
      ` ${got.passed.length} through the gateway ${what}; fail on both: ${both.join(' ') || 'none'}`,
  );
  const unforeseen = lost.filter((test) => !cannot.includes(test));
  expect(unforeseen, differencesOf(unforeseen, got.differences)).toEqual([]);
  const differ = both.filter((test) => got.printed.get(test) !== expected.printed.get(test));
  expect(differ.filter((test) => !cannot.includes(test))).toEqual([]);
  expect(cannot.filter((test) => !lost.includes(test) && !differ.includes(test))).toEqual([]);
}

describeWith(['postgresql-15', 'pg_regress'], "PostgreSQL's regression tests", () => {
  const cannot = Object.keys(CANNOT);

  it('pass through a gateway with masks as they do on the server itself', { timeout: 600_000 }, async () => {
    const expected = await onTheServer();
    expect(expected.passed.length).toBeGreaterThan(190);
    await throughGateway(MASKED, async (way, stage) => {
      await stage.server.query(ELSEWHERE, 'elsewhere');
      const got = await regress(way);
      compare(expected, got, cannot, 'with masks');
      const asked = ['-d', 'elsewhere', '-Atc', 'select id, passport_no from crm.clients'];
      expect((await way.run('psql', asked)).stdout).toBe('1|***\n');
    });
  });

  it('pass without masks where masks refuse what they do', { timeout: 300_000 }, async () => {
    const expected = await onTheServer(cannot);
    await throughGateway({}, async (way) => compare(expected, await regress(way, cannot), [], 'without masks'));
  });
});
