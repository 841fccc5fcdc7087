import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Postgres, startPostgres } from '../../../../support/postgres.ts';
import { type Bench, connect, openBench, shown } from '../masking/schema.ts';

let server: Postgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await server?.stop();
});

let opened: Bench | undefined;
let count = 0;
const clock = { now: 0 };
async function bench(): Promise<Bench> {
  clock.now = 0;
  opened = await openBench(server, `catalogue${++count}`, { now: () => clock.now });
  return opened;
}
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

const PINNED = { namesPinned: true, ddlPending: false };
const FIELD = { name: 'x', attnum: 0, typeOid: 25, typeSize: -1, typmod: -1, format: 0 as const, tableOid: 0 };

describe('how long a catalogue is believed', () => {
  test('sessions with one key share one load, and a plan is sync once it is there', async () => {
    const it = await bench();
    const planners = [1, 2, 3].map(() => it.catalogues.planner(it.source()));
    const analysis = it.analyser.analyse(Buffer.from('select upper(note) from orders'));
    const plans = planners.map((planner) => planner.columns(analysis, 0, [FIELD], PINNED));
    for (const plan of plans) expect(plan).toBeInstanceOf(Promise);
    await Promise.all(plans);
    expect(it.loads).toBe(1);
    const columns = planners[0]!.columns(analysis, 0, [FIELD], PINNED);
    expect(columns).not.toBeInstanceOf(Promise);
    // The same statement has the same plan, so that what is derived from it can be kept as well.
    expect(planners[1]!.columns(analysis, 0, [FIELD], PINNED)).toBe(columns);
  });

  test('one in use is compared with the server in the background, an old one before it is used', async () => {
    const it = await bench();
    const analysis = it.analyser.analyse(Buffer.from('select upper(note) from orders'));
    const plan = () => it.planner.columns(analysis, 0, [FIELD], PINNED);
    await plan();
    clock.now = 5_000;
    expect(plan()).not.toBeInstanceOf(Promise);
    expect(it.loads).toBe(2);
    await it.settled();
    clock.now = 60_000;
    const waits = plan();
    expect(waits).toBeInstanceOf(Promise);
    await waits;
    expect(it.loads).toBe(3);
  });

  test('a change that somebody else made is seen when it has been compared', async () => {
    const it = await bench();
    expect(await it.origins('select upper(bang) from computed_view')).toEqual(['computed_view.bang customers.name ~']);
    await server.query(
      'create or replace view computed_view as select id, upper(ssn) as loud, ssn as bang, 1 as one from customers',
      it.database,
    );
    clock.now = 60_000;
    expect(await it.origins('select upper(bang) from computed_view')).toEqual(['computed_view.bang customers.ssn ~']);
  });

  test('when it cannot be read the plan is refused', async () => {
    const it = await bench();
    it.fail = true;
    await expect(it.origins('select upper(note) from orders')).rejects.toThrow(/cannot be reached/);
    it.fail = false;
    expect(await it.origins('select upper(note) from orders')).toEqual(['orders.note ~']);
    it.fail = true;
    clock.now = 60_000;
    await expect(it.origins('select upper(note) from orders')).rejects.toThrow(/cannot be reached/);
  });
});

describe('DDL of the session', () => {
  test('after invalidate the catalogue is read again', async () => {
    const it = await bench();
    await it.origins('select 1 from orders');
    const before = it.loads;
    await it.client.query(
      'create or replace view clean_view as select id, total, (select ssn from customers limit 1)::numeric as rounded from orders',
    );
    it.planner.invalidate();
    expect(await it.origins('select rounded from clean_view where false')).toEqual(['*secret*']);
    expect(it.loads).toBeGreaterThan(before);
  });

  test('what an open transaction changed is not proven until it is over', async () => {
    const it = await bench();
    const pending = { namesPinned: true, ddlPending: true };
    await it.origins('select louder from view_on_view');
    await it.client.query(
      'begin; create or replace view clean_view as select id, ssn::numeric as total, 1::numeric as rounded from customers',
    );
    it.planner.invalidate();
    expect(await it.origins('select total, total + 1 from clean_view where false', pending)).toEqual(['?', '?']);
    expect(await it.origins('select note, upper(note) from orders', pending)).toEqual(['orders.note', '?']);
    await it.client.query('create table made (a text)');
    it.planner.invalidate();
    expect(await it.origins('select a from made', pending)).toEqual(['?']);
    const loads = it.loads;
    expect(await it.origins('select a from made', pending)).toEqual(['?']);
    // A table that nobody else can see is not looked for again and again.
    expect(it.loads).toBe(loads);
    await it.client.query('commit');
    expect(await it.origins('select a, upper(a) from made', PINNED)).toEqual(['made.a', 'made.a ~']);
    expect(await it.origins('select total from clean_view where false', PINNED)).toEqual([
      'clean_view.total customers.ssn ~',
    ]);
  });

  test('earlier statements of one text count as not seen yet', async () => {
    const it = await bench();
    await it.origins('select 1 from orders');
    const sql =
      'create or replace view clean_view as select id, ssn::numeric as total, 1::numeric as rounded from customers; select total + 1 from clean_view where false';
    expect(await it.origins(sql)).toEqual(['?']);
  });

  test('when it is not told whether the transaction is over, DDL counts as not seen', async () => {
    const it = await bench();
    await it.origins('select 1');
    it.planner.invalidate();
    expect(await it.origins('select upper(note) from orders', { namesPinned: true })).toEqual(['?']);
    expect(await it.origins('select upper(note) from orders', PINNED)).toEqual(['orders.note ~']);
  });

  test('a rename does not take a mask off', async () => {
    const it = await bench();
    await it.origins('select ssn from customers');
    await it.client.query('alter table customers rename column ssn to harmless');
    it.planner.invalidate();
    expect(await it.origins('select harmless from customers')).toEqual(['customers.harmless customers.ssn']);
    await it.client.query('alter table customers rename to clients');
    it.planner.invalidate();
    expect(await it.origins('select harmless from clients')).toEqual([
      'clients.harmless clients.ssn customers.harmless customers.ssn',
    ]);
    expect(await it.origins('select secret from direct_view')).toEqual(['*secret*']);
  });
});

test('a view whose relations are locked is not waited for', async () => {
  const it = await bench();
  const locker = await connect(server, it.database);
  await it.origins('select 1 from orders');
  await locker.query('begin; lock table customers in access exclusive mode');
  const analysis = it.analyser.analyse(Buffer.from('select upper(secret), 1 from direct_view'));
  const columns = await it.planner.columns(analysis, 0, [FIELD, FIELD], PINNED);
  expect(columns.map(shown)[0]).toBe('?');
  await locker.query('rollback');
  await locker.end();
  clock.now = 5_000;
  // Compared in the background.
  await expect
    .poll(async () => (await it.planner.columns(analysis, 0, [FIELD, FIELD], PINNED)).map(shown))
    .toEqual(['customers.ssn direct_view.secret ~', '~']);
});

test('an extension in C is harmless, dblink is not', async () => {
  const it = await bench();
  await it.origins('select 1');
  await it.client.query('create extension pg_trgm; create extension dblink; create extension "uuid-ossp"');
  it.planner.invalidate();
  expect(await it.origins("select similarity(note, 'x') from orders")).toEqual(['orders.note ~']);
  expect(await it.origins('select uuid_generate_v4()')).toEqual(['~']);
  expect(await it.origins('select min(ci) from texts')).toEqual(['texts.ci ~']);
  expect(await it.origins("select ci = 'x' from texts")).toEqual(['texts.ci ~']);
  const sql = `select x from dblink('host=${server.socketDirectory} port=${server.port} user=postgres dbname=${it.database}', 'select ssn from customers') as d(x text)`;
  expect(await it.origins(sql)).toEqual(['?']);
});

test("a cast through somebody's function leaves nothing proven", async () => {
  const it = await bench();
  await it.client.query(`create type pair as (a text);
    create function to_pair(int) returns pair language sql as 'select row(ssn)::pair from customers limit 1';
    create cast (int as pair) with function to_pair(int)`);
  it.planner.invalidate();
  expect(await it.origins('select 1::pair::text')).toEqual(['?']);
});

test('a foreign table is not proven', async () => {
  const it = await bench();
  await it.client.query(`create extension postgres_fdw; create server s foreign data wrapper postgres_fdw
    options (host '${server.socketDirectory}', port '${server.port}', dbname '${it.database}');
    create user mapping for postgres server s options (user 'postgres', password_required 'false');
    create foreign table away (ssn text) server s options (table_name 'customers')`);
  it.planner.invalidate();
  expect(await it.origins('select ssn, upper(ssn) from away')).toEqual(['?', '?']);
});
