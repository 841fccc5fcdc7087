import { describe, expect, test } from 'vitest';
import type { Facts, RelationUse } from '../../../../../src/protocol/contract.ts';
import { analyseFresh, createAnalyser } from '../../../../../src/protocol/postgres/sql/analyser.ts';
import { KNOWN_STATEMENTS } from '../../../../../src/protocol/postgres/sql/statements.ts';
import { DOES, OBJECTS, VOCABULARY } from '../../../../../src/protocol/postgres/sql/vocabulary.ts';

await createAnalyser();

function all(sql: string) {
  return analyseFresh(Buffer.from(sql)).analysis;
}

function facts(sql: string): Facts {
  const analysis = all(sql);
  expect(analysis.error, sql).toBeUndefined();
  expect(analysis.facts.length, sql).toBe(1);
  return analysis.facts[0]!;
}

/** `schema.name:rw` */
function uses(relations: readonly RelationUse[]): string[] {
  return relations
    .map(
      (relation) =>
        `${relation.schema === undefined ? '' : `${relation.schema}.`}${relation.name}:${relation.read ? 'r' : ''}${relation.written ? 'w' : ''}`,
    )
    .sort();
}

describe('what a statement does', () => {
  test.each([
    ['select 1', ['select']],
    ['table t', ['select']],
    ['values (1)', ['select']],
    ['insert into t values (1)', ['insert']],
    ['insert into t values (1) on conflict (a) do update set a = 1', ['insert', 'update']],
    ['update t set a = 1', ['update']],
    ['delete from t', ['delete']],
    [
      'merge into t using s on t.a = s.a when matched then delete when not matched then insert values (1)',
      ['delete', 'insert', 'merge'],
    ],
    ['truncate t, u', ['truncate']],
    ['with d as (delete from t returning *) select * from d', ['delete', 'select']],
    [
      'with x as (with y as (update t set a = 1 returning 1) select * from y) insert into u select * from x',
      ['insert', 'select', 'update'],
    ],
    ['select * into x from t', ['create', 'select']],
    ['create table x as select * from t', ['create', 'select']],
    ['create materialized view x as select * from t', ['create', 'select']],
    ['explain select 1', ['explain']],
    ['explain delete from t', ['explain']],
    ['explain analyze delete from t', ['delete', 'explain']],
    ['explain (analyze on) delete from t', ['delete', 'explain']],
    ['explain (analyze false) delete from t', ['explain']],
    ['explain (analyze false, analyze 1) delete from t', ['delete', 'explain']],
    ['explain (analyze 0) delete from t', ['explain']],
    ['prepare p as delete from t', ['delete', 'prepare']],
    ['execute p(1)', ['execute']],
    ['explain analyze execute p', ['execute', 'explain']],
    ['create table x as execute p', ['create', 'execute']],
    ['deallocate p', ['deallocate']],
    ['declare c cursor for select * from t', ['cursor', 'select']],
    ['fetch 10 from c', ['fetch']],
    ['move 10 from c', ['fetch']],
    ['close c', ['cursor']],
    ['copy t from stdin', ['copy-in', 'insert']],
    ['copy t to stdout', ['copy-out', 'select']],
    ["copy t to '/tmp/x'", ['copy-file', 'copy-out', 'select']],
    ["copy t from program 'id'", ['copy-in', 'copy-program', 'insert']],
    ["create foreign table t (a text) server s options (program 'id')", ['copy-program', 'create']],
    ["create foreign table t (a text) server s options (format 'csv', filename '/x')", ['copy-file', 'create']],
    ['create foreign table t partition of u default server s options ("program" \'id\')', ['copy-program', 'create']],
    ["alter foreign table t options (set filename '/x')", ['alter', 'copy-file']],
    ["alter table t add b int, options (drop filename, add PROGRAM 'id')", ['alter', 'copy-program']],
    ['alter foreign table t options (drop program)', ['alter']],
    ["create foreign table t (a text) server s options (table_name 'program')", ['create']],
    ['copy (delete from t returning *) to stdout', ['copy-out', 'delete', 'select']],
    ['call p(1)', ['call']],
    ['do $$ begin delete from t; end $$', ['do-block']],
    ['set work_mem = 1', ['set']],
    ['reset work_mem', ['reset']],
    ['reset all', ['reset']],
    ['set role x', ['set', 'set-role']],
    ['set local session authorization x', ['set', 'set-role']],
    ['reset role', ['reset', 'set-role']],
    ["select set_config('search_path', '', false)", ['select', 'set']],
    ["select pg_catalog.set_config('Role', 'x', false)", ['select', 'set', 'set-role']],
    ["select set_config('ro' || 'le', 'x', false)", ['select', 'set', 'set-role']],
    ["update pg_settings set setting = 'x' where name = 'role'", ['set', 'set-role', 'update']],
    ["create function f() returns text language internal as 'pg_read_file_all'", ['create', 'load']],
    ["create function f() returns text language C as 'lib'", ['create', 'load']],
    ['set transaction isolation level serializable', ['set', 'transaction']],
    ['set session characteristics as transaction read only', ['set', 'transaction']],
    ['show all', ['show']],
    ['lock table t', ['lock']],
    ['listen x', ['listen']],
    ['unlisten *', ['listen']],
    ["notify x, 'y'", ['notify']],
    ['vacuum t', ['vacuum']],
    ['vacuum (analyze) t', ['analyze', 'vacuum']],
    ['analyze t (a)', ['analyze']],
    ['begin', ['begin', 'transaction']],
    ['start transaction', ['begin', 'transaction']],
    ['commit and chain', ['commit', 'transaction']],
    ['rollback to savepoint a', ['rollback', 'transaction']],
    ['savepoint a', ['savepoint', 'transaction']],
    ["prepare transaction 'x'", ['prepare-transaction', 'transaction']],
    ["commit prepared 'x'", ['commit', 'transaction']],
    ['checkpoint', ['checkpoint']],
    ["load 'x'", ['load']],
    ['refresh materialized view x', ['refresh']],
    ['reindex table t', ['reindex']],
    ['cluster t', ['cluster']],
    ['discard all', ['discard']],
    ['import foreign schema a from server b into c', ['create', 'import']],
    ["comment on table t is 'x'", ['comment']],
    ["security label on table t is 'x'", ['security-label']],
    ['grant select on t to r', ['grant']],
    ['revoke a from b', ['revoke']],
    ['alter default privileges grant select on tables to r', ['alter', 'grant']],
    [
      "create function f() returns int language sql security definer as 'select 1'",
      ['create', 'create-definer', 'select'],
    ],
    ["create function f() returns int language sql security invoker as 'select 1'", ['create', 'select']],
    ['alter function f() security definer', ['alter', 'create-definer']],
    ['create rule r as on insert to t do instead delete from u', ['create', 'delete']],
    ['create schema s create table t (a int)', ['create']],
  ])('%s', (sql, does) => {
    expect([...facts(sql).does].sort()).toEqual(does);
  });

  test.each([
    ['drop table a', 'table'],
    ['drop materialized view a', 'materialized-view'],
    ['drop role a', 'role'],
    ['drop extension a', 'extension'],
    ['drop function f(int)', 'function'],
    ['drop trigger a on t', 'trigger'],
    ['alter table t rename to u', 'table'],
    ['alter view t rename to u', 'view'],
    ['alter table t rename column a to b', 'column'],
    ['alter index i rename to j', 'index'],
    ['create table t (a int)', 'table'],
    ['select * into t from u', 'table'],
    ['create materialized view m as select 1', 'materialized-view'],
    ['create unique index on t (a)', 'index'],
    ['create extension x', 'extension'],
    ['create event trigger e on ddl_command_end execute function f()', 'event-trigger'],
    ["create function f() returns int language sql as 'select 1'", 'function'],
    ["create procedure f() language sql as 'select 1'", 'procedure'],
    ['create aggregate a (int) (sfunc = int4pl, stype = int)', 'aggregate'],
    ['create text search dictionary d (template = simple)', 'text-search-dictionary'],
    ['alter system set x = 1', 'system'],
    ['create server s foreign data wrapper f', 'foreign-server'],
    ['create foreign table t (a int) server s', 'foreign-table'],
    ['grant r to u', 'role'],
    ['grant usage on schema s to u', 'schema'],
    ['grant execute on all functions in schema s to u', 'function'],
  ])('%s touches a %s', (sql, object) => {
    expect(facts(sql).object).toBe(object);
    expect(OBJECTS as readonly string[]).toContain(object);
  });

  test('every type of statement that the grammar has is known', async () => {
    const { readFileSync } = await import('node:fs');
    const types = readFileSync(new URL('../../../../../node_modules/@pgsql/types/types.d.ts', import.meta.url), 'utf8');
    const declared = [...types.matchAll(/^export interface (\w+Stmt) /gm)].map((match) => match[1]!);
    expect(declared.length).toBeGreaterThan(100);
    // Nodes that are parts of a statement or come from the planner, PL/pgSQL or a function's body.
    const parts = ['RawStmt', 'SetOperationStmt', 'ReturnStmt', 'PLAssignStmt', 'ReplicaIdentityStmt'];
    expect(declared.filter((type) => !KNOWN_STATEMENTS.includes(type) && !parts.includes(type))).toEqual([]);
  });

  test('the words are documented, and the dangerous ones are among them', () => {
    for (const word of [...VOCABULARY.opaque, ...VOCABULARY.dangerous.does]) expect(DOES).toHaveProperty(word);
    for (const word of VOCABULARY.dangerous.objects) expect(VOCABULARY.objects).toContain(word);
  });

  test('each statement of a text has facts of its own', () => {
    const analysis = all('select 1; drop table t;; delete from u');
    expect(analysis.facts.map((entry) => entry.does)).toEqual([['select'], ['drop'], ['delete']]);
    expect(analysis.statements.map((statement) => statement.facts)).toEqual(analysis.facts);
    expect(all('  ; -- nothing').facts).toEqual([]);
    expect(all('').facts).toEqual([]);
  });
});

describe('which relations', () => {
  test.each([
    ['select * from a.b c, d join e using (x)', ['a.b:r', 'd:r', 'e:r']],
    [
      'select (select 1 from x) from y where exists (select 1 from z) order by (select 1 from w)',
      ['w:r', 'x:r', 'y:r', 'z:r'],
    ],
    ['select 1 from "T" union select 2 from t except table u', ['T:r', 't:r', 'u:r']],
    ['insert into t select * from u', ['t:w', 'u:r']],
    ['insert into t values (1) returning *', ['t:rw']],
    ['update t set a = 1', ['t:w']],
    ['update t set a = b.x from b where b.id = t.id', ['b:r', 't:rw']],
    ['delete from t using u where t.a = u.a', ['t:rw', 'u:r']],
    ['merge into t using (select * from s) q on true when matched then do nothing', ['s:r', 't:rw']],
    ['with c as (select * from t) select * from c, public.c', ['public.c:r', 't:r']],
    ['with c as (select * from c) select * from c', ['c:r']],
    ['with recursive c as (select 1 union all select * from c) select * from c', []],
    ['with a as (select * from b), b as (select 1) select * from a, b', ['b:r']],
    ['select (with c as (select 1) select * from c), x from c', ['c:r']],
    ['with c as (select 1) insert into c select * from c', ['c:w']],
    ['select * from t for update of t', ['t:r']],
    ['select 1 from x tablesample system (1), lateral (select * from y) q', ['x:r', 'y:r']],
    ['truncate a, b.c', ['a:w', 'b.c:w']],
    ['drop table a, b.c', ['a:w', 'b.c:w']],
    ['drop trigger tr on a.t', ['a.t:w']],
    ['drop function f(int)', []],
    ['alter table a add foreign key (x) references b (y)', ['a:w', 'b:r']],
    ['create index on t (lower(a))', ['t:w']],
    ['create view v as select * from t', ['t:r', 'v:w']],
    ['create table x (like y, z int references w)', ['w:r', 'x:w', 'y:r']],
    ['create table x as select * from y', ['x:w', 'y:r']],
    ['select * into x from y', ['x:w', 'y:r']],
    ['copy a.t (x, y) to stdout', ['a.t:r']],
    ['copy (select * from t) to stdout', ['t:r']],
    ['copy t from stdin where a > (select 1)', ['t:w']],
    ['comment on column a.t.c is null', ['a.t:w']],
    ['comment on database d is null', []],
    ['grant select on a.t to r', ['a.t:']],
    ['lock table t', ['t:']],
    ['vacuum t', ['t:']],
    ['refresh materialized view m', ['m:w']],
    ['explain select * from t', ['t:r']],
    ['declare c cursor for select * from t', ['t:r']],
    ['prepare p as update t set a = 1 from u', ['t:w', 'u:r']],
    ['create rule r as on insert to t do also insert into u values (new.a)', ['t:w', 'u:w']],
    ['create trigger tr before insert on t for each row execute function f()', ['t:w']],
    ['create policy p on t using (a in (select b from u))', ['t:w', 'u:r']],
    ['create publication p for table t', ['t:r']],
    ['call p((select a from t))', ['t:r']],
    ['execute p((select a from t))', ['t:r']],
    [
      'select xmlelement(name a, (select b from t)), json_object(1: (select c from u)), array(select d from v)',
      ['t:r', 'u:r', 'v:r'],
    ],
    ["select * from json_table((select a from t), '$' columns (b int))", ['t:r']],
    [
      'select case when x then (select 1 from a) end, coalesce((select 2 from b)), greatest((select 3 from c)) from d',
      ['a:r', 'b:r', 'c:r', 'd:r'],
    ],
    [
      'select count(*) filter (where exists (select 1 from a)) over (partition by (select 1 from b)) from c',
      ['a:r', 'b:r', 'c:r'],
    ],
    [
      'select 1 from a group by grouping sets ((select 1 from b)) having exists (select 1 from c) limit (select 1 from d)',
      ['a:r', 'b:r', 'c:r', 'd:r'],
    ],
    [
      'insert into t values ((select a from u)) on conflict (x) do update set y = (select 1 from v) where exists (select 1 from w)',
      ['t:rw', 'u:r', 'v:r', 'w:r'],
    ],
  ])('%s', (sql, relations) => {
    expect(uses(facts(sql).relations)).toEqual(relations);
  });

  test.each([
    ['select a, upper(b) from t where c = 1 order by d', ['a', 'b', 'c', 'd']],
    ['select x.a from t x', ['a']],
    ['select * from t', undefined],
    ['select t from t', undefined],
    ['select x.* from t x', undefined],
    ['select a from t, u', undefined],
    ['insert into t (a, b) values (1, 2)', ['a', 'b']],
    ['insert into t values (1, 2)', undefined],
    ['insert into t (a) values (1) returning b', ['a', 'b']],
    ['update t set a = 1, b = c where d = 1', ['a', 'b', 'c', 'd']],
    ['delete from t where a = 1', ['a']],
    ['delete from t returning *', undefined],
    ['copy t (a, b) to stdout', ['a', 'b']],
    ['copy t to stdout', undefined],
    ['select a from t as x (a)', undefined],
  ])('columns of %s', (sql, columns) => {
    const found = facts(sql).relations[0]?.columns;
    if (columns === undefined) expect(found).toBeUndefined();
    else expect([...(found ?? [])].sort()).toEqual(columns);
  });
});

describe('functions, bounds and limits', () => {
  test.each([
    ["select pg_read_file('x')", ['pg_read_file']],
    ["select PG_Catalog.PG_Read_File('x')", ['pg_catalog.pg_read_file', 'pg_read_file']],
    ['select U&"pg\\005fread_file"(1)', ['pg_read_file']],
    ['select * from public.f(1), rows from (g(), h())', ['g', 'h', 'public.f']],
    ['select sum(lower(a)::int) over w from t window w as (order by upper(b))', ['lower', 'sum', 'upper']],
    ['call p(f(1))', ['f', 'p']],
    ['create trigger tr before insert on t for each row execute function s.f()', ['s.f']],
    ['alter table t alter a type int using f(a)', ['f']],
    ['select json_scalar(1)', ['json_scalar']],
    ['select json_arrayagg(a order by b), json_objectagg(a: b) from t', ['json_arrayagg', 'json_objectagg']],
    ['copy t from stdin where f(a)', ['f']],
    ['explain select f(1)', ['f']],
  ])('%s calls %j', (sql, functions) => {
    expect([...facts(sql).functions].sort()).toEqual(functions);
  });

  test.each([
    ['delete from t', true],
    ['update t set a = 1', true],
    ['delete from t where true', true],
    ['delete from t where 1 = 1', true],
    ['delete from t where $1', true],
    ['delete from t where id = 1', false],
    ['delete from t where current of c', false],
    ['with d as (delete from t) select 1', true],
    ['explain analyze delete from t', true],
    ['explain delete from t', false],
    ['select 1', false],
    ['insert into t select 1', false],
  ])('%s is unbounded: %s', (sql, unbounded) => {
    expect(facts(sql).unbounded).toBe(unbounded);
  });

  test.each([
    ['select 1 limit 10', 10],
    ['select 1 limit 0', 0],
    ['select 1 fetch first 5 rows only', 5],
    ['select 1 limit $1', undefined],
    ['select 1 limit all', undefined],
    ['select 1', undefined],
    ['select * from (select 1 limit 3) x', undefined],
  ])('%s has the limit %s', (sql, limit) => {
    expect(facts(sql).limit).toBe(limit);
  });
});

describe('what cannot be read', () => {
  test('code in a string is opaque', () => {
    expect(facts('do $$ begin end $$').opaque).toMatch(/do block/);
    expect(facts('call p()').opaque).toMatch(/procedure/);
    expect(facts('select 1').opaque).toBeUndefined();
  });

  test.each([
    ['a syntax error', Buffer.from('select é é fro m t'), /syntax error/, 12],
    ['a NUL', Buffer.from('select 1;\0drop table t'), /NUL/, undefined],
    ['invalid UTF-8', Buffer.from([0x73, 0x65, 0x6c, 0xff]), /UTF-8/, undefined],
    ['a text nested too deeply', Buffer.from(`select ${'1+'.repeat(50_000)}1`), /deeply/, undefined],
  ])('%s is an error with one opaque entry', (_, sql, message, position) => {
    const { analysis } = analyseFresh(sql);
    expect(analysis.error?.message).toMatch(message);
    expect(analysis.error?.position).toBe(position);
    expect(analysis.facts.length).toBe(1);
    expect(analysis.facts[0]!.opaque).toBe(analysis.error?.message);
    expect(analysis.statements.length).toBe(1);
  });

  test('a text over the limit is an error that names the limit', () => {
    const { analysis } = analyseFresh(Buffer.from(`select '${'x'.repeat(5 * 1024 * 1024)}'`));
    expect(analysis.error?.message).toMatch(/statement_bytes/);
  });

  test('more statements than the limit are an error that names it: nobody waits for all of them to be read', () => {
    const { analysis } = analyseFresh(Buffer.from('select 1 a;'.repeat(10_001)));
    expect(analysis.error?.message).toMatch(/10001 statements, over the limit statements_per_text of 10000/);
    expect(analyseFresh(Buffer.from('select 1 a;'.repeat(10_000))).analysis.facts).toHaveLength(10_000);
  });

  test('texts that break the parser do not take it from others', async () => {
    const deep = Buffer.from(`select ${'('.repeat(30_000)}1${')'.repeat(30_000)}`);
    for (let i = 0; i < 40; i++) {
      expect(analyseFresh(deep).analysis.error).toBeDefined();
      // The next instance loads meanwhile.
      for (let wait = 0; wait < 3000 && all('select 1').error !== undefined; wait++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      expect(facts('select a from t').does).toEqual(['select']);
    }
  });
});

describe('the header of COPY', () => {
  // What is taken for one is not masked.
  test.each([
    ['', false],
    ['(header)', true],
    ['(format csv, header 0)', false],
    ['(format csv, header 1)', true],
    ['(format csv, header false)', false],
    ["(format csv, header 'Off')", false],
    ['(format csv, header match)', true],
    ['csv header', true],
  ])('copy t to stdout %s', (options, header) => {
    expect(all(`copy t to stdout ${options}`).statements[0]?.copy?.header).toBe(header);
  });

  test('in a spelling that is not known makes the statement opaque', () => {
    expect(facts('copy t to stdout (format csv, header 2)').opaque).toBeDefined();
  });
});

describe('what gives a function another name', () => {
  // The one that is called by it is named, so that rules and the dangerous set see it.
  test.each([
    ['create operator ## (function = pg_catalog.ts_rewrite, leftarg = tsquery, rightarg = text)', 'ts_rewrite'],
    ["create aggregate a (text) (sfunc = ts_rewrite, stype = tsquery, initcond = 'a')", 'ts_rewrite'],
    ['create cast (text as x) with function pg_read_file(text)', 'pg_read_file'],
    ['alter function pg_read_file(text) rename to harmless', 'pg_read_file'],
  ])('%s', (sql, name) => {
    expect(facts(sql).functions).toContain(name);
  });

  test('leaves the types of its arguments out', () => {
    expect(facts('create operator ## (function = f, leftarg = pg_read_file, rightarg = text)').functions).toEqual([
      'f',
    ]);
  });
});

describe('set_config', () => {
  test.each([
    ["create view v as select set_config('search_path', 'x', false)"],
    ["alter table t alter a set default set_config('role', 'x', false)"],
    ["create policy p on t using (set_config('role', 'x', false) is null)"],
    ["create rule r as on insert to t do also update pg_settings set setting = 'off'"],
    ['create aggregate a (text, bool) (sfunc = set_config, stype = text)'],
  ])('kept for later makes a definition opaque: %s', (sql) => {
    expect(facts(sql).opaque).toBe('a definition that calls set_config later');
  });

  test('is told apart by the parameter that it sets, also from the cache', async () => {
    const analyser = await createAnalyser();
    const does = (name: string) =>
      analyser.analyse(Buffer.from(`select set_config('${name}', 'x', true)`)).facts[0]?.does;
    expect(does('work_mem')).not.toContain('set-role');
    expect(does('role')).toContain('set-role');
  });
});

describe("what writes to the server's catalogue by hand", () => {
  test.each([
    ["update pg_class set relfilenode = 1 where relname = 't'", 'system'],
    ['insert into pg_catalog.pg_rewrite select * from pg_rewrite', 'system'],
    ['with x as (delete from pg_depend returning 1) select * from x', 'system'],
    ['copy pg_class from stdin', 'system'],
    ['update public.pg_mine set a = 1', undefined],
    ['explain delete from pg_class', undefined],
    ['select * from pg_class', undefined],
  ])('%s', (sql, object) => {
    expect(facts(sql).object).toBe(object);
  });
});

describe('a merge that meets every row', () => {
  test.each([
    ['merge into t using u on true when matched then delete', true],
    ['merge into t using u on true when matched then update set a = 1', true],
    ['merge into t using u on t.a = u.a when matched then delete', false],
    ['merge into t using u on true when matched and t.a = 1 then delete', false],
    ['merge into t using u on t.a = u.a when not matched by source then delete', true],
    ['merge into t using u on true when not matched then insert values (1)', false],
    ['explain merge into t using u on true when matched then delete', false],
  ])('is unbounded: %s', (sql, unbounded) => {
    expect(facts(sql).unbounded).toBe(unbounded);
  });
});
