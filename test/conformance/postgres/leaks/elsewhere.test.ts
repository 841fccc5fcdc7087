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
      rules: [
        { name: 'code', when: { opaque: true }, then: 'allow' },
        { name: 'wrappers', when: { objects: ['extension', 'foreign-server', 'user-mapping'] }, then: 'allow' },
      ],
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

/** Makes a way to where customers are. */
function far(): string[] {
  const { socketDirectory, port } = guarded.server;
  const options = `host '${socketDirectory}', port '${port}', dbname 'app'`;
  return [
    'create extension postgres_fdw',
    `create server app foreign data wrapper postgres_fdw options (${options})`,
    "create user mapping for public server app options (user 'postgres')",
    "create foreign table far (a text options (column_name 'ssn')) server app options (table_name 'customers')",
  ];
}

it('keeps its errors, notices, functions and what it makes in a transaction', async () => {
  expect(await told('select what::int from plain')).toEqual(['22P02 invalid input syntax for type integer: "x"']);
  expect(await told("do $$ begin raise notice 'said %', 1; end $$")).toEqual(['00000 said 1']);
  expect(
    await told("create function f(int) returns text language sql as 'select what from plain where id = $1'"),
  ).toEqual([]);
  expect((await told('begin; create table made as select f(1) as w; table made; rollback'))[0]).toContain('x');
});

it('keeps what comes from cursors that the gateway did not see opened, or lost sight of', async () => {
  await told("create function opens() returns void language sql as 'declare c cursor for select what from plain'");
  expect((await told('begin; select opens(); fetch c; rollback')).at(-1)).toContain('x');
  await told('begin');
  await told('declare d cursor for select what from plain');
  await told('savepoint s');
  await told('rollback to s');
  expect((await told('fetch d'))[0]).toContain('x');
  await told('rollback');
});

it('keeps what is said of foreign tables and servers where there are none', async () => {
  expect(await told("create function x_fdw() returns int language sql as 'select 1'")).toEqual([]);
  expect(await told("do $$ begin raise notice 'a foreign table; %', 1; end $$")).toEqual(['00000 a foreign table; 1']);
  expect(await told('create table keys (id int primary key, of int, foreign key (of) references keys)')).toEqual([]);
  expect(await told("select 'three'::int")).toEqual(['22P02 invalid input syntax for type integer: "three"']);
});

it('withholds what comes from unseen cursors of a session that has looked elsewhere', async () => {
  await told("create function looks() returns void language sql as $$ declare c cursor for select 'seen' as q $$");
  const looking = await guarded.connect([], { database: 'twin' });
  const fetched = async () => {
    looking.send(query('begin; select looks(); fetch c; rollback'));
    return (await looking.until('Z')).map(({ body }) => body.toString('latin1')).join();
  };
  expect(await fetched()).toContain('seen');
  looking.send(query('select 1 from pg_stat_activity'));
  await looking.until('Z');
  expect(await fetched()).not.toContain('seen');
  looking.close();
});

it('masks rows of another database in the transaction that makes a way there', async () => {
  expect(await told('begin')).toEqual([]);
  for (const text of far()) expect(await told(text)).toEqual([]);
  const rows = await told('select a from far');
  expect(rows.length).toBeGreaterThan(3);
  expect(rows.join()).not.toMatch(/\d{3}-\d{2}/);
  await told('rollback');
});

/** By somebody whom no mask concerns. */
async function exempt(text: string): Promise<void> {
  const other = await guarded.connect(['privacy'], { database: 'twin' });
  other.send(query(text));
  expect((await other.until('Z')).filter(({ type }) => type === 'E')).toEqual([]);
  other.close();
}

it('withholds what names something that is masked, or looks elsewhere', async () => {
  expect((await told("select what::int, 'ssn' from plain"))[0]).toMatch(
    /^22P02 SQLSTATE 22P02: the server's text is withheld/,
  );
  expect((await told('select max(query) from pg_stat_activity')).join()).not.toContain('select');
  expect((await told('create view others as select query as q from pg_stat_activity'))[0]).toMatch(/^42501/);
  await exempt('create view others as select query as q from pg_stat_activity');
  expect((await told('select q from others')).join()).not.toContain('select');
});

it('masks rows of another database from when they can be reached, whoever made that possible', async () => {
  expect(await told("select what || 'y' from plain")).toEqual(['xy']);
  for (const text of far()) await exempt(text);
  const rows = await told('select a from far');
  expect(rows.length).toBeGreaterThan(3);
  expect(rows.join()).not.toMatch(/\d{3}-\d{2}/);
  await exempt('drop extension postgres_fdw cascade');
  expect(await told("select what || 'y' from plain")).toEqual(['xy']);
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
