// A database in which forbidden relations (`secrets` and others whose names begin with `secret`) are reached in many ways by
// things whose names say nothing of it, and things beside that reach nothing forbidden.

export const REACH_SCHEMA = `
create extension postgres_fdw; create extension file_fdw; create extension pgcrypto; create extension citext;
create schema hidden; create schema other; create schema "Odd One";
create table secrets (id int primary key, what text, owner int); insert into secrets values (1, 'treasure', 1), (2, 'treasure two', 2);
create table other.secrets (id int, what text); insert into other.secrets values (1, 'harmless');
create table hidden.secret_plan (id int, what text); insert into hidden.secret_plan values (1, 'treasure');
create table items (id int primary key, what text, note text); insert into items values (1, 'one', 'n1'), (2, 'two', 'n2');
create table people (id int primary key, name text, salary int, city text);
insert into people values (1, 'alice', 4242, 'berlin'), (2, 'bob', 4343, 'paris');

-- views
create view v as select * from secrets;
create view v_two as select id, what from v where id > 0;
create view v_three as with q as (select * from v_two) select q.what from q;
create view v_barrier with (security_barrier) as select what from secrets;
create view v_invoker with (security_invoker) as select what from secrets;
create view v_count as select count(*) as n from secrets;
create view v_exists as select i.* from items i where exists (select from secrets s where s.owner = i.id);
create view v_join as select i.what, s.what as more from items i join secrets s on s.id = i.id;
create view v_union as select what from items union all select what from secrets;
create view v_lateral as select i.id, l.what from items i cross join lateral (select s.what from secrets s where s.id = i.id) l;
create view v_scalar as select id, (select max(what) from secrets) as top from items;
create view v_row as select row_to_json(s) as j from secrets s;
create view "Odd One"."V w" as select what from secrets;
create view v_writes as select id, what, owner from secrets where id > 0;
create materialized view mv as select what from secrets;
create view v_mv as select * from mv;
create view v_hidden as select what from hidden.secret_plan;
create view v_open as select id, what from items;
create view v_people as select id, name, salary, city from people;
create view v_rich as select id, name from people where salary > 4300;
create materialized view mv_open as select what from items;
create view v_open_nested as select what from v_open;

create function rich(i int) returns boolean language sql as 'select salary > 4000 from people where id = $1';
create table swap (id int, what text); insert into swap values (1, 'open');
create table secret_swap (id int, what text); insert into secret_swap values (1, 'treasure'); create view v_swap as select id, what from items;

-- partitions, inheritance
create table parts (id int, what text) partition by list (id);
create table part_one partition of parts for values in (1); create table secret_part partition of parts for values in (2);
insert into parts values (1, 'open'), (2, 'treasure');
create table secret_log (id int, what text) partition by list (id);
create table log_one partition of secret_log for values in (1); insert into secret_log values (1, 'treasure');
create table base (id int, what text); create table secret_child () inherits (base);
insert into base values (1, 'open'); insert into secret_child values (2, 'treasure');
create table secret_base (id int, what text); create table base_child (extra int) inherits (secret_base);
insert into base_child values (1, 'treasure');
create table deep (id int, what text); create table deeper () inherits (deep); create table secret_deepest () inherits (deeper);
insert into secret_deepest values (1, 'treasure');

-- rules
create table ruled (id int, what text); insert into ruled values (1, 'x');
create rule also as on insert to ruled do also insert into secrets values (new.id + 100, new.what, 0);
create rule instead_of as on delete to ruled do instead delete from secrets where id = old.id;
create rule twice as on update to ruled do also (select 1; update secrets set what = new.what where id = old.id);
create table ruled_open (id int, what text); create table log_open (id int, what text);
create rule noted as on insert to ruled_open do also insert into log_open values (new.id, new.what);
create view v_ruled as select id, what from items;
create rule v_insert as on insert to v_ruled do instead insert into secrets values (new.id, new.what, 0);

-- functions
create function f_sql() returns setof text language sql as 'select what from secrets';
create function f_atomic() returns bigint begin atomic select count(*) from secrets; end;
create function f_return() returns text language sql stable return (select max(what) from secrets);
create function f_plpgsql() returns text language plpgsql as 'declare r text; begin select what into r from secrets limit 1; return r; end';
create function f_view() returns text language plpgsql as 'begin return (select max(what) from v_two); end';
create function f_nested() returns text language sql as 'select f_plpgsql()';
create function f_dynamic(t text) returns text language plpgsql as 'declare r text; begin execute ''select max(what) from '' || t into r; return r; end';
create function f_writes(i int) returns void language sql as 'delete from secrets where id = $1';
create function f_default(a text default f_plpgsql()) returns text language sql as 'select a';
create function leak(items) returns text language sql as 'select max(what) from secrets';
create function f_xml() returns xml language sql as 'select query_to_xml(''select * from secrets'', true, false, '''')';
create function alias_xml(text, boolean, boolean, text) returns xml language internal as 'query_to_xml';
create function f_immutable() returns text language plpgsql immutable as 'begin return (select max(what) from secrets); end';
create function f_path() returns text language plpgsql as 'begin set local search_path = hidden; return (select max(what) from secret_plan); end';
create function f_open(i int) returns text language sql as 'select what from items where id = $1';
create function f_pure(i int) returns int language plpgsql immutable as 'begin /* secrets */ return i + length(''secrets''); -- secrets
 end';
create function f_trusted(t text) returns text language plpgsql as 'declare r text; begin execute ''select '' || quote_literal(t) into r; return r; end';
create function sum_secret(state text, x int) returns text language plpgsql as 'begin return (select max(what) from secrets); end';
create aggregate agg_secret(int) (sfunc = sum_secret, stype = text);
create function op_secret(int, int) returns text language sql as 'select max(what) from secrets';
create operator ### (leftarg = int, rightarg = int, function = op_secret);
create type odd_type as (a int);
create function to_odd(items) returns odd_type language plpgsql as 'begin perform 1 from secrets; return row(1); end';
create cast (items as odd_type) with function to_odd(items);
create function good(i int) returns boolean language plpgsql as 'begin return exists (select from secrets where id = i); end';
create domain known as int check (good(value));
create function takes(i known) returns int language sql as 'select 1';
create procedure p_secret() language sql as 'delete from secrets';
create procedure p_open() language sql as 'delete from log_open where id = 99';
create function kind() returns setof items language sql as 'select * from items';

-- triggers
create table triggered (id int, what text); create table stamped (id int, what text, at timestamptz);
insert into triggered values (1, 'x'); insert into stamped values (1, 'x', now());
create function on_row() returns trigger language plpgsql as 'begin insert into secrets values (new.id + 200, new.what, 0); return new; end';
create function stamp() returns trigger language plpgsql as 'begin new.at = now(); if tg_op = ''INSERT'' then insert into log_open values (new.id, new.what); end if; return new; end';
create function on_dynamic() returns trigger language plpgsql as 'begin execute ''delete from secrets''; return old; end';
create trigger after_insert after insert on triggered for each row execute function on_row();
create trigger on_delete before delete on triggered for each row execute function on_dynamic();
create trigger stamping before insert or update on stamped for each row execute function stamp();
create table conditional (id int); insert into conditional values (1);
create function quiet() returns trigger language plpgsql as 'begin return new; end';
create trigger when_good before update on conditional for each row when (good(new.id)) execute function quiet();
create table emptied (id int); create function on_empty() returns trigger language plpgsql as 'begin delete from secrets; return null; end';
create trigger on_truncate after truncate on emptied execute function on_empty();
create view v_instead as select id, what from items;
create function v_instead_insert() returns trigger language plpgsql as 'begin insert into secrets values (new.id, new.what, 0); return new; end';
create trigger instead instead of insert on v_instead for each row execute function v_instead_insert();

-- foreign keys
create table users (id int primary key, code int unique, name text); insert into users values (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c');
create table secret_orders (id int primary key, user_id int references users on delete cascade, code int references users (code) on update cascade);
create table secret_notes (id int, user_id int references users on delete set null); create table secret_keep (id int, user_id int references users);
insert into secret_orders values (1, 1, 10); insert into secret_notes values (1, 2); insert into secret_keep values (1, 3);
create table regions (id int primary key, parent int references regions on delete cascade);
create table towns (id int primary key, region int references regions on delete cascade);
create table secret_streets (id int, town int references towns on delete cascade);
insert into regions values (1, null); insert into towns values (1, 1); insert into secret_streets values (1, 1);
create table tree (id int primary key, parent int references tree on delete cascade); insert into tree values (1, null), (2, 1);

-- what is computed
create table defaults (id int, what text default f_plpgsql()); create table checked (id int check (good(id) or true));
create table generated (id int, what text generated always as (f_immutable()) stored);
create table of_domain (id known); create table indexed (id int); create index on indexed ((f_immutable()));
create table plain_defaults (id int generated always as identity, at timestamptz default now(), low text default lower('A'), n int check (n > 0 and f_pure(n) > 0));

-- policies
create table guarded (id int, what text); insert into guarded values (1, 'x'); alter table guarded enable row level security;
create policy only_known on guarded using (exists (select from secrets s where s.id = guarded.id));
create table guarded_open (id int, what text); alter table guarded_open enable row level security;
create policy own on guarded_open using (id in (select id from items));

-- foreign tables
create server loop foreign data wrapper postgres_fdw options (dbname 'app');
create foreign table far (id int, what text) server loop options (table_name 'secrets');
create foreign table secret_far (id int) server loop options (table_name 'items');
create foreign table far_view (what text) server loop options (schema_name 'public', table_name 'v_three');
create server files foreign data wrapper file_fdw;
create foreign table from_file (line text) server files options (filename '/etc/hostname');
create view v_far as select * from far;
create table with_far (id int, what text); create foreign table far_child () inherits (with_far) server loop options (table_name 'secrets');
`;
