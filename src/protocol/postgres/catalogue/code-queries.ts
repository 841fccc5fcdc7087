// What is asked of the server's catalogue about code: what runs by itself when something else is done. Each is one
// statement with text columns, from version 12 to 18, asked after queries.ts's PREPARE.

/** Changes with every change of what the other queries read, beside that of queries.ts. */
export const CODE_DIGEST = `select
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0) from pg_catalog.pg_trigger),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0) from pg_catalog.pg_constraint
     where oid >= 16384),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0) from pg_catalog.pg_policy),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0) from pg_catalog.pg_attrdef),
  (select count(*) || '.' || coalesce(sum(hashtext(indexrelid || ' ' || xmin::text)::int8), 0) from pg_catalog.pg_index
     where indexrelid >= 16384),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0) from pg_catalog.pg_amproc
     where oid >= 16384),
  (select count(*) || '.' || coalesce(sum(hashtext(ftrelid || ' ' || xmin::text)::int8), 0)
     from pg_catalog.pg_foreign_table),
  (select count(*) || '.' || coalesce(sum(hashtext(oid || ' ' || xmin::text)::int8), 0)
     from pg_catalog.pg_event_trigger)`;

/**
 * Relations that somebody holds for himself, and those whose rules and policies name one: their definitions would be waited
 * for as long as he does.
 */
export const HELD = `with held as (
    select l.relation as oid from pg_catalog.pg_locks l
      join pg_catalog.pg_database d on d.oid = l.database and d.datname = pg_catalog.current_database()
    where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' and l.granted)
  select oid from held
  union select r.ev_class from pg_catalog.pg_rewrite r join pg_catalog.pg_depend d on d.objid = r.oid
      and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass join held h on h.oid = d.refobjid
    where r.ev_type <> '1'
  union select p.polrelid from pg_catalog.pg_policy p join pg_catalog.pg_depend d on d.objid = p.oid
      and d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
      and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass join held h on h.oid = d.refobjid`;

const beside = (column: string, held: readonly number[]): string =>
  held.length === 0 ? 'true' : `${column} not in (${held.map(Math.trunc).join(', ')})`;

/** oid, schema, name, language, kind, volatility, the symbol of one in C, its library. Those of the server itself are left out. */
export const ROUTINES = `select p.oid, n.nspname, p.proname, l.lanname, p.prokind, p.provolatile,
    case when l.lanname in ('c', 'internal') then p.prosrc end, p.probin
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    join pg_catalog.pg_language l on l.oid = p.prolang
  where p.oid >= 16384`;

/** aggregate, number and name of a function that it is made from. */
export const AGGREGATES = `select a.aggfnoid::oid, s.oid, s.proname from pg_catalog.pg_aggregate a
    join pg_catalog.pg_proc s on s.oid in (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn,
      a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
  where a.aggfnoid::oid >= 16384`;

/** relation, name, function, its name, type (pg_trigger.h), definition where it has a condition. */
export const triggers = (held: readonly number[]) => `select t.tgrelid, t.tgname, p.oid, p.proname, t.tgtype,
    case when t.tgqual is not null then pg_catalog.pg_get_triggerdef(t.oid) end
  from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
  where t.tgenabled <> 'D' and ${beside('t.tgrelid', held)} and t.tgfoid not in (select oid from pg_catalog.pg_proc
    where proname ~ '^RI_FKey_|^unique_key_recheck$' and oid < 16384)`;

/** relation, name, event (2 update, 3 insert, 4 delete), definition. */
export const rules = (
  held: readonly number[],
) => `select r.ev_class, r.rulename, r.ev_type, pg_catalog.pg_get_ruledef(r.oid)
  from pg_catalog.pg_rewrite r where r.ev_type <> '1' and r.oid >= 16384 and r.ev_enabled <> 'D'
    and ${beside('r.ev_class', held)}`;

/** referenced relation, name, referencing relation, what an update and a delete of the referenced do, its columns. */
export const FOREIGN_KEYS = `select c.confrelid, c.conname, c.conrelid, c.confupdtype, c.confdeltype,
    (select json_agg(a.attname) from pg_catalog.pg_attribute a
      where a.attrelid = c.confrelid and a.attnum = any (c.confkey))
  from pg_catalog.pg_constraint c where c.contype = 'f'`;

const CALLS = `'[[:alnum:]_"][(]|OPERATOR[(]|SELECT|::[[:alnum:]_"]+[.]'`;

/** Nothing is asked of what is held: that is why the rows are chosen first. relation, what kind of expression, whose it is, the expression: those that may call something. */
export const expressions = (held: readonly number[]) => `with e as materialized (
    select d.adrelid, case when a.attgenerated = 'v' then 'virtual' when a.attgenerated <> '' then 'generated'
        else 'default' end, 'column ' || a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid) as text
      from pg_catalog.pg_attrdef d
      join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
      where ${beside('d.adrelid', held)}
    union all
    select c.conrelid, 'check', 'constraint ' || c.conname, pg_catalog.pg_get_expr(c.conbin, c.conrelid)
      from pg_catalog.pg_constraint c where c.contype = 'c' and c.conrelid <> 0 and ${beside('c.conrelid', held)}
    union all
    select i.indrelid, 'index', 'an index', pg_catalog.pg_get_expr(x.tree, i.indrelid)
      from pg_catalog.pg_index i cross join lateral (values (i.indexprs), (i.indpred)) x(tree)
      where x.tree is not null and i.indexrelid >= 16384 and ${beside('i.indrelid', held)}
    union all
    select p.partrelid, 'index', 'its partition key', pg_catalog.pg_get_expr(p.partexprs, p.partrelid)
      from pg_catalog.pg_partitioned_table p where p.partexprs is not null and ${beside('p.partrelid', held)}
    union all
    select p.polrelid, 'policy', 'policy ' || p.polname, pg_catalog.pg_get_expr(x.tree, p.polrelid)
      from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid and c.relrowsecurity
      cross join lateral (values (p.polqual), (p.polwithcheck)) x(tree)
      where x.tree is not null and ${beside('p.polrelid', held)}
  ) select * from e where e.text ~ ${CALLS} and e.text !~ '^(nextval[(]''[^'']*''::regclass[)]|now[(][)])$'`;

/** type, name, type that it is made from, an expression that its values have to satisfy. */
export const DOMAINS = `select t.oid, t.typname, t.typbasetype, pg_catalog.pg_get_expr(c.conbin, 0)
  from pg_catalog.pg_type t left join pg_catalog.pg_constraint c on c.contypid = t.oid
  where t.typtype = 'd' and t.oid >= 16384`;

/** name of the type that is cast to, context (e explicit only), function. Those through functions that somebody wrote. */
export const CAST_FUNCTIONS = `select t.typname, c.castcontext, c.castfunc
  from pg_catalog.pg_cast c join pg_catalog.pg_type t on t.oid = c.casttarget
  join pg_catalog.pg_proc p on p.oid = c.castfunc join pg_catalog.pg_language l on l.oid = p.prolang
  where c.castfunc >= 16384 and l.lanname not in ('c', 'internal')`;

/** Functions that somebody wrote and that the server calls by itself: of operator classes and range types. */
export const SUPPORT = `select p.oid from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
  where p.oid >= 16384 and l.lanname not in ('c', 'internal') and (
    p.oid in (select a.amproc::oid from pg_catalog.pg_amproc a)
    or p.oid in (select r.rngcanonical::oid from pg_catalog.pg_range r)
    or p.oid in (select r.rngsubdiff::oid from pg_catalog.pg_range r))`;

/** operator, number and name of its function. */
export const OPERATOR_FUNCTIONS = `select o.oprname, p.oid, p.proname from pg_catalog.pg_operator o
  join pg_catalog.pg_proc p on p.oid = o.oprcode where o.oid >= 16384`;

/** relation, wrapper, its options as JSON. */
export const FOREIGN_TABLES = `select f.ftrelid, w.fdwname, coalesce(array_to_json(f.ftoptions)::text, '[]')
  from pg_catalog.pg_foreign_table f join pg_catalog.pg_foreign_server s on s.oid = f.ftserver
  join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw`;

/** name, function. */
export const EVENT_TRIGGERS = `select evtname, evtfoid::oid from pg_catalog.pg_event_trigger where evtenabled <> 'D'`;

/** schema, name, relation. */
export const INDEXES = `select n.nspname, c.relname, i.indrelid from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where i.indexrelid >= 16384`;

/** relation, view whose definition names it. */
export const DEPENDENTS = `select distinct d.refobjid, r.ev_class from pg_catalog.pg_rewrite r
  join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  where r.ev_class <> d.refobjid and r.oid >= 16384`;

/** Definitions of functions, as statements that would make them. `oids` are numbers, of functions that are no aggregates. */
export function functionDefinitions(oids: readonly number[]): string {
  return `select oid, pg_catalog.pg_get_functiondef(oid) from pg_catalog.pg_proc where oid in (${oids.map(Math.trunc).join(', ')})`;
}
