// The replay is what the client got: a thousand statements of psql and pgbench under masks, the bytes that came to the client
// taken off the wire and decoded by themselves, against what `sessions replay` shows.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ReplayedOperation, replay } from '../../src/session/recorder/replay.ts';
import { DEBIAN_POSTGRES, describeWith } from '../support/needs.ts';
import { eventually, findProgram, runOk } from '../support/process.ts';
import { type ClientResult, clientResults } from '../support/results.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { Tap } from '../support/tap.ts';

const SETUP = `
  create table people (id int primary key, name text, ssn text, mail text, card text, note text, born date, score numeric(8,2),
    ok boolean, tags text[], data jsonb, raw bytea);
  insert into people select i, 'name ' || i, '123-45-' || lpad(i::text, 4, '0'), 'p' || i || '@example.com',
    case when i % 3 = 0 then null else 'pays with 4111111111111111 no ' || i end,
    case i % 5 when 0 then null when 1 then '' when 2 then E'two\\nlines\\tand \\\\ back' when 3 then 'ümläut 🦊 "q"' else repeat('x', i) end,
    date '1970-01-01' + i, i * 1.5, i % 2 = 0, array['a', null, 'b,"c"'], jsonb_build_object('i', i), decode('00ff' || lpad(i::text, 4, '0'), 'hex')
    from generate_series(1, 200) i;`;

/** A few hundred statements of all kinds that psql sends. */
function script(): string {
  const lines = ['\\set ON_ERROR_STOP off', '\\pset pager off'];
  for (let i = 1; i <= 60; i++) {
    lines.push(
      `select * from people where id = ${i};`,
      `select id, ssn, mail as m, card, upper(name) u, ssn || name as both from people where id between ${i} and ${i + 3} order by id;`,
      `select count(*), max(score), null as nothing, '' as empty, E'a\\nb' as lines from people where id < ${i};`,
      `update people set name = 'changed ${i}' where id = ${i} returning id, name, ssn;`,
      `select note from people where id = -${i};`,
      `select 1/0, ${i};`,
      `begin\\; select ${i} as a\\; select card, ssn from people where id = ${i}\\; commit;`,
    );
    if (i % 10 === 0) {
      lines.push(
        `copy (select id, ssn, note, card, mail from people where id <= ${i} order by id) to stdout;`,
        'drop table people;',
        `select tags, data, raw, born from people where id = ${i} \\gdesc`,
        `declare c cursor for select ssn, name from people order by id;`,
        `begin; declare c cursor for select ssn, note from people order by id; fetch 7 from c; fetch 3 from c; rollback;`,
        `select format('select ssn from people where id = %s', g) from generate_series(1, 3) g \\gexec`,
      );
    }
  }
  lines.push('\\set FETCH_COUNT 9', 'select id, ssn, card from people order by id;', '\\d people', '\\dt');
  return `${lines.join('\n')}\n`;
}

const BENCH = `\\set id random(1, 200)
select id, name, ssn, mail, card from people where id = :id;
update people set score = score + 1 where id = :id;
select ssn, count(*) from people where id between :id and :id + 5 group by ssn, id order by id;
`;

let stage: Stage;

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: { app: connectionTo(server, 'app', { recording: { rows: 1_000_000, bytes: '64MiB' } }) },
      rules: [{ name: 'no-drop', when: { does: ['drop'] }, then: 'deny', message: 'use a migration' }],
      masks: [
        { name: 'pii', columns: ['people.ssn'], as: 'partial', predicates: 'allow' },
        { name: 'mail', columns: ['people.mail'], as: 'hash' },
        { name: 'cards', detect: ['credit-card'], as: 'full' },
      ],
    }),
    { setup: SETUP, database: 'app' },
  );
});
afterAll(() => stage?.stop());

/** The results of one recording in the client's terms. */
function replayed(operations: readonly ReplayedOperation[]): ClientResult[] {
  return operations.flatMap(({ verdict, parts, message }): ClientResult[] => {
    if (verdict === 'deny') {
      return [{ columns: undefined, rows: [], tag: undefined, error: { code: '42501', message: message ?? '' } }];
    }
    return parts
      .filter(({ status, tag, error }) => status !== undefined && (tag !== undefined || error !== undefined))
      .map(({ columns, values, tag, error }) => ({
        columns: values.length > 0 ? [...(columns ?? [])] : undefined,
        rows: values.map((row) => [...row]),
        tag,
        error,
      }));
  });
}

/** COPY has no names for its columns. */
const comparable = (results: readonly ClientResult[]) =>
  results.map((one) => (one.tag?.startsWith('COPY') ? { ...one, columns: undefined } : one));

describeWith(['psql', 'pgbench'], 'the replay of a session', () => {
  it('has what the client got, byte for byte decoded, of a thousand statements', { timeout: 400_000 }, async () => {
    await using connected = await stage.alice.connect('app', [], { quiet: true });
    const tap = await Tap.on(connected.port);
    const env = {
      ...stage.alice.env,
      ...{ PGHOST: '127.0.0.1', PGPORT: String(tap.port), PGUSER: 'x', PGDATABASE: 'app' },
      ...{ PGSSLMODE: 'disable', PGGSSENCMODE: 'disable' },
    };
    const [sql, bench] = ['script.sql', 'bench.sql'].map((name) => join(stage.alice.home, name)) as [string, string];
    writeFileSync(sql, script());
    writeFileSync(bench, BENCH);
    const psql = await runOk('psql', ['-X', '--csv', '-f', sql], { env });
    for (const mode of ['simple', 'extended', 'prepared']) {
      await runOk(
        findProgram('pgbench', `${DEBIAN_POSTGRES}/pgbench`)!,
        ['-n', '-M', mode, '-c', '2', '-t', '40', '-f', bench],
        { env },
      );
    }
    tap.stop();
    const sessions = await eventually('every session has ended', async () => {
      const { sessions: all } = await stage.alice.json<{ sessions: { id: string; state: string }[] }>([
        'sessions',
        'ls',
      ]);
      return all.length === tap.heard.length && all.every(({ state }) => state === 'ended') ? all : undefined;
    });
    let statements = 0;
    const shown: ClientResult[][] = [];
    for (const { id } of sessions) {
      const lines = (await stage.alice.runOk(['sessions', 'replay', id, '--json'])).stdout.trimEnd().split('\n');
      const { operations } = await replay(lines.map((line) => JSON.parse(line)));
      statements += operations.length;
      shown.push(comparable(replayed(operations)));
    }
    const got = tap.heard.map((chunks) => comparable(clientResults(Buffer.concat(chunks))));
    console.log(
      `${statements} statements, ${got.flat().length} results, ${got.flat().flatMap(({ rows }) => rows).length} rows`,
    );
    expect(statements).toBeGreaterThanOrEqual(1000);
    const sorted = (all: ClientResult[][]) => all.map((one) => JSON.stringify(one, null, 1)).sort();
    expect(sorted(shown)).toEqual(sorted(got));
    // The masks were in force, and psql printed what came to it.
    const all = JSON.stringify(got);
    expect(all).not.toMatch(/123-45-\d{4}|p\d+@example\.com|4111111111111111/);
    expect(psql.stdout).toContain(got[0]!.find(({ columns }) => columns?.includes('ssn'))!.rows[0]![2]);
  });
});
