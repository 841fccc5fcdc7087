// pg_dump of a database with masked columns, by every format: it restores as it is, everything unmasked is there, and no
// masked value is in the dump or in what was restored. Masks that keep what constraints ask for keep it here too.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { filesUnder, removeDirectory, temporaryDirectory } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { directly, openWay, type Way } from '../support/ways.ts';

/** Values that stand in masked columns and nowhere else. */
const CANARIES = Array.from({ length: 30 }, (_, i) => ({
  ssn: `9${String(11 + i)}-${String(40 + i)}-${String(7013 + i * 31)}`,
  email: `canary${i}x@mail${i}.example`,
  card: `4${String(111_000_000_000_000 + i * 7_919_000_001)}`,
  note: `told in secret ${i * 7919}`,
}));

const SETUP = `
  create schema crm;
  create type mood as enum ('calm', 'cross');
  create table customers (id int generated always as identity primary key, name text not null, ssn char(11) not null unique,
    email varchar(60) not null check (email like '%@%'), salary int not null check (salary > 0), born date not null,
    mood mood, tags text[], token uuid, note text, doc jsonb, upper_name text generated always as (upper(name)) stored);
  insert into customers (name, ssn, email, salary, born, mood, tags, token, note, doc) overriding user value values ${CANARIES.map(
    ({ ssn, email, note }, i) =>
      `('name ${i}', '${ssn}', '${email}', ${47_110 + i * 10}, date '1971-03-05' + ${i}, 'calm', array['t${i}', 'a "quoted" one'],
        'deadbeef-0000-4000-8000-${String(i).padStart(12, '0')}', ${i % 5 === 0 ? 'null' : `E'${note}\\twith a tab, a \\\\\\\\ and\\na line'`}, '{"n": ${i}}')`,
  ).join(', ')};
  create table crm.payments (id int, customer int not null references customers, card varchar(19) not null, amount numeric,
    paid_on date not null, primary key (id, paid_on), unique (card, paid_on)) partition by range (paid_on);
  create table crm.payments_2025 partition of crm.payments for values from ('2025-01-01') to ('2026-01-01');
  create table crm.payments_2026 partition of crm.payments for values from ('2026-01-01') to ('2027-01-01');
  insert into crm.payments values ${CANARIES.map(
    ({ card }, i) => `(${i}, ${i + 1}, '${card}', ${i}.25, date '2025-12-20' + ${i})`,
  ).join(', ')};
  create table plain (id int primary key, what text);
  insert into plain select i, 'row ' || i from generate_series(1, 500) i;
  create index on customers (lower(email));
  create view people as select id, name, ssn from customers;
  create materialized view numbers as select id, ssn from customers;
  create function name_of(int) returns text language sql stable as 'select name from customers where id = $1';
  create function touched() returns trigger language plpgsql as 'begin return new; end';
  create trigger touched before update on customers for each row execute function touched();
  create sequence numbering start 77;
  comment on column customers.ssn is 'masked';`;

const MASKS = [
  { name: 'ssn', columns: ['customers.ssn'], as: 'digits' },
  { name: 'mail', columns: ['*.email'], as: 'email' },
  { name: 'card', columns: ['crm.payments.card'], as: 'hash' },
  { name: 'money', columns: ['customers.salary', 'customers.born'], as: 'generalise' },
  { name: 'text', columns: ['customers.note', 'customers.token'], as: 'full' },
];

const FORMATS: Readonly<Record<string, readonly string[]>> = {
  plain: ['-Fp'],
  custom: ['-Fc'],
  directory: ['-Fd', '-j', '2'],
  tar: ['-Ft'],
  inserts: ['-Fp', '--inserts'],
  columns: ['-Fp', '--column-inserts', '--rows-per-insert=7'],
};

function leaks(text: string): string[] {
  const values = CANARIES.flatMap(({ ssn, email, card, note }) => [ssn, email, card, note]);
  return [...values, 'deadbeef', '47110', '47120', '1971-03-05'].filter((value) => text.includes(value));
}

describeWith(['postgresql-15'], 'a dump of a database with masked columns', () => {
  const targets = Object.keys(FORMATS).map((format) => `copy_${format}`);
  let stage: Stage;
  let from: Way;
  let directory: string;

  beforeAll(async () => {
    directory = temporaryDirectory('dump');
    stage = await startStage(
      { version: 'debian15', databases: ['source', ...targets, 'copy_full', 'copy_part'] },
      (server) => ({
        connections: {
          source: connectionTo(server, 'source'),
          full: connectionTo(server, 'source'),
        },
        masks: [
          ...MASKS.map((mask) => ({ ...mask, to: { names: ['source'] } })),
          { name: 'all', to: { names: ['full'] }, columns: ['customers.ssn'] },
        ],
      }),
      { setup: SETUP, database: 'source' },
    );
    from = await openWay('connect', stage.alice, 'source');
  });
  afterAll(async () => {
    await from?.stop();
    await stage?.stop();
    removeDirectory(directory);
  });

  const restore = (database: string, format: string, path: string) => {
    const to = directly(stage.server, database);
    return format.startsWith('-Fp')
      ? to.run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', path])
      : to.run('pg_restore', ['--exit-on-error', '--no-owner', '-d', database, path]);
  };

  it.each(Object.keys(FORMATS))('restores, masked, by format %s', async (name) => {
    const options = FORMATS[name]!;
    const path = join(directory, name);
    const database = `copy_${name}`;
    const dumped = await from.run('pg_dump', ['--no-owner', ...options, '-f', path]);
    expect(dumped).toMatchObject({ code: 0, stderr: '' });
    const restored = await restore(database, options[0]!, path);
    expect(restored).toMatchObject({ code: 0, stderr: '' });

    // Archives are compressed: what is in them is looked for in what comes of them.
    const all = await directly(stage.server, database).run('pg_dump', ['--no-owner', '--inserts']);
    expect(leaks(all.stdout)).toEqual([]);
    const kept = `select (select md5(string_agg(p::text, ',' order by id)) from plain p) as plain,
      (select md5(string_agg((id, name, mood, tags, doc, upper_name)::text, ',' order by id)) from customers) as beside,
      (select md5(string_agg((id, customer, amount, paid_on)::text, ',' order by id)) from crm.payments) as payments,
      (select count(*) from crm.payments_2026)::int as partition, (select count(note) from customers)::int as notes`;
    expect(await stage.server.query(kept, database)).toEqual(await stage.server.query(kept, 'source'));
    const [masked] = await stage.server.query(
      `select count(distinct ssn)::int as ssns, bool_and(ssn ~ '^\\d{3}-\\d\\d-\\d{4}$') as like_ssns,
        bool_and(email ~ '^\\*+@mail\\d+\\.example$') as mails, bool_and(salary = 40000) as salaries,
        bool_and(born in ('1971-01-01', '1972-01-01')) as days, bool_and(note is null or note = '***') as notes,
        count(token)::int as tokens, (select count(distinct card)::int from crm.payments) as cards,
        (select count(*)::int from numbers) as view from customers`,
      database,
    );
    expect(masked).toEqual({
      ...{
        ssns: 30,
        like_ssns: true,
        mails: true,
        salaries: true,
        days: true,
        notes: true,
        tokens: 0,
        cards: 30,
        view: 30,
      },
    });
  });

  it('shows no masked value in the dump itself, and one table can be had alone', async () => {
    for (const name of ['plain', 'inserts', 'columns', 'tar']) {
      expect(leaks(readFileSync(join(directory, name), 'latin1'))).toEqual([]);
    }
    const parts = join(directory, 'parts');
    const dumped = await from.run('pg_dump', ['-Fd', '-Z0', '-f', parts, '-t', 'customers', '-t', 'crm.payments*']);
    expect(dumped).toMatchObject({ code: 0, stderr: '' });
    expect(filesUnder(parts).flatMap((file) => leaks(readFileSync(join(parts, file), 'latin1')))).toEqual([]);
  });

  it('is in the binary format what the server takes for values of the types', async () => {
    const path = join(directory, 'binary');
    const columns = 'id, ssn, email, salary, born, note';
    const out = await from.run('psql', [
      '-X',
      '-q',
      '-c',
      `\\copy customers (${columns}) to '${path}' (format binary)`,
    ]);
    expect(out).toMatchObject({ code: 0, stderr: '' });
    expect(leaks(readFileSync(path, 'latin1'))).toEqual([]);
    const table = 'create table again as select id, ssn, email, salary, born, note from customers limit 0';
    await stage.server.query(table, 'copy_plain');
    const done = await directly(stage.server, 'copy_plain').run('psql', [
      ...['-X', '-q', '-c', `\\copy again from '${path}' (format binary)`],
    ]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    const same = `select count(*)::int as n from again join customers using (${columns.replace(', note', '')})`;
    expect(await stage.server.query(same, 'copy_plain')).toEqual([{ n: 30 }]);
  });

  it('does not restore where a mask takes what a constraint asks for: which, is said by PostgreSQL', async () => {
    const full = await openWay('connect', stage.alice, 'full');
    const path = join(directory, 'full');
    expect(await full.run('pg_dump', ['--no-owner', '-Fc', '-f', path])).toMatchObject({ code: 0, stderr: '' });
    const restored = await restore('copy_full', '-Fc', path);
    expect(restored.code).not.toBe(0);
    expect(restored.stderr).toMatch(/could not create unique index "customers_ssn_key"/);
    await full.stop();
  });

  it('goes into a schema that is there already, where that has no such constraint', async () => {
    const path = join(directory, 'full');
    const to = directly(stage.server, 'copy_part');
    const schema = await to.run('pg_restore', ['--no-owner', '-s', '-d', 'copy_part', path]);
    expect(schema.code, schema.stderr).toBe(0);
    await stage.server.query('alter table customers drop constraint customers_ssn_key', 'copy_part');
    const data = await to.run('pg_restore', ['--no-owner', '-a', '-t', 'customers', '-d', 'copy_part', path]);
    expect(data).toMatchObject({ code: 0, stderr: '' });
    const [rows] = await stage.server.query(`select count(*)::int as n, min(ssn) as ssn from customers`, 'copy_part');
    expect(rows).toEqual({ n: 30, ssn: '***        ' });
  });
});
