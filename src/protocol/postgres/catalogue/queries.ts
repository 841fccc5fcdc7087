// What is asked of the server's catalogue, each as one statement with text columns. Works from version 12 to 18.
// Every query runs with an empty search_path, so that definitions come with schema-qualified names.

/** The search path of a fresh session, as a JSON array with the implicit schemas; asked before it is emptied. */
export const SEARCH_PATH = 'select array_to_json(pg_catalog.current_schemas(true))';

/** Which database of which server this is: numbers mean the same only there. */
export const DATABASE = 'select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()';
export const SYSTEM = 'select system_identifier from pg_catalog.pg_control_system()';

/**
 * A definition is read under locks that DDL of others may hold: rather none than a session that waits for itself.
 */
export const PREPARE = `select pg_catalog.set_config('search_path', '', false),
  pg_catalog.set_config('lock_timeout', '1000', false), pg_catalog.set_config('statement_timeout', '20000', false),
  pg_catalog.set_config('default_transaction_read_only', 'on', false)`;

/** Changes with every change of what the other queries read. */
export const DIGEST = `select
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0) from pg_catalog.pg_class),
  (select count(*) || '.' || coalesce(sum(hashtext(attrelid || ' ' || attnum || ' ' || xmin::text)::int8), 0)
     from pg_catalog.pg_attribute where attrelid >= 16384),
  (select count(*) || '.' || coalesce(sum(hashtext(inhrelid || ' ' || inhparent || ' ' || xmin::text)::int8), 0)
     from pg_catalog.pg_inherits),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0)
     from pg_catalog.pg_rewrite where oid >= 16384),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0)
     from pg_catalog.pg_proc where oid >= 16384),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0) from pg_catalog.pg_namespace),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0)
     from pg_catalog.pg_operator where oid >= 16384),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0)
     from pg_catalog.pg_cast where oid >= 16384),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0)
     from pg_catalog.pg_type where oid >= 16384 and typtype = 'd'),
  (select count(*) || '.' || coalesce(sum(hashtext(setrole || ' ' || setdatabase || ' ' || xmin::text)::int8), 0)
     from pg_catalog.pg_db_role_setting)`;

/** oid, schema, name, kind, whether it has rules beside a view's own, the TOAST table, what changes with its definition. */
export const RELATIONS = `select c.oid, n.nspname, c.relname, c.relkind,
    exists (select 1 from pg_catalog.pg_rewrite r where r.ev_class = c.oid and r.ev_type <> '1'),
    c.reltoastrelid, c.xmin::text || ' ' || n.xmin::text || ' '
      || coalesce((select sum(r.xmin::text::int8) from pg_catalog.pg_rewrite r where r.ev_class = c.oid), 0)
      || ' ' || coalesce((select sum(a.xmin::text::int8) from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and c.oid >= 16384), 0)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 't')`;

/** relation, number, name, type, type modifier, whether it is generated. */
export const COLUMNS = `select a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attgenerated <> ''
  from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
  where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 't')
  order by a.attrelid, a.attnum`;

/** child, parent. */
export const INHERITANCE = 'select inhrelid, inhparent from pg_catalog.pg_inherits';

/**
 * relation, generated column, column that its expression reads. Version 15 notes this at the column's default, later
 * ones at the column.
 */
export const GENERATED = `select d.adrelid, d.adnum, p.refobjsubid
  from pg_catalog.pg_attrdef d
  join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum and a.attgenerated <> ''
  join pg_catalog.pg_depend p on p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and p.refobjid = d.adrelid
    and p.refobjsubid > 0
    and ((p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and p.objid = d.oid)
      or (p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and p.objid = d.adrelid and p.objsubid = d.adnum))
  where p.refobjsubid <> d.adnum`;

/** sequence, table and column that owns it. */
export const SEQUENCES = `select d.objid, d.refobjid, d.refobjsubid
  from pg_catalog.pg_depend d join pg_catalog.pg_class c on c.oid = d.objid and c.relkind = 'S'
  where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjsubid > 0`;

/**
 * name, whether every built-in of that name is immutable, whether all else of that name is too, whether all else of that
 * name is in C (which only a superuser can make). A function that somebody wrote in SQL or a language of its own is never
 * taken by its word, nor is an aggregate that is made from one.
 */
export const FUNCTIONS = `with builtin as (
    select proname, bool_and(provolatile = 'i') as immutable from pg_catalog.pg_proc where oid < 16384 group by proname
  ), other as (
    select p.proname, bool_and(p.provolatile = 'i') as immutable,
      bool_and(l.lanname in ('c', 'internal') and not exists (
        select 1 from pg_catalog.pg_aggregate a
          join pg_catalog.pg_proc s on s.oid in (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn,
            a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
          join pg_catalog.pg_language m on m.oid = s.prolang
        where a.aggfnoid = p.oid and not (s.provolatile = 'i' and m.lanname in ('c', 'internal')))) as in_c
    from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
    where p.oid >= 16384 group by p.proname
  )
  select proname, coalesce(b.immutable, true), coalesce(o.immutable, true), coalesce(o.in_c, true)
  from builtin b full join other o using (proname)`;

/**
 * Functions that can be called as `row.function`: with one argument that may be a row. And domains over rows: `row.domain` is a
 * cast, and gives the row.
 */
export const ROW_FUNCTIONS = `with recursive rows as (
    select oid, typname, typtype from pg_catalog.pg_type where typtype = 'c'
    union all select d.oid, d.typname, d.typtype from pg_catalog.pg_type d join rows r on r.oid = d.typbasetype
      where d.typtype = 'd'
  )
  select typname from rows where typtype = 'd' union
  select p.proname from pg_catalog.pg_proc p
  cross join lateral unnest(p.proargtypes) a(oid) join pg_catalog.pg_type t on t.oid = a.oid
  where p.pronargs - p.pronargdefaults <= 1 and (t.typtype = 'c' or t.typname in ('record', 'any', 'anyelement',
    'anynonarray', 'anycompatible', 'anycompatiblenonarray'))`;

/** Of an object of class and number: it came with an extension, and with what that says of it. */
const ofExtension = (catalogue: string, oid: string) =>
  `exists (select 1 from pg_catalog.pg_depend e where e.classid = 'pg_catalog.${catalogue}'::pg_catalog.regclass
    and e.objid = ${oid} and e.deptype = 'e')`;

/**
 * name, whether behind it is a function that somebody wrote, or chose among those of the server that may read more; whether it
 * came with no extension.
 */
export const OPERATORS = `select o.oprname, bool_or(l.lanname not in ('c', 'internal')
    or (p.provolatile <> 'i' and not ${ofExtension('pg_operator', 'o.oid')})),
    bool_or(not ${ofExtension('pg_operator', 'o.oid')})
  from pg_catalog.pg_operator o
  join pg_catalog.pg_proc p on p.oid = o.oprcode join pg_catalog.pg_language l on l.oid = p.prolang
  where o.oid >= 16384 group by o.oprname`;

/** Whether there is a cast, possibly implicit, through such a function. */
export const CASTS = `select exists (select 1 from pg_catalog.pg_cast c
  join pg_catalog.pg_proc p on p.oid = c.castfunc join pg_catalog.pg_language l on l.oid = p.prolang
  where c.oid >= 16384 and (l.lanname not in ('c', 'internal')
    or (p.provolatile <> 'i' and not ${ofExtension('pg_cast', 'c.oid')})))`;

/** Types whose values are text: `citext` and its like, and domains over text. */
export const TEXT_TYPES = `select oid from pg_catalog.pg_type
  where oid >= 16384 and typtype in ('b', 'd') and typcategory = 'S' and typlen = -1 and typelem = 0`;

/** Definitions of views, as SELECT statements. `oids` are numbers. */
export function definitions(oids: readonly number[]): string {
  return `select oid, pg_catalog.pg_get_viewdef(oid) from pg_catalog.pg_class where oid in (${oids.map(Math.trunc).join(', ')})`;
}
