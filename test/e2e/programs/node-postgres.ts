// node-postgres against whatever the PG* variables name. Prints JSON of what it saw; the test compares it with the server.

import pg from 'pg';

const host = process.env.PGHOST;
const ssl =
  process.env.PGSSLMODE === 'verify-full'
    ? { ca: (await import('node:fs')).readFileSync(process.env.PGSSLROOTCERT as string) }
    : false;
const client = new pg.Client({ host, ssl });
await client.connect();
const seen: Record<string, unknown> = {};

seen.simple = (await client.query('select 1 as one, null as nothing, $$quoted$$ as text')).rows;
seen.parameters = (
  await client.query('select $1::int + $2::int as sum, $3::text as text, $4::text[] as list, $5::jsonb as document', [
    2,
    3,
    "o'clock",
    ['a', 'b,c', null],
    { deep: [1, 2] },
  ])
).rows;
for (let i = 0; i < 3; i++) {
  const result = await client.query({ name: 'kept', text: 'select $1::int * 2 as double', values: [i] });
  seen[`prepared${i}`] = result.rows;
}
seen.several = ((await client.query('select 1 as a; select 2 as b, 3 as c')) as unknown as pg.QueryResult[]).map(
  (result) => result.rows,
);

await client.query('begin');
await client.query('create temp table t (n int, at timestamptz default now())');
await client.query('insert into t (n) select generate_series(1, $1)', [1000]);
seen.inserted = (await client.query('select count(*)::int as count, sum(n)::int as sum from t')).rows;
await client.query('savepoint s');
seen.error = await client
  .query('select 1/0')
  .catch((error: pg.DatabaseError) => ({ code: error.code, message: error.message }));
await client.query('rollback to s');
await client.query('commit');

// A portal read piece by piece, as a cursor does.
const batches: number[] = [];
await client.query('begin');
await client.query('declare c cursor for select n from t order by n');
for (;;) {
  const { rows } = await client.query('fetch 300 from c');
  if (rows.length === 0) break;
  batches.push(rows.length);
}
await client.query('commit');
seen.batches = batches;

const notified = new Promise<unknown>((resolve) =>
  client.once('notification', (note) => resolve([note.channel, note.payload])),
);
await client.query('listen news');
await client.query("notify news, 'hello'");
seen.notification = await notified;

// Many queries in flight on one connection: node-postgres queues them, answers come in order.
const many = await Promise.all(Array.from({ length: 50 }, (_, i) => client.query('select $1::int as n', [i])));
seen.order = many.every((result, i) => result.rows[0].n === i);
seen.binary = (
  await client.query({ text: 'select 7::int4 as n, now() is not null as b', binary: true } as pg.QueryConfig)
).rows.length;
seen.unicode = (await client.query("select 'äöü €𝄞' as text, length('äöü €𝄞') as letters")).rows;
await client.end();

const pool = new pg.Pool({ host, ssl, max: 5 });
const sums = await Promise.all(
  Array.from({ length: 40 }, (_, i) => pool.query('select pg_sleep(0.01), $1::int as n', [i])),
);
seen.pool = sums.reduce((sum, result) => sum + result.rows[0].n, 0);
await pool.end();

console.log(JSON.stringify(seen));
