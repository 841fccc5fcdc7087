// A database that has nothing of what masks are about, on the connection of one that has: its errors, functions and
// definitions are its own; and what is not, stays withheld: names of what is masked, other sessions' statements, and columns
// that come to be covered.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { fields, query, type WireClient } from '../../../support/wire.ts';
import { type Guarded, openGuarded } from '../guarded.ts';
import { MASKS, SETUP } from './schema.ts';

let guarded: Guarded;
let client: WireClient;

beforeAll(async () => {
  guarded = await openGuarded({
    setup: SETUP,
    twin: 'create table plain (id int, what text); insert into plain values (1, $$x$$)',
    policy: {
      masks: MASKS,
      rules: [{ name: 'code', when: { opaque: true }, then: 'allow' }],
    },
  });
  client = await guarded.connect([], { database: 'twin' });
});
afterAll(async () => {
  client?.close();
  await guarded?.close();
});

async function told(text: string): Promise<string[]> {
  client.send(query(text));
  const frames = await client.until('Z');
  return frames.flatMap(({ type, body }) => {
    if (type === 'E' || type === 'N') return [`${fields(body).C} ${fields(body).M}`];
    return type === 'D' ? [body.subarray(6).toString('latin1')] : [];
  });
}

it('keeps its errors, notices, functions and what it makes in a transaction', async () => {
  expect(await told('select what::int from plain')).toEqual(['22P02 invalid input syntax for type integer: "x"']);
  expect(await told("do $$ begin raise notice 'said %', 1; end $$")).toEqual(['00000 said 1']);
  expect(
    await told("create function f(int) returns text language sql as 'select what from plain where id = $1'"),
  ).toEqual([]);
  expect((await told('begin; create table made as select f(1) as w; table made; rollback'))[0]).toContain('x');
});

/** By somebody whom no mask concerns. */
async function exempt(text: string): Promise<void> {
  const other = await guarded.connect(['privacy'], { database: 'twin' });
  other.send(query(text));
  expect((await other.until('Z')).filter(({ type }) => type === 'E')).toEqual([]);
  other.close();
}

it('withholds what names something that is masked, or looks elsewhere', async () => {
  expect((await told("select 'ssn'::int"))[0]).toMatch(/^22P02 SQLSTATE 22P02: the server's text is withheld/);
  expect((await told('select max(query) from pg_stat_activity')).join()).not.toContain('select');
  expect((await told('create view others as select query as q from pg_stat_activity'))[0]).toMatch(/^42501/);
  await exempt('create view others as select query as q from pg_stat_activity');
  expect((await told('select q from others')).join()).not.toContain('select');
});

it('masks what comes to be covered, at once', async () => {
  await told("create table customers (id int, ssn text); insert into customers values (1, '123-45-6789')");
  expect((await told('create view v as select id, ssn as x from customers'))[0]).toMatch(/^42501 .*mask "ssn"/);
  await exempt('create view v as select id, ssn as x from customers');
  const [row] = await told('table v');
  expect(row).toContain('***');
  expect(row).not.toContain('123-45');
  expect((await told('select * from customers'))[0]).not.toContain('123-45');
  expect((await told('select what::int from plain'))[0]).toMatch(/withheld/);
});
