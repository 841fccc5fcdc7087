// PostgreSQL's own tools over every way: pgbench in its three query modes, pg_dump and pg_restore.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEBIAN_POSTGRES, describeWith } from '../support/needs.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { directly, openWay, WAYS } from '../support/ways.ts';

const SETUP = `
  create table parts (id int primary key, name text, price numeric, picture bytea, made timestamptz, tags text[]);
  insert into parts select i, 'part ' || i, i * 1.25, decode(md5(i::text), 'hex'), '2026-01-01'::timestamptz + i * interval '1 hour',
    array['a', 'b' || i] from generate_series(1, 3000) i;
  create index on parts (name);
  create view cheap as select * from parts where price < 100;
  create function double(n int) returns int language plpgsql as $$ begin return n * 2; end $$;
  create sequence numbers start 77;
  select lo_from_bytea(4711, decode(repeat('ab', 10000), 'hex'));`;

/** libpq reads and writes large objects by FunctionCall, which a connection has to allow. */
const LARGE_OBJECTS = { options: { allow: ['function-call'] } };

describeWith(['postgresql-15', 'pgbench'], "PostgreSQL's tools", () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startStage(
      { version: 'debian15', databases: ['bench', 'source', 'copy_connect', 'copy_exec', 'copy_native'] },
      (server) => ({
        connections: {
          bench: connectionTo(server, 'bench'),
          strict: connectionTo(server, 'source'),
          source: connectionTo(server, 'source', LARGE_OBJECTS),
          copy_connect: connectionTo(server, 'copy_connect', LARGE_OBJECTS),
          copy_exec: connectionTo(server, 'copy_exec', LARGE_OBJECTS),
          copy_native: connectionTo(server, 'copy_native', LARGE_OBJECTS),
        },
        rules: [{ name: 'no-grant', to: { names: ['bench'] }, when: { does: ['grant'] }, then: 'deny' }],
      }),
      { setup: SETUP, database: 'source' },
    );
  });
  afterAll(() => stage?.stop());

  for (const name of WAYS) {
    it(`pgbench fills its tables and runs in simple, extended and prepared mode (${name})`, async () => {
      const way = await openWay(name, stage.alice, 'bench');
      const filled = await way.run('pgbench', ['-i', '-q', '-s', '1']);
      expect(filled.code, filled.stderr).toBe(0);
      for (const mode of ['simple', 'extended', 'prepared']) {
        const done = await way.run('pgbench', ['-n', '-M', mode, '-c', '4', '-j', '2', '-t', '60']);
        expect(done.code, done.stderr).toBe(0);
        expect(done.stdout).toContain('number of transactions actually processed: 240/240');
        expect(done.stdout).toContain('number of failed transactions: 0 (0.000%)');
      }
      // What the transactions did adds up on the server itself.
      const [sums] = await stage.server.query(
        `select (select count(*) from pgbench_history)::int as history, (select sum(abalance) from pgbench_accounts) =
          (select sum(delta) from pgbench_history) as equal`,
        'bench',
      );
      expect(sums).toEqual({ history: 720, equal: true });
      await way.stop();
    });

    it(`pg_dump of a large object is refused by name where FunctionCall is not allowed (${name})`, async () => {
      const way = await openWay(name, stage.alice, 'strict');
      const dumped = await way.run('pg_dump', ['-b', '-f', '/dev/null']);
      expect(dumped.code).toBe(1);
      expect(dumped.stderr).toContain('FunctionCall');
      expect(dumped.stderr).toContain('function-call');
      await way.stop();
    });

    it(`pg_dump and pg_restore carry a database over (${name})`, async () => {
      const from = await openWay(name, stage.alice, 'source');
      const to = await openWay(name, stage.alice, `copy_${name}`);
      const file = join(stage.alice.home, `${name}.dump`);
      const dumped = await from.run('pg_dump', ['-Fc', '-b', '-f', file]);
      expect(dumped).toMatchObject({ code: 0, stderr: '' });
      const restored = await to.run('pg_restore', ['--exit-on-error', '--no-owner', '-d', `copy_${name}`, file]);
      expect(restored).toMatchObject({ code: 0, stderr: '' });
      const plain = async (database: string) => {
        const done = await directly(stage.server, database).run(join(DEBIAN_POSTGRES, 'pg_dump'), ['--no-owner', '-b']);
        // A random key of \\restrict differs in each dump.
        return done.stdout.replaceAll(/^\\(un)?restrict .*$/gm, '');
      };
      expect(await plain(`copy_${name}`)).toBe(await plain('source'));
      await from.stop();
      await to.stop();
    });
  }
});
