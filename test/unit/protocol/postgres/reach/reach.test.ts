import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Facts } from '../../../../../src/protocol/contract.ts';
import { type Postgres, startPostgres } from '../../../../support/postgres.ts';
import { type Bench, openBench } from '../masking/schema.ts';

let server: Postgres;
let bench: Bench;
beforeAll(async () => {
  server = await startPostgres();
  bench = await openBench(server, 'reach');
  await server.query(
    `create schema app; create schema early; create table app.base (id int, a text, b text);
     create view app.shown as select id, a from app.base where b > 'x';
     create table early.same (id int); create table app.same (id int); create view late as select * from app.shown;
     alter role postgres set search_path = early, app, public`,
    'reach',
  );
});
afterAll(async () => {
  await bench?.close();
  await server?.stop();
});

const PINNED = { namesPinned: true, ddlPending: false };

/** Each relation as `schema.name(columns) < way`. */
const told = (parts: readonly Facts[]): string[] =>
  parts.flatMap(({ relations }) =>
    relations.map(({ schema, name, columns, via }) => {
      const where = schema === undefined ? name : `${schema}.${name}`;
      return `${where}(${columns?.join() ?? '*'})${via === undefined ? '' : ` < ${via.join(' < ')}`}`;
    }),
  );

async function reached(sql: string, context: object = PINNED): Promise<readonly Facts[]> {
  const analysis = bench.analyser.analyse(Buffer.from(sql));
  return bench.planner.reached!(analysis.facts, analysis, undefined, { ...PINNED, ...context });
}

describe('what a statement reaches', () => {
  test('costs nothing where there is nothing to reach', () => {
    const before = bench.loads;
    for (const sql of ['select 1', 'begin', 'set statement_timeout = 1', 'show all', 'fetch 1 from c']) {
      const analysis = bench.analyser.analyse(Buffer.from(sql));
      expect(bench.planner.reached!(analysis.facts, analysis, undefined, PINNED)).toBe(analysis.facts);
    }
    expect(bench.loads).toBe(before);
  });

  test('names resolve as in a fresh session, and by columns where they are known', async () => {
    expect(told(await reached('select id from same'))).toEqual(['early.same(id)']);
    expect(told(await reached('select id from shown'))).toEqual(['app.shown(id)', 'app.base(id,b) < view app.shown']);
    expect(told(await reached('select a from late'))).toEqual([
      'public.late(a)',
      'app.shown(a) < view public.late',
      'app.base(a,b) < view public.late < view app.shown',
    ]);
    expect(told(await reached('select * from shown join same using (id)'))).toEqual([
      'app.shown(*)',
      'app.base(id,a,b) < view app.shown',
      'early.same(*)',
    ]);
  });

  test('a name may be any of its like once the path has changed', async () => {
    expect(told(await reached('select id from same', { namesPinned: false }))).toEqual([
      'early.same(id)',
      'app.same(id)',
    ]);
    expect(told(await reached('select id from same', { namesPinned: false, pathPinned: true }))).toEqual([
      'early.same(id)',
    ]);
  });

  test('the same statement has the same answer at once, until the catalogue changes', async () => {
    // What comes only once is not kept.
    bench.analyser.analyse(Buffer.from('select a from late where id = 1'));
    const first = await reached('select a from late where id = 2');
    const analysis = bench.analyser.analyse(Buffer.from('select a from late where id = 3'));
    expect(bench.planner.reached!(analysis.facts, analysis, undefined, PINNED)).toBe(first);
    await server.query('drop view late; create view public.late as select id, b as a from app.base', 'reach');
    bench.planner.invalidate();
    expect(told(await reached('select a from late where id = 3'))).toEqual([
      'public.late(id,a)',
      'app.base(id,b) < view public.late',
    ]);
  });

  test('a table that is not there may have come just now', async () => {
    await reached('select 1 from same');
    await server.query('create view app.fresh as select * from app.base', 'reach');
    expect(told(await reached('select a from fresh'))).toEqual(['app.fresh(a)', 'app.base(a) < view app.fresh']);
  });

  test('what inherits twice over, level upon level, is looked at once', async () => {
    // 2 to the 40 ways from the last to the first.
    await server.query(
      `create schema twice; set search_path = twice; set client_min_messages = error; create table t0 (id int);
       do $$ begin for k in 1..40 loop
         execute format('create table a%1$s () inherits (t%2$s); create table b%1$s () inherits (t%2$s)', k, k - 1);
         execute format('create table t%1$s () inherits (a%1$s, b%1$s)', k);
       end loop; end $$`,
      'reach',
    );
    bench.planner.invalidate();
    const [first, ...others] = told(await reached('select id from twice.t40'));
    expect(first).toBe('twice.t40(id)');
    expect(others).toHaveLength(120);
    expect(told(await reached('insert into twice.t40 values (1)'))).toHaveLength(121);
  });

  test('when the catalogue cannot be read it is not known', async () => {
    bench.planner.invalidate();
    bench.fail = true;
    await expect(reached('select a from shown')).rejects.toThrow(/cannot be reached/);
    bench.fail = false;
  });
});
