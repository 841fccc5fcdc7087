// A schema with something to hide, and a planner over a real server for tests of where columns come from.

import pg from 'pg';
import type { ResultColumn } from '../../../../../src/protocol/contract.ts';
import type { Analyser, CatalogueSource, Field, PlanContext } from '../../../../../src/protocol/postgres/analysis.ts';
import { CATALOGUE_TIMES, type CatalogueTimes } from '../../../../../src/protocol/postgres/catalogue/catalogue.ts';
import { Catalogues } from '../../../../../src/protocol/postgres/masking/catalogues.ts';
import { TypeRegistry } from '../../../../../src/protocol/postgres/masking/types.ts';
import { createAnalyser } from '../../../../../src/protocol/postgres/sql/analyser.ts';
import type { Postgres } from '../../../../support/postgres.ts';
import { eventually } from '../../../../support/process.ts';

export const SCHEMA = `
create table customers (id serial primary key, name text, ssn text, email text, visits int default 0,
  tail text generated always as (right(ssn, 4)) stored, note text);
insert into customers (name, ssn, email) values ('Ann', '123-45-6789', 'ann@example.com');
create table orders (id serial primary key, customer_id int references customers, total numeric, note text);
insert into orders (customer_id, total, note) values (1, 10, 'first');
create index on customers (lower(email));
create table archive (id int, what text);
create view direct_view as select id, name, ssn as secret from customers;
create view computed_view as select id, upper(ssn) as loud, name || '!' as bang, 1 as one from customers;
create view view_on_view as select loud as louder, bang from computed_view;
create view union_view as select note from orders union all select ssn from customers;
create view clean_view as select id, total, round(total) as rounded from orders;
create view row_view as select row_to_json(c) as doc from customers c;
create view xml_view as select query_to_xml('select ssn from customers', true, true, '')::text as x;
insert into archive values (1, 'old');
create materialized view mat_view as select id, ssn from customers;
create table people (id int, ssn text, kind text) partition by list (kind);
create table people_a partition of people for values in ('a');
create table base (secret text);
create table derived (extra text) inherits (base);
create function similar(text) returns text language sql immutable as 'select $1';
create function peek(text) returns text language sql stable as 'select ssn from public.customers limit 1';
create function peek(int) returns text language sql stable as 'select ssn from public.customers where id = $1';
create function honest_looking(int) returns text language sql immutable as 'select ssn from public.customers where id = $1';
create function leak(orders) returns text language sql stable as 'select ssn from public.customers where id = $1.id';
create function spill(text, text) returns text language sql immutable as 'select ssn from public.customers limit 1';
create aggregate gather (text) (sfunc = spill, stype = text, initcond = '');
create aggregate joined (text) (sfunc = textcat, stype = text, initcond = '');
create function picked(text, text) returns text language sql immutable as 'select ssn from public.customers limit 1';
create operator ~~~> (function = picked, leftarg = text, rightarg = text);
create schema other;
create table other.orders (id int, ssn text, special text);
create table other.only_here (a text);
create table ruled (a text);
create rule r as on update to ruled do instead select ssn || '' as got from customers;
create schema extensions;
create extension citext schema extensions;
create table texts (t text, v varchar(5), c char(5), n name, ci extensions.citext, j json, jb jsonb, x xml, i int, d date, a text[]);
`;

export class Bench {
  readonly client: pg.Client;
  readonly server: Postgres;
  readonly database: string;
  readonly analyser: Analyser;
  readonly catalogues: Catalogues;
  loads = 0;
  fail = false;
  planner;
  /** Connections of loads that are under way. */
  #open = 0;

  constructor(
    client: pg.Client,
    server: Postgres,
    database: string,
    analyser: Analyser,
    times: Partial<CatalogueTimes>,
  ) {
    this.client = client;
    this.server = server;
    this.database = database;
    this.analyser = analyser;
    this.catalogues = new Catalogues(new TypeRegistry(), { ...CATALOGUE_TIMES, ...times });
    this.planner = this.catalogues.planner(this.source());
  }

  source(): CatalogueSource {
    return {
      key: this.database,
      connect: async () => {
        this.loads++;
        if (this.fail) throw new Error('the server cannot be reached');
        this.#open++;
        const side = await connect(this.server, this.database);
        return {
          query: async (sql) => {
            const result = await side.query({ text: sql, rowMode: 'array', types: { getTypeParser: () => String } });
            return result.rows as (string | null)[][];
          },
          close: () => {
            this.#open--;
            void side.end();
          },
        };
      },
    };
  }

  /** Runs a text and plans the columns of its last result. */
  async columns(
    sql: string,
    context: PlanContext = { namesPinned: true, ddlPending: false },
  ): Promise<readonly ResultColumn[]> {
    const analysis = this.analyser.analyse(Buffer.from(sql));
    const results = await this.client.query({ text: sql, rowMode: 'array' });
    const all = Array.isArray(results) ? results : [results];
    const fields: Field[] = all.at(-1)!.fields.map((field: pg.FieldDef) => ({
      ...{ name: field.name, tableOid: field.tableID, attnum: field.columnID, typeOid: field.dataTypeID },
      ...{ typeSize: field.dataTypeSize, typmod: field.dataTypeModifier, format: 0 as const },
    }));
    return this.planner.columns(analysis, all.length - 1, fields, context);
  }

  /** The columns as text: `relation.column` sorted, `?` for unproven, `*` where `customers.ssn` is among many. */
  async origins(sql: string, context?: PlanContext): Promise<string[]> {
    return (await this.columns(sql, context)).map(shown);
  }

  /** Resolves when what was begun in the background is done. */
  async settled(): Promise<void> {
    await eventually('no load is under way', () => this.#open === 0);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {
    await this.client.end();
  }
}

/** At most four origins are spelt out; of more it is told whether the secret is one. */
export function shown(column: ResultColumn): string {
  if (column.origins === undefined) return '?';
  const names = column.origins.map(
    ({ schema, relation, column: name }) => `${schema === 'public' ? '' : `${schema}.`}${relation}.${name}`,
  );
  if (names.length > 4) return names.includes('customers.ssn') ? '*secret*' : '*clean*';
  return `${names.sort().join(' ')}${column.direct === true ? '' : ' ~'}`.trim();
}

export async function connect(server: Postgres, database: string): Promise<pg.Client> {
  const client = new pg.Client({ host: server.socketDirectory, port: server.port, user: 'postgres', database });
  client.on('error', () => {});
  await client.connect();
  return client;
}

export async function openBench(
  server: Postgres,
  database: string,
  times: Partial<CatalogueTimes> = {},
): Promise<Bench> {
  await server.query(`create database "${database}"`);
  await server.query(SCHEMA, database);
  return new Bench(await connect(server, database), server, database, await createAnalyser(), times);
}
