// psql as people use it, over every way: what it prints is what it prints on the server itself.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { eventually } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { CTRL_C, onTerminal } from '../support/terminal.ts';
import { directly, openWay, WAYS, type Way } from '../support/ways.ts';

const SETUP = `
  create schema sales;
  create type mood as enum ('sad', 'ok', 'happy');
  create domain zip as text check (value ~ '^[0-9]{5}$');
  create table customers (id serial primary key, name text not null, mail text unique, mood mood, zip zip,
    created timestamptz default '2026-01-02 03:04:05+00', data jsonb, tags text[]);
  comment on table customers is 'who buys';
  create table sales.orders (id bigserial, customer int references customers,
    total numeric(10,2) check (total >= 0), day date) partition by range (day);
  create table sales.orders_2026 partition of sales.orders for values from ('2026-01-01') to ('2027-01-01');
  create index on customers (lower(name));
  create view sales.big as select * from sales.orders where total > 100;
  create materialized view sales.sums as select customer, sum(total) from sales.orders group by 1;
  create function sales.twice(n int) returns int language sql immutable as 'select n * 2';
  create sequence sales.numbers;
  create role reader;
  grant select on customers to reader;
  alter table customers enable row level security;
  create policy own on customers for select to reader using (mood = 'ok');
  insert into customers (name, mail, mood, zip, data, tags) select 'name ' || i, 'm' || i || '@example.com', 'ok', '12345',
    jsonb_build_object('i', i), array['a', 'b' || i] from generate_series(1, 50) i;`;

/** Everything of psql's \d family, and the neighbours that read the catalogue. */
const DESCRIBE = `\\d
\\d+
\\d customers
\\d+ customers
\\d sales.*
\\d+ sales.orders
\\da
\\dA+
\\db
\\dc
\\dC
\\dd
\\dD+
\\ddp
\\dE
\\des
\\det
\\deu
\\dew
\\df sales.*
\\df+ sales.twice
\\dF
\\dFd
\\dFp
\\dFt
\\dg
\\di+
\\dl
\\dL+
\\dm+
\\dn+
\\do =
\\dO
\\dp
\\dP+
\\drds
\\dRp
\\dRs
\\ds sales.*
\\dt *.customers
\\dt+
\\dT+ mood
\\du+
\\dv+ sales.*
\\dx
\\dX
\\dy
\\l
\\sf sales.twice
\\sv sales.big
\\z
\\conninfo_is_not_compared
`;

const CONFIGURATION = {
  rules: [{ name: 'no-drop', when: { does: ['drop', 'truncate'] }, then: 'deny', message: 'use a migration' }],
};

describeWith(['psql', 'postgresql-15'], 'psql', () => {
  let stage: Stage;
  let direct: Way;

  beforeAll(async () => {
    stage = await startStage(
      { version: 'debian15', databases: ['shop'] },
      (server) => ({ ...CONFIGURATION, connections: { shop: connectionTo(server, 'shop') } }),
      { setup: SETUP, database: 'shop' },
    );
    direct = directly(stage.server, 'shop');
  });
  afterAll(() => stage?.stop());

  for (const name of WAYS) {
    const open = () => openWay(name, stage.alice, 'shop');

    it(`prints the same for every \\d command (${name})`, async () => {
      const way = await open();
      const script = DESCRIBE.replace('\\conninfo_is_not_compared\n', '');
      const expected = await direct.run('psql', ['-X', '-a'], { input: script });
      const got = await way.run('psql', ['-X', '-a'], { input: script });
      expect(got.stderr).toBe(expected.stderr);
      expect(got.stdout).toBe(expected.stdout);
      expect(got.code).toBe(0);
      expect(expected.stdout.length).toBeGreaterThan(5000);
      await way.stop();
    });

    it(`copies in and out with \\copy (${name})`, async () => {
      const way = await open();
      const out = join(stage.alice.home, `${name}.csv`);
      const input = join(stage.alice.home, `${name}-in.csv`);
      const exported = await way.run('psql', [
        '-X',
        '-c',
        `\\copy (select id, name, mail from customers order by id) to '${out}' csv header`,
      ]);
      expect(exported).toMatchObject({ code: 0, stdout: 'COPY 50\n' });
      expect(readFileSync(out, 'utf8').split('\n')[1]).toBe('1,name 1,m1@example.com');
      // More than a few buffers, so that back-pressure is at work.
      const lines = Array.from({ length: 100_000 }, (_, i) => `${i},${'x'.repeat(40)}`);
      writeFileSync(input, `${lines.join('\n')}\n`);
      const script = `create temp table bulk (n int, t text);
\\copy bulk from '${input}' csv
select count(*), sum(n), sum(length(t)) from bulk;
\\copy bulk to '${out}' csv
`;
      const imported = await way.run('psql', ['-X', '-At'], { input: script });
      expect(imported).toMatchObject({ code: 0, stderr: '' });
      expect(imported.stdout).toContain('100000|4999950000|4000000\n');
      expect(readFileSync(out, 'utf8')).toBe(readFileSync(input, 'utf8'));
      await way.stop();
    });

    it(`repeats with \\watch until Ctrl-C (${name})`, async () => {
      const way = await open();
      const psql = way.start('psql', ['-X', '-At'], {
        input: "select 'tick' \\watch 0.1\n",
      });
      await eventually('three ticks', () => psql.stdout.split('tick').length > 3);
      await psql.stop('SIGINT');
      expect(psql.stderr).not.toMatch(/error|fatal/i);
      await way.stop();
    });

    it(`cancels a statement with Ctrl-C, and goes on (${name})`, async () => {
      const way = await open();
      const psql = onTerminal('psql', ['-X', '-At'], {}, way.start);
      psql.type("select 'be' || 'fore';\n");
      await psql.waitFor(/before/);
      psql.type('select pg_sleep(60);\n');
      await eventually('the server sleeps', async () => {
        const rows = await stage.server.query(
          "select 1 from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()",
        );
        return rows.length > 0;
      });
      psql.type(CTRL_C);
      await psql.waitFor(/canceling statement due to user request/);
      psql.type("select 'af' || 'ter';\n\\q\n");
      await psql.waitFor(/after/);
      expect((await psql.process.exited).code).toBe(0);
      await way.stop();
    });
  }

  it('has `hoopctl psql` as its shorthand', async () => {
    const done = await stage.alice.run(['psql', 'shop', '-X', '-At', '-c', 'select count(*) from customers']);
    expect(done).toMatchObject({ code: 0, stdout: '50\n' });
    const failed = await stage.alice.run(['psql', 'shop', '-X', '-c', 'select 1/0']);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('division by zero');
  });

  it('sees the principal in application_name on the server', async () => {
    const way = await openWay('connect', stage.alice, 'shop');
    const shown = await way.run('psql', ['-X', '-At', '-c', 'show application_name']);
    expect(shown.stdout).toContain('alice@example.com');
    await way.stop();
  });
});
