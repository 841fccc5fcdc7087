// What a name means can change under a planner: by DDL that nobody else can see yet, by another session's ALTER ROLE, by
// an operator over a function of the server. In each the masked column is what the server reads, and not what the text
// seems to name.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PlanContext } from '../../../../../src/protocol/postgres/analysis.ts';
import { type Postgres, startPostgres } from '../../../../support/postgres.ts';
import { type Bench, openBench, shown } from './schema.ts';

const SETTLED: PlanContext = { namesPinned: true, ddlPending: false };
const PENDING: PlanContext = { namesPinned: true, ddlPending: true };

let server: Postgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await server?.stop();
});

let count = 0;
async function bench(more = ''): Promise<Bench> {
  const opened = await openBench(server, `names${count++}`, { refreshAfter: 0, staleAfter: 0 });
  if (more !== '') await opened.client.query(more);
  return opened;
}

async function moved(on: Bench, sql: string, context: PlanContext, planner = on.planner): Promise<string[]> {
  return (await planner.moved!(on.analyser.analyse(Buffer.from(sql)), 0, context)).map(shown);
}

describe('an operator or cast over a function of the server that may read anything', () => {
  test('is not known', async () => {
    const on = await bench('create operator ### (function = ts_rewrite, leftarg = tsquery, rightarg = text)');
    expect(await on.origins("select 'a'::tsquery ### $$select 'a'::tsquery, 'b'::tsquery$$")).toEqual(['?']);
    await on.close();
  });

  test('is known when it can read nothing, or came with an extension', async () => {
    const on = await bench(
      'create operator ### (function = textcat, leftarg = text, rightarg = text); create extension pg_trgm',
    );
    expect(await on.origins("select note ### 'b', note % 'x' from orders")).toEqual(['orders.note ~', 'orders.note ~']);
    await on.close();
  });
});

describe('the search path of the role', () => {
  test('is the one that the session began with, whatever another session sets since', async () => {
    const on = await bench('create schema evil; create table evil.computed_view (loud text)');
    expect(await on.origins('select lower(loud) from computed_view')).toEqual(['computed_view.loud customers.ssn ~']);
    await on.client.query(`alter database ${on.database} set search_path = evil, public`);
    on.planner.invalidate();
    expect((await on.origins('select lower(loud) from computed_view'))[0]).toContain('customers.ssn');
    await on.close();
  });

  test('is not guessed by a session that has not asked before the change', async () => {
    const on = await bench('create schema evil; create table evil.computed_view (loud text)');
    const idle = on.planner;
    await on.client.query(`alter database ${on.database} set search_path = evil, public`);
    on.catalogues.planner(on.source()).invalidate();
    expect((await on.origins('select lower(loud) from computed_view'))[0]).toContain('customers.ssn');
    expect(on.planner).toBe(idle);
    await on.close();
  });
});

describe('in a transaction with DDL that nobody else can see', () => {
  test('what is read by name to be stored may be anything', async () => {
    const on = await bench();
    await on.origins('select 1');
    expect(await moved(on, 'insert into archive (id) select o.id from orders o', PENDING)).toEqual(['?']);
    expect(await moved(on, "insert into archive values (1, 'x')", PENDING)).toEqual([]);
    expect(await moved(on, "update archive set what = 'x' where id = 1", PENDING)).toEqual([]);
    await on.close();
  });

  test('a table that another became a part of may show its rows', async () => {
    const on = await bench('create table parent (ssn text)');
    expect(await on.origins('select ssn from parent', PENDING)).toEqual(['parent.ssn']);
    await on.client.query('begin; alter table customers inherit parent');
    await moved(on, 'alter table customers inherit parent', SETTLED);
    expect(await on.origins('select ssn from parent', PENDING)).toEqual(['?']);
    await on.client.query('commit');
    on.planner.invalidate();
    expect(await on.origins('select ssn from parent', SETTLED)).toEqual(['customers.ssn parent.ssn']);
    await on.close();
  });
});

test('a schema that is renamed as the very first thing keeps what it was called', async () => {
  const on = await bench('create schema private; create table private.t (a text)');
  expect(await moved(on, 'alter schema private rename to shown', SETTLED)).toEqual(['private.t.a ~']);
  await on.client.query('alter schema private rename to shown');
  on.planner.invalidate();
  expect(await on.origins('select a from shown.t')).toEqual(['private.t.a shown.t.a']);
  await on.close();
});
