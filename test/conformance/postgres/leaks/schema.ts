// The schema that the leak suite attacks, the 40 values that must never come back, and the masks over them.

/** mulberry32, so that the values are the same in every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface Planted {
  readonly ssn: string;
  readonly card: string;
  readonly key: string;
  readonly secret: string;
}

function plant(seed: number): readonly Planted[] {
  const next = random(seed);
  const pick = (alphabet: string, count: number) =>
    Array.from({ length: count }, () => alphabet[Math.floor(next() * alphabet.length)]).join('');
  const digits = (count: number) => pick('0123456789', count);
  return Array.from({ length: 10 }, () => ({
    ssn: `9${digits(2)}-${digits(2)}-${digits(4)}`,
    card: `4${digits(15)}`,
    key: `key${pick('bcdfghjkmnpqrstvwxz', 12)}`,
    secret: `sec${pick('bcdfghjkmnpqrstvwxz', 12)}`,
  }));
}

export const PLANTED = plant(20_26);

/** All 40. */
export const CANARIES: readonly string[] = PLANTED.flatMap(({ ssn, card, key, secret }) => [ssn, card, key, secret]);

/** Fills a database; nothing but the values of masked columns depends on what is planted. */
export function setupWith(planted: readonly Planted[]): string {
  const rows = (row: (one: Planted, index: number) => string) => planted.map(row).join(', ');
  return `
create schema crm; create schema ledger;
create type mood as enum ('calm', 'cross');
create domain ssn_text as text check (value ~ '^[0-9-]+$');
create type address as (street text, town text);
create table customers (
  id int primary key, name text not null, ssn ssn_text, city text, mood mood default 'calm', home address,
  born date, credit numeric(10, 2), api_key text unique, tags text[] default '{}', since timestamptz default '2024-01-01',
  ssn_copy text generated always as (upper(ssn)) stored, name_upper text generated always as (upper(name)) stored);
insert into customers (id, name, ssn, city, home, born, credit, api_key, tags) values ${rows(
    ({ ssn, key }, i) =>
      `(${i}, 'name ${i}', '${ssn}', 'town ${i % 3}', row('street ${i}', 'town ${i % 3}'), '1980-01-01'::date + ${i}, ${i * 10}, '${key}', array['t${i}', 'all'])`,
  )};
create table payments (id int, customer_id int, amount numeric(10, 2), card varchar(30), paid_on date) partition by range (paid_on);
create table payments_2024 partition of payments for values from ('2024-01-01') to ('2025-01-01');
create table payments_2025 partition of payments for values from ('2025-01-01') to ('2026-01-01');
insert into payments select g.i, g.i % 10, g.i * 5, (array[${planted.map(({ card }) => `'${card}'`).join(', ')}])[g.i % 10 + 1],
  date '2024-06-01' + (g.i * 15) from generate_series(0, 29) g(i);
create table documents (id int primary key, customer_id int references customers, title text, body jsonb, meta jsonb, old xml);
insert into documents select * from (values ${rows(
    ({ secret }, i) =>
      `(${i}, ${i}, 'title ${i}', '{"secret": "${secret}", "list": ["${secret}", {"deep": "${secret}"}]}'::jsonb, '{"pages": ${i}, "lang": "en"}'::jsonb, '<doc><s>${secret}</s></doc>'::xml)`,
  )}) v(id, customer_id, title, body, meta, old);
create table persons (id int, nick text, ssn text);
create table staff (desk text) inherits (persons);
insert into persons values (100, 'nick', '${planted[0]!.ssn}');
insert into staff values (101, 'staff', '${planted[1]!.ssn}', 'desk 1');
create table notes (id serial primary key, customer_id int, text text, at timestamptz default '2025-01-01');
insert into notes (customer_id, text) select i % 10, 'note ' || i from generate_series(1, 20) i;
create table orders (id int primary key, customer_id int, total numeric, status text, placed date, lines jsonb);
insert into orders select i, i % 10, i * 3, (array['open', 'paid', 'sent'])[i % 3 + 1], date '2025-01-01' + i,
  jsonb_build_array(jsonb_build_object('sku', 's' || i, 'n', i)) from generate_series(1, 40) i;
create table crm.contacts (id int, label text, token text);
insert into crm.contacts values ${rows(({ key }, i) => `(${i}, 'label ${i}', '${key}')`)};
create table ledger.entries (id int, account text, amount numeric);
insert into ledger.entries select i, 'acc ' || i % 4, i from generate_series(1, 20) i;
create table loot (id int, what text);
create view people as select id, name as who, ssn as number, city from customers;
create view people_of_towns as select who, number, city from people where city like 'town%';
create view towns as select city, count(*) as n from customers group by city;
create view order_totals as select customer_id, sum(total) as total, count(*) as n from orders group by customer_id;
create view paid as select c.name, p.card as paid_with, p.amount from customers c join payments p on p.customer_id = c.id;
create view all_numbers as select ssn::text as number from customers union all select card from payments;
create view open_orders as select id, customer_id, total from orders where status = 'open';
create materialized view cached_keys as select id, api_key as k from customers;
create materialized view cached_totals as select customer_id, sum(total) as total from orders group by 1;
create view guarded with (security_barrier) as select id, ssn, name from customers;
create function ssn_of(int) returns text language sql stable as 'select ssn::text from customers where id = $1';
create function all_of() returns setof customers language sql stable as 'select * from customers';
create function plain_ssn(int) returns text language plpgsql as 'begin return (select ssn from customers where id = $1); end';
create function name_of(int) returns text language sql stable as 'select name from customers where id = $1';
create function twice(numeric) returns numeric language sql immutable as 'select $1 * 2';
create procedure raise_ssn() language plpgsql as 'declare r record; begin for r in select ssn from customers loop raise notice ''%'', r.ssn; end loop; end';
create function touch() returns trigger language plpgsql as 'begin return new; end';
create trigger touch before update on customers for each row execute function touch();
create index customers_lower on customers (lower(ssn));
create statistics customers_stat (mcv) on ssn, city from customers;
select lo_from_bytea(7777, convert_to('${planted[0]!.ssn}', 'utf8'));
create table seen (id int, ssn text); -- a column of the same name that is masked by no mask
insert into seen values (1, 'nothing');
analyze;`;
}

export const SETUP = setupWith(PLANTED);
/** The same with other values. */
export const TWIN_SETUP = setupWith(plant(77));

const unless = { groups: ['privacy'] };

export const MASKS = [
  { name: 'ssn', columns: ['customers.ssn', 'persons.ssn'], as: 'full', unless },
  { name: 'card', columns: ['payments.card'], as: 'partial', unless },
  { name: 'keys', columns: ['customers.api_key', 'crm.contacts.token'], as: 'hash', unless },
  { name: 'bodies', columns: ['documents.body', 'documents.old'], as: 'null', unless },
];
