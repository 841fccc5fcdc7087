// Drivers of three languages over every way: what they see is what they see on the server itself.

import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith, JDBC_JAR, SYSTEM_PYTHON } from '../support/needs.ts';
import { runOk, temporaryDirectory } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { directly, openWay, WAYS, type Way } from '../support/ways.ts';

const PROGRAMS = fileURLToPath(new URL('./programs/', import.meta.url));

const SETUP = `
  create table customers (id serial primary key, name text not null default 'x', mail varchar(80) unique, born date);
  create table orders (id serial primary key, customer int references customers on delete cascade, total numeric(8,2));
  create view names as select name from customers;
  create function twice(n int) returns int language sql immutable as 'select n * 2';
  create function shout(n int) returns int language plpgsql as $$ begin raise notice 'said %', n; return n; end $$;
  create procedure nothing() language sql as 'select 1';`;

let stage: Stage;

beforeAll(async () => {
  stage = await startStage(
    { databases: ['shop'] },
    (server) => ({
      connections: { shop: connectionTo(server, 'shop') },
      rules: [{ name: 'no-drop', when: { does: ['drop', 'truncate'] }, then: 'deny' }],
    }),
    { setup: SETUP, database: 'shop' },
  );
});
afterAll(() => stage?.stop());

/** Runs a program directly and over each way: the same output, and something in it. */
function sameEverywhere(
  run: (way: Way) => Promise<{ stdout: string; stderr: string; code: number | null }>,
  check: (output: string) => void,
) {
  for (const name of WAYS) {
    it(`sees the same over ${name}`, async () => {
      const expected = await run(directly(stage.server, 'shop'));
      expect(expected.stderr).toBe('');
      check(expected.stdout);
      const way = await openWay(name, stage.alice, 'shop', 'shop');
      const got = await run(way);
      expect(got.stderr).toBe('');
      expect(got.stdout).toBe(expected.stdout);
      expect(got.code).toBe(0);
      await way.stop();
    });
  }
}

describe('node-postgres', () => {
  sameEverywhere(
    (way) => way.run(process.execPath, [`${PROGRAMS}node-postgres.ts`]),
    (output) => expect(JSON.parse(output)).toMatchObject({ order: true, pool: 780, batches: [300, 300, 300, 100] }),
  );
});

describeWith(['psycopg'], 'psycopg 3', () => {
  sameEverywhere(
    (way) => way.run(SYSTEM_PYTHON, [`${PROGRAMS}psycopg_client.py`]),
    (output) =>
      expect(JSON.parse(output)).toMatchObject({ pipeline: true, server_side: 551_775, notices: ['said 42'] }),
  );
});

describeWith(['java'], 'JDBC', () => {
  const classes = temporaryDirectory('jdbc');
  beforeAll(() => runOk('javac', ['-cp', JDBC_JAR, '-d', classes, `${PROGRAMS}Jdbc.java`]));
  sameEverywhere(
    (way) => way.run('java', ['-XX:TieredStopAtLevel=1', '-cp', `${JDBC_JAR}:${classes}`, 'Jdbc']),
    (output) => expect(output).toContain('has types: true'),
  );
});
