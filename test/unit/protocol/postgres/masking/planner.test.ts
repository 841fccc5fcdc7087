import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Postgres, startPostgres } from '../../../../support/postgres.ts';
import { type Bench, openBench, shown } from './schema.ts';

let server: Postgres;
let bench: Bench;
beforeAll(async () => {
  server = await startPostgres();
  bench = await openBench(server, 'planner');
});
afterAll(async () => {
  await bench?.close();
  await server?.stop();
});

test('views over views are followed once a column, also while their definitions are not read yet', async () => {
  // 8 to the 12 ways through them.
  const columns = (from: string) => [...'abcdefgh'].map((name) => `${from} as ${name}`).join(', ');
  const own = (of: string) => [...'abcdefgh'].map((name) => `${of}.${name}`).join(', ');
  const views = Array.from({ length: 12 }, (_, k) => `create view deep${k + 1} as select ${own('d')} from deep${k} d`);
  await server.query(`create view deep0 as select ${columns('ssn')} from customers; ${views.join('; ')}`, 'planner');
  const shownOf = await bench.columns('select a, h from deep12');
  expect(shownOf.map(({ origins }) => origins?.some(({ column }) => column === 'ssn'))).toEqual([true, true]);
  await server.query('drop view deep0 cascade', 'planner');
});

describe('origins of result columns', () => {
  test.each([
    // Plain columns, however they are named.
    ['select ssn, name from customers', ['customers.ssn', 'customers.name']],
    ['select x.ssn as y from customers as x', ['customers.ssn']],
    ['select id, * from orders', ['orders.id', 'orders.id', 'orders.customer_id', 'orders.total', 'orders.note']],
    ['table archive', ['archive.id', 'archive.what']],
    ['select a.b from customers as a (x, y, b)', ['customers.ssn']],
    ['select q.s from (select ssn as s from customers) q', ['customers.ssn']],
    ['with q as (select ssn as s from customers) select s from q', ['customers.ssn']],
    ['select ssn from customers for update', ['customers.ssn']],
    ['select distinct ssn from customers group by ssn', ['customers.ssn']],
    ['select l.ssn from orders, lateral (select ssn from customers) l', ['customers.ssn']],
    ['select o.ctid, o.tableoid from orders o', ['~', '~']],
    // Generated from another column.
    ['select tail from customers', ['customers.ssn customers.tail ~']],
    // Expressions over one level: exactly what they refer to.
    [
      'select upper(name), length(ssn), visits + 1 from customers',
      ['customers.name ~', 'customers.ssn ~', 'customers.visits ~'],
    ],
    ['select count(*), now(), 1, null, $$x$$ from customers', ['~', '~', '~', '~', '~']],
    ['select count(ssn), max(c.visits) from customers c', ['customers.ssn ~', 'customers.visits ~']],
    ['select count(*) filter (where ssn is null) from customers', ['customers.ssn ~']],
    ["select name || ' ' || email as e from customers", ['customers.email customers.name ~']],
    [
      'select case when c.ssn is null then 0 else o.total end from customers c join orders o on c.id = o.customer_id',
      ['customers.ssn orders.total ~'],
    ],
    ['select ssn::varchar(3), ssn collate "C" from customers', ['customers.ssn ~', 'customers.ssn ~']],
    ['select (select max(name) from customers) from orders', ['customers.name ~']],
    ['select (select x.name from (select ssn as name from customers) x)', ['customers.name customers.ssn ~']],
    ['select (select x from (select name from customers) as x (k))', ['customers.name ~']],
    ['select (select c from customers c limit 1)::text', ['*secret*']],
    ['select (select c.row_to_json from customers c limit 1)', ['*secret*']],
    ['select (select k from customers as x (a, b, k) limit 1)', ['*secret*']],
    ['select (select k from (customers a join archive b on true) as j (x, y, k) limit 1)', ['*secret*']],
    [
      'with q as (select name, count(*) n from customers group by 1) select upper(name), n from q',
      ['customers.name ~', 'customers.name ~'],
    ],
    ['select (select 1), upper(name) from customers', ['customers.name ~', 'customers.name ~']],
    ['select *, upper(what) from archive', ['archive.id', 'archive.what', 'archive.what ~']],
    ['select upper(what), a.*, 1 from archive a', ['archive.what ~', 'archive.id', 'archive.what', '~']],
    ['select coalesce(o.note, a.what) from orders o, archive a', ['archive.what orders.note ~']],
    [
      'select (o).note, (o).* from orders o',
      ['orders.note', 'orders.id', 'orders.customer_id', 'orders.total', 'orders.note'],
    ],
    // Whole rows.
    ['select c from customers c', ['*secret*']],
    ['select c.* from archive c', ['archive.id', 'archive.what']],
    ['select row_to_json(c) from customers c', ['*secret*']],
    ['select to_jsonb(c.*) from customers c', ['*secret*']],
    ['select c::text from customers c', ['*secret*']],
    ['select c.row_to_json from customers c', ['*secret*']],
    ['select row(c.*)::text from customers c', ['*secret*']],
    ['select array_agg(c) from customers c', ['*secret*']],
    ['select joined(note) from orders', ['orders.note ~']],
    ['select row_to_json(a) from archive a', ['archive.id archive.what ~']],
    // Everything else takes all columns of all relations.
    ['select (select ssn from customers limit 1)', ['customers.ssn ~']],
    ['select id, (select what from archive limit 1) from orders', ['orders.id', 'archive.id archive.what orders.id ~']],
    ['select note from orders union select ssn from customers', ['customers.note customers.ssn orders.note ~']],
    ['select note from orders union all select what from archive', ['archive.what orders.note ~']],
    [
      'with recursive r as (select ssn from customers union all select ssn from r where false) select * from r',
      ['*secret*'],
    ],
    ['values ((select ssn from customers limit 1))', ['customers.ssn ~']],
    ['select * from unnest(array(select ssn from customers)) u', ['*secret*']],
    ['select x from customers, lateral (select upper(ssn) x) l', ['customers.ssn ~']],
    ['select first_value(ssn) over w from customers window w as (order by id)', ['customers.id customers.ssn ~']],
    ['select rank() over (order by ssn) from customers', ['customers.ssn ~']],
    ['select id from customers full join (select id from orders) o using (id)', ['customers.id orders.id ~']],
    ['select array(select ssn from customers)', ['customers.ssn ~']],
    ['select exists (select 1 from customers where ssn like $$1%$$)', ['customers.ssn ~']],
    // No relation at all.
    ['select 1, upper($$a$$), current_date, current_user, gen_random_uuid() is null', ['~', '~', '~', '~', '~']],
    ['select * from generate_series(1, 2) g', ['~']],
    ['show all', ['~', '~', '~']],
  ])('%s', async (sql, expected) => {
    expect(await bench.origins(sql)).toEqual(expected);
  });

  test.each([
    [
      'select * from direct_view',
      ['customers.id direct_view.id', 'customers.name direct_view.name', 'customers.ssn direct_view.secret'],
    ],
    ['select upper(secret) from direct_view', ['customers.ssn direct_view.secret ~']],
    [
      'select * from computed_view',
      [
        'computed_view.id customers.id',
        'computed_view.loud customers.ssn ~',
        'computed_view.bang customers.name ~',
        'computed_view.one ~',
      ],
    ],
    ['select louder from view_on_view', ['computed_view.loud customers.ssn view_on_view.louder ~']],
    ['select bang from view_on_view', ['computed_view.bang customers.name view_on_view.bang ~']],
    ['select note from union_view', ['customers.note customers.ssn orders.note union_view.note ~']],
    ['select rounded, total from clean_view', ['clean_view.rounded orders.total ~', 'clean_view.total orders.total']],
    ['select doc from row_view', ['*secret*']],
    ['select ssn from mat_view', ['customers.ssn mat_view.ssn']],
    ['select x from xml_view', ['?']],
  ])('through views: %s', async (sql, expected) => {
    expect(await bench.origins(sql)).toEqual(expected);
  });

  test.each([
    ['select ssn from people_a', ['people.ssn people_a.ssn']],
    ['select ssn from people', ['people.ssn people_a.ssn']],
    ['select upper(ssn) from people_a', ['people.ssn people_a.ssn ~']],
    ['select secret, extra from derived', ['base.secret derived.secret', 'derived.extra']],
    ['select secret from only base', ['base.secret derived.secret']],
  ])('through inheritance and partitions: %s', async (sql, expected) => {
    expect(await bench.origins(sql)).toEqual(expected);
  });

  test.each([
    ['select peek(1)'],
    ['select honest_looking(1)'],
    ['select o.leak from orders o'],
    ['select leak(o) from orders o'],
    ['select (select o.leak) from orders o'],
    ['select gather(note) from orders'],
    ["select 'a'::text ~~~> 'b'::text"],
    ["select query_to_xml('select 1', true, true, '')::text"],
    ["select table_to_xml('customers', true, true, '')::text"],
    ['select * from pg_stat_get_activity(null)'],
    ["select pg_ls_dir('.')"],
    ['select most_common_vals::text from pg_stats'],
    ['select stavalues1::text from pg_statistic'],
    ['select upper(query) from pg_stat_activity'],
    ['select last_value from pg_sequences'],
    ['call_it'],
  ])('nothing is proven of %s', async (sql) => {
    if (sql === 'call_it') {
      await bench.client.query(
        'create procedure p(inout a text) language plpgsql as $$ begin select ssn into a from customers; end $$',
      );
      expect(await bench.origins('call p(null)')).toEqual(['?']);
      return;
    }
    for (const column of await bench.origins(sql)) expect(column).toBe('?');
  });

  test('a plain column stays proven beside an opaque function', async () => {
    expect(await bench.origins('select note, peek(1) from orders')).toEqual(['orders.note', '?']);
    expect(await bench.origins('select pid, query from pg_stat_activity limit 1')).toEqual([
      'pg_catalog.pg_stat_activity.pid',
      '?',
    ]);
  });

  test('sequences carry the numbers of their columns', async () => {
    const [column] = await bench.columns("select nextval('orders_id_seq')");
    expect(column!.origins).toEqual(
      expect.arrayContaining([
        { schema: 'public', relation: 'orders', column: 'id' },
        { schema: 'public', relation: 'customers', column: 'id' },
      ]),
    );
    expect(await bench.origins('select last_value from orders_id_seq')).toEqual([
      'orders.id orders_id_seq.last_value ~',
    ]);
  });

  test('a TOAST table is its owner', async () => {
    const { rows } = await bench.client.query(
      "select reltoastrelid::regclass::text t from pg_class where oid = 'customers'::regclass",
    );
    expect(await bench.origins(`select chunk_data from ${rows[0].t}`)).toEqual(['*secret*']);
  });

  test('what is stored and returned at once carries where it came from', async () => {
    await bench.client.query('begin');
    expect(await bench.origins('insert into archive (what) select ssn from customers returning what')).toEqual([
      'archive.what customers.ssn ~',
    ]);
    expect(
      await bench.origins(
        'with i as (insert into archive (what) select ssn from customers returning what) select what from i',
      ),
    ).toEqual(['archive.what customers.ssn ~']);
    expect(await bench.origins('update customers set note = ssn returning note')).toEqual([
      'customers.note customers.ssn ~',
    ]);
    expect(await bench.origins('update archive set what = ssn from customers returning what')).toEqual([
      'archive.what customers.ssn ~',
    ]);
    expect(await bench.origins("insert into archive values (1, 'x') returning id, upper(what)")).toEqual([
      'archive.id',
      'archive.what ~',
    ]);
    expect(await bench.origins('update customers set visits = visits + 1 returning visits, name')).toEqual([
      'customers.visits',
      'customers.name',
    ]);
    expect(await bench.origins('delete from orders returning *, upper(note)')).toEqual([
      'orders.id',
      'orders.customer_id',
      'orders.total',
      'orders.note',
      'orders.note ~',
    ]);
    await bench.client.query('rollback');
  });

  test('a plan may show values of its relations', async () => {
    expect(await bench.origins('explain select * from customers')).toEqual(['*secret*']);
    expect(await bench.origins('explain analyze select * from archive')).toEqual(['archive.id archive.what ~']);
    expect(await bench.origins('explain select honest_looking(1)')).toEqual(['?']);
  });

  test('rows of a cursor or prepared statement are proven by their own statement only', async () => {
    await bench.client.query(
      'begin; declare c cursor for select ssn, upper(ssn) from customers; prepare p as select upper(name) from customers',
    );
    expect(await bench.origins('fetch 1 from c')).toEqual(['customers.ssn', '?']);
    expect(await bench.origins('execute p')).toEqual(['?']);
    await bench.client.query('rollback; deallocate p');
    const inner = bench.analyser.analyse(Buffer.from('prepare p as select upper(name) from customers')).statements[0]!
      .prepare!.analysis;
    const field = { name: 'upper', tableOid: 0, attnum: 0, typeOid: 25, typeSize: -1, typmod: -1, format: 0 as const };
    const columns = await bench.planner.columns(inner, 0, [field], { namesPinned: true, ddlPending: false });
    expect(columns.map(shown)).toEqual(['customers.name ~']);
    expect((await bench.planner.columns(undefined, 0, [field], { namesPinned: true })).map(shown)).toEqual(['?']);
  });

  test('EXECUTE with a computed parameter is not one of a known statement', () => {
    const of = (sql: string) => bench.analyser.analyse(Buffer.from(sql)).statements[0]!;
    expect(of("execute p(1, 'a', null, date '2020-01-01', array[1], $1)").execute).toEqual({ name: 'p' });
    expect(of("execute p(query_to_xml('select 1', true, true, ''))").execute).toBeUndefined();
    expect(of('execute p(peek(1))').facts.opaque).toBeDefined();
  });

  test('whether a value can hold a mask', async () => {
    const columns = await bench.columns('select * from texts');
    const textual = columns.filter((column) => column.textual).map((column) => column.name);
    expect(textual).toEqual(['t', 'v', 'c', 'n', 'ci', 'j', 'jb']);
  });
});

describe('names', () => {
  test('an unqualified name is the one of the search path, and any of that name when that may have changed', async () => {
    expect(await bench.origins('select upper(note) from orders')).toEqual(['orders.note ~']);
    await bench.client.query('set search_path = other, public');
    expect(await bench.origins('select upper(ssn) from orders', { namesPinned: false, ddlPending: false })).toEqual([
      '*clean*',
    ]);
    expect(
      await bench.origins('select upper(id::text) from orders', { namesPinned: false, ddlPending: false }),
    ).toEqual(['orders.id other.orders.id ~']);
    expect(
      await bench.origins('select upper(special) from orders special', { namesPinned: false, ddlPending: false }),
    ).toEqual(['*clean*']);
    await bench.client.query('reset search_path');
    expect(await bench.origins('select upper(a) from other.only_here')).toEqual(['other.only_here.a ~']);
  });
});

describe('what is moved to where it is not masked', () => {
  const moved = async (sql: string) => {
    const analysis = bench.analyser.analyse(Buffer.from(sql));
    expect(analysis.error).toBeUndefined();
    return (await bench.planner.moved!(analysis, 0, { namesPinned: true, ddlPending: false })).map(shown);
  };

  test.each([
    ['insert into archive (what) select ssn from customers', ['customers.ssn ~']],
    ['insert into archive (what) values ((select ssn from customers))', ['customers.ssn ~']],
    ['create table x as select ssn from customers', ['customers.ssn ~']],
    ['create temp table x as table customers', ['*secret*']],
    ['select ssn into x from customers', ['customers.ssn ~']],
    ['create table x as execute p', ['?']],
    ['explain analyze create table x as execute p', ['?']],
    ['update customers set note = ssn', ['customers.ssn ~']],
    ['update customers set note = (select ssn)', ['customers.ssn ~']],
    ['update customers as excluded set note = excluded.ssn', ['customers.ssn ~']],
    ["update customers set note[ssn] = 'x'", ['customers.ssn ~']],
    ['update archive set what = ssn from customers', ['customers.ssn ~']],
    ['prepare p as update customers set note = ssn', ['customers.ssn ~']],
    ['explain analyze update customers set note = ssn', ['customers.ssn ~']],
    ['insert into customers values (1) on conflict (id) do update set note = customers.ssn', ['customers.ssn ~']],
    [
      'merge into archive a using customers c on a.id = c.id when not matched then insert values (c.id, c.ssn)',
      ['archive.id customers.id customers.ssn ~'],
    ],
    ['with d as (delete from customers returning *) insert into archive select id, ssn from d', ['*secret*']],
    ['with i as (insert into archive select id, ssn from customers) select 1', ['customers.id customers.ssn ~']],
    ["copy customers to '/tmp/x'", ['*secret*']],
    ["copy (select ssn from customers) to program 'cat'", ['customers.ssn ~']],
    ["select set_config('a.b', ssn, false) from customers", ['customers.ssn ~']],
    ["select pg_notify('a', ssn) from customers", ['customers.ssn ~']],
    ['select peek(id) from customers', ['customers.id ~']],
    ['select pg_advisory_lock(id) from customers', ['customers.id ~']],
    ['alter table customers alter note type text using ssn', ['customers.ssn ~']],
    ["update ruled set a = 'x'", ['?']],
    ['insert into archive (what) values (peek(1))', ['?']],
    ["select set_config('a.b', peek(1), false)", ['?']],
    ['create table x as select peek(1)', ['?']],
    ['create view v as select ssn from customers', ['customers.ssn ~']],
    ['create view v as select peek(1)', ['?', '?']],
    ['create schema s create view v as select ssn from customers', ['customers.ssn ~']],
    ['alter table customers rename ssn to x', ['customers.ssn ~']],
    ['create view v as select name, visits + 1 as n from customers', ['customers.name customers.visits ~']],
    ['alter table archive rename to customers', ['archive.id archive.what ~']],
    ['alter table customers rename nothing to x', ['*secret*']],
    ['alter table archive set schema elsewhere', ['archive.id archive.what ~']],
    ['drop type mood cascade', ['?']],
    ['drop owned by current_user', ['?']],
    ["create domain pg_temp.text as pg_catalog.text check (value ~ '^9')", ['?']],
    ["create type other.varchar as enum ('a')", ['?']],
    ['create collation pg_temp."C" (provider = icu, locale = \'und\')', ['?']],
    ['create table other.text (a int)', ['?']],
    ['create schema s create view text as select 1', ['?']],
    ['alter domain mine rename to bpchar', ['?']],
  ])('%s', async (sql, expected) => {
    expect(await moved(sql)).toEqual(expected);
  });

  test.each([
    ['select * from customers'],
    ['select upper(ssn), count(*) from customers group by 1'],
    ["insert into customers (name, ssn) values ('a', 'b') returning id"],
    [
      "insert into customers (id, ssn) values (1, 'b') on conflict (id) do update set ssn = excluded.ssn, visits = customers.visits + 1",
    ],
    ["update customers set visits = visits + 1, ssn = upper(ssn), name = 'x' where ssn = 'y'"],
    ["delete from customers where ssn = 'x'"],
    ['explain update customers set note = ssn'],
    ['create index on customers (lower(ssn))'],
    ['drop table customers'],
    ['alter table customers rename constraint a to b'],
    ['refresh materialized view mat_view'],
    ['copy customers to stdout'],
    ['copy customers from stdin'],
    ['lock table customers'],
    ["select set_config('a.b', 'x', false)"],
    ['truncate customers'],
    ['select peek(1)'],
    ["insert into archive values (1, upper('x'))"],
  ])('nothing by %s', async (sql) => {
    expect(await moved(sql)).toEqual([]);
  });

  test('what is moved from elsewhere only', async () => {
    expect(await moved('insert into archive select id, note from orders')).toEqual(['orders.id orders.note ~']);
  });
});

describe('COPY', () => {
  const copied = async (sql: string) => {
    const analysis = bench.analyser.analyse(Buffer.from(sql));
    return (await bench.planner.copyColumns(analysis, 0, { namesPinned: true, ddlPending: false })).map(shown);
  };

  test.each([
    ['copy archive to stdout', ['archive.id', 'archive.what']],
    ['copy archive (what) to stdout', ['archive.what']],
    // COPY leaves generated columns out.
    [
      'copy customers to stdout',
      ['customers.id', 'customers.name', 'customers.ssn', 'customers.email', 'customers.visits', 'customers.note'],
    ],
    ['copy (select id, upper(ssn) from customers) to stdout', ['customers.id', 'customers.ssn ~']],
    ['copy (select * from archive) to stdout', ['archive.id', 'archive.what']],
    [
      'copy (select a.*, 1, upper(a.what) from archive a) to stdout',
      ['archive.id', 'archive.what', '~', 'archive.what ~'],
    ],
    ['copy (select a.*, o.id from archive a, orders o) to stdout', ['archive.id', 'archive.what', 'orders.id']],
    [
      'copy (select note from orders union select ssn from customers) to stdout',
      ['customers.note customers.ssn orders.note ~'],
    ],
    [
      'copy (with q as (select 1) select a, b from q, archive) to stdout',
      ['archive.id archive.what ~', 'archive.id archive.what ~'],
    ],
    ['copy (values (1, 2)) to stdout', ['~', '~']],
    ['copy (select secret from direct_view) to stdout', ['customers.ssn direct_view.secret']],
    ['copy (select peek(1)) to stdout', ['?']],
    ['copy (update customers set note = ssn returning note) to stdout', ['customers.note customers.ssn ~']],
  ])('%s', async (sql, expected) => {
    expect(await copied(sql)).toEqual(expected);
  });

  test.each([
    ['copy nowhere to stdout'],
    ['copy archive (nothing) to stdout'],
    ['copy (select * from (select 1) q) to stdout'],
    ['copy (with q as (select 1) select * from q) to stdout'],
    ['copy (select * from archive join orders using (id)) to stdout'],
    ['copy (select (o).* from orders o) to stdout'],
  ])('refused with what to do: %s', async (sql) => {
    await expect((async () => copied(sql))()).rejects.toMatchObject({
      code: 'denied',
      fix: expect.stringMatching(/name the columns/),
    });
  });

  test('the types of columns tell whether a mask fits', async () => {
    const analysis = bench.analyser.analyse(Buffer.from('copy texts (i, t, ci) to stdout'));
    const columns = await bench.planner.copyColumns(analysis, 0, { namesPinned: true, ddlPending: false });
    expect(columns.map((column) => column.textual)).toEqual([false, true, true]);
  });
});
