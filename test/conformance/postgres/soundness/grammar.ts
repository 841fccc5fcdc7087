// Random statements over the leak suite's schema: most run, many touch a masked column somewhere, and what they return is
// the same each time. Refuses to know: what is masked.

import type { Random } from '../../../support/random.ts';

/** text, number, json, array of text, anything (used as text after a cast). */
type Kind = 't' | 'n' | 'j' | 'a' | 'x';

interface Column {
  readonly sql: string;
  readonly kind: Kind;
}

interface Source {
  /** What stands in FROM, its alias included. */
  readonly from: string;
  readonly alias: string;
  readonly columns: readonly Column[];
}

const COLUMNS: Readonly<Record<string, string>> = {
  customers: 'id:n name:t ssn:t city:t mood:x home:x born:x credit:n api_key:t tags:a since:x ssn_copy:t name_upper:t',
  payments: 'id:n customer_id:n amount:n card:t paid_on:x',
  payments_2024: 'id:n amount:n card:t',
  documents: 'id:n customer_id:n title:t body:j meta:j old:x',
  persons: 'id:n nick:t ssn:t',
  staff: 'id:n nick:t ssn:t desk:t',
  notes: 'id:n customer_id:n text:t at:x',
  orders: 'id:n customer_id:n total:n status:t placed:x lines:j',
  'crm.contacts': 'id:n label:t token:t',
  'ledger.entries': 'id:n account:t amount:n',
  people: 'id:n who:t number:t city:t',
  people_of_towns: 'who:t number:t city:t',
  towns: 'city:t n:n',
  order_totals: 'customer_id:n total:n n:n',
  paid: 'name:t paid_with:t amount:n',
  all_numbers: 'number:t',
  open_orders: 'id:n customer_id:n total:n',
  cached_keys: 'id:n k:t',
  cached_totals: 'customer_id:n total:n',
  guarded: 'id:n ssn:t name:t',
  seen: 'id:n ssn:t',
  traits: 'id:n pairs:x span:x',
  'all_of()': 'id:n name:t ssn:t city:t',
};

/** Beside the leak suite's schema: pairs of hstore, ranges, a view of views. */
export const MORE = `
create extension if not exists hstore;
create table traits (id int, pairs hstore, span int8range);
insert into traits select id, hstore(array['key', api_key, 'name', name]), int8range(id, id + 10) from customers;
create view wide as select c.*, p.card as paid_with, p.amount as paid from customers c left join payments p on p.customer_id = c.id;
create view widest as select w.id, w.paid_with, w.ssn, w.name, o.total from wide w left join order_totals o on o.customer_id = w.id;
analyze traits;`;

const names = Object.keys(COLUMNS);

export class Grammar {
  readonly #random: Random;
  /** Version of the server, for what only later ones have. */
  readonly #version: number;
  #aliases = 0;

  constructor(random: Random, version: number) {
    this.#random = random;
    this.#version = version;
  }

  /** One conversation: statements that are sent one by one, in a transaction that is rolled back. */
  statements(): string[] {
    this.#aliases = 0;
    const depth = 1 + this.#below(3);
    return this.#one<() => string[]>([
      [14, () => [this.#ordered(depth)]],
      [2, () => [this.#setOperation(depth)]],
      [3, () => [this.#with(depth)]],
      [1, () => [this.#recursive()]],
      [1, () => [`values (${this.#text(depth, [])}, ${this.#number(depth, [])}), ('x', 1)`]],
      [1, () => [`table ${this.#pick(names.filter((name) => !name.includes('(')))}`]],
      [
        2,
        () => [`copy (${this.#select(depth)}) to stdout${this.#pick(['', ' (format csv)', ' (format csv, header)'])}`],
      ],
      [1, () => [`explain (costs off) ${this.#select(depth)}`]],
      [1, () => [`explain (costs off, verbose) ${this.#select(depth)}`]],
      [2, () => [`prepare fuzzed as ${this.#select(depth)}`, 'execute fuzzed', 'deallocate fuzzed']],
      [
        2,
        () => [
          `declare fuzzed ${this.#pick(['', 'scroll ', 'binary '])}cursor for ${this.#select(depth)}`,
          'fetch 3 from fuzzed',
          'move 1 in fuzzed',
          'fetch all from fuzzed',
          'close fuzzed',
        ],
      ],
      [1, () => [`create temp table fuzzed as ${this.#labelled(depth)}`, 'table fuzzed']],
      [
        1,
        () => [`create temp view fuzzed as ${this.#labelled(depth)}`, 'select * from fuzzed', 'select f from fuzzed f'],
      ],
      [2, () => [this.#insert(depth)]],
      [2, () => [this.#update(depth)]],
      [1, () => [this.#delete(depth)]],
      [1, () => [this.#merge(depth)]],
    ])();
  }

  #below(limit: number): number {
    return this.#random.below(limit);
  }

  #pick<T>(values: readonly T[]): T {
    return this.#random.pick(values);
  }

  #one<T>(choices: readonly (readonly [number, T])[]): T {
    let at = this.#below(choices.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, value] of choices) {
      at -= weight;
      if (at < 0) return value;
    }
    throw new Error('unreachable');
  }

  #alias(): string {
    return `${this.#pick(['s', 'name', 'q', 'ssn', 'city', 'x'])}${this.#aliases++}`;
  }

  #base(): Source {
    const name = this.#pick(names);
    const alias = this.#alias();
    const columns = COLUMNS[name]!.split(' ').map((entry) => {
      const [column, kind] = entry.split(':') as [string, Kind];
      return { sql: `${alias}.${column}`, kind };
    });
    const plain = !/[(]|^(?:people|towns|order_|paid$|all_|open_|guarded)/.test(name);
    const sample = plain && !name.startsWith('cached') && this.#below(12) === 0;
    return {
      from: `${name} ${alias}${sample ? ' tablesample bernoulli (60) repeatable (7)' : ''}`,
      alias,
      columns,
    };
  }

  #source(depth: number, outer: readonly Column[]): Source {
    if (depth <= 0) return this.#base();
    return this.#one<() => Source>([
      [8, () => this.#base()],
      [3, () => this.#derived(depth - 1, outer)],
      [1, () => this.#renamed()],
      [1, () => this.#joined()],
      [1, () => this.#valuesSource(depth - 1)],
      [2, () => this.#functionSource(depth - 1, outer)],
    ])();
  }

  /** Two columns of known kinds, under names of our own. */
  #labelled(depth: number, outer: readonly Column[] = []): string {
    const sources = [this.#source(depth, outer)];
    const scope = sources.flatMap((source) => source.columns);
    return `select ${this.#text(depth, scope)} as a, ${this.#number(depth, scope)} as b from ${sources[0]!.from}`;
  }

  #derived(depth: number, outer: readonly Column[]): Source {
    const alias = this.#alias();
    const lateral = outer.length > 0 && this.#below(2) === 0;
    const query = this.#below(4) === 0 ? this.#setOperation(depth) : this.#labelled(depth, lateral ? outer : []);
    const [a, b] = this.#below(3) === 0 ? ['ssn', 'city'] : ['a', 'b'];
    return {
      from: `${lateral ? 'lateral ' : ''}(${query}) ${alias} (${a}, ${b})`,
      alias,
      columns: [
        { sql: `${alias}.${a}`, kind: 't' },
        { sql: `${alias}.${b}`, kind: 'n' },
      ],
    };
  }

  #renamed(): Source {
    const alias = this.#alias();
    return {
      from: `customers ${alias} (k, ssn, name, town)`,
      alias,
      columns: [
        { sql: `${alias}.k`, kind: 'n' },
        { sql: `${alias}.name`, kind: 't' },
        { sql: `${alias}.ssn`, kind: 't' },
        { sql: `${alias}.town`, kind: 't' },
      ],
    };
  }

  #joined(): Source {
    const alias = this.#alias();
    const [join, columns] = this.#pick<readonly [string, readonly Column[]]>([
      [
        `(customers join persons using (id)) as ${alias} (i, n, s, c)`,
        [
          { sql: `${alias}.s`, kind: 't' },
          { sql: `${alias}.i`, kind: 'n' },
        ],
      ],
      [`(cached_keys natural join documents) as ${alias}`, [{ sql: `${alias}.k`, kind: 't' }]],
      [
        `(staff full join seen using (id)) as ${alias}`,
        [
          { sql: `${alias}.nick`, kind: 't' },
          { sql: `${alias}.id`, kind: 'n' },
        ],
      ],
    ]);
    return { from: join, alias, columns };
  }

  #valuesSource(depth: number): Source {
    const alias = this.#alias();
    return {
      from: `(values (${this.#text(depth, [])}, 1), ('v', 2)) ${alias} (v, w)`,
      alias,
      columns: [
        { sql: `${alias}.v`, kind: 't' },
        { sql: `${alias}.w`, kind: 'n' },
      ],
    };
  }

  #functionSource(depth: number, outer: readonly Column[]): Source {
    const alias = this.#alias();
    const text = this.#text(depth, outer);
    const from = this.#pick([
      `unnest(array[${text}, 'u']) ${alias} (v)`,
      `string_to_table(${text}, 'e') ${alias} (v)`,
      `jsonb_each_text(${this.#json(depth, outer)}) ${alias} (k, v)`,
      `rows from (unnest(array[${text}]), generate_series(1, 2)) ${alias} (v, g)`,
      `json_to_record(json_build_object('v', ${text})) ${alias} (v text)`,
      `regexp_split_to_table(${text}, '-') with ordinality ${alias} (v, o)`,
      `xmltable('/a' passing xmlelement(name a, ${text}) columns v text path '.') ${alias}`,
      `ssn_of(${this.#pick(['1', '2'])}) ${alias} (v)`,
    ]);
    return { from: outer.length > 0 ? `lateral ${from}` : from, alias, columns: [{ sql: `${alias}.v`, kind: 't' }] };
  }

  #of(kinds: string, scope: readonly Column[]): Column | undefined {
    const fitting = scope.filter((column) => kinds.includes(column.kind));
    return fitting.length === 0 ? undefined : this.#pick(fitting);
  }

  #text(depth: number, scope: readonly Column[]): string {
    const column = this.#of('t', scope)?.sql ?? "'none'";
    if (depth <= 0) return `${column}::text`;
    const inner = () => this.#text(depth - 1, scope);
    return this.#one<() => string>([
      [9, () => `${column}::text`],
      [2, () => `${this.#pick(['upper', 'reverse', 'initcap', 'md5', 'quote_literal', 'btrim'])}(${inner()})`],
      [1, () => `(${inner()} || ${inner()})`],
      [1, () => `concat_ws('/', ${inner()}, ${this.#number(depth - 1, scope)})`],
      [1, () => `format('%s and %s', ${inner()}, ${inner()})`],
      [1, () => `coalesce(${inner()}, ${inner()})`],
      [1, () => `case when ${this.#number(0, scope)} is null then ${inner()} else ${inner()} end`],
      [1, () => `substr(${inner()}, 1, 8)`],
      [1, () => `regexp_replace(${inner()}, '-', '.', 'g')`],
      [1, () => `encode(convert_to(${inner()}, 'UTF8'), '${this.#pick(['hex', 'base64'])}')`],
      [1, () => `array_to_string(array[${inner()}, ${inner()}], ',')`],
      [1, () => `(array[${inner()}, 'z'])[1]`],
      [1, () => `(row(${inner()}, 1))::text`],
      [1, () => `(row(${inner()}, 'town')::address).street`],
      [1, () => `(${this.#json(depth - 1, scope)} ->> '${this.#pick(['ssn', 'secret', 'k', 'name'])}')`],
      [1, () => `(${this.#json(depth - 1, scope)})::text`],
      [1, () => `xmlserialize(content xmlelement(name a, ${inner()}) as text)`],
      [1, () => `(hstore('k', ${inner()}) -> 'k')`],
      [1, () => `${this.#of('x', scope)?.sql ?? inner()}::text`],
      [1, () => `(select ${this.#scalar(depth - 1, scope)})`],
      [1, () => `array_to_string(array(select ${this.#scalar(depth - 1, scope)}), ',')`],
      [1, () => `(select string_agg(v.a, ',') from (${this.#labelled(depth - 1, scope)} limit 3) v)`],
      [1, () => `${this.#pick(['ssn_of', 'name_of', 'plain_ssn'])}(1)`],
      [1, () => `'constant'`],
    ])();
  }

  /** A select list and what follows, that gives one text at most. */
  #scalar(depth: number, outer: readonly Column[]): string {
    const source = this.#source(depth, outer);
    const wanted = this.#text(depth, [...source.columns, ...outer]);
    return this.#below(2) === 0 ? `max(${wanted}) from ${source.from}` : `${wanted} from ${source.from} limit 1`;
  }

  #number(depth: number, scope: readonly Column[]): string {
    const column = this.#of('n', scope)?.sql ?? '1';
    if (depth <= 0) return column;
    return this.#one<() => string>([
      [6, () => column],
      [1, () => `(${column} + ${this.#number(depth - 1, scope)})`],
      [1, () => `abs(${column})`],
      [1, () => `length('x' || ${column})`],
      [1, () => `(select count(*) from ${this.#source(depth - 1, []).from})`],
      [1, () => '7'],
    ])();
  }

  #json(depth: number, scope: readonly Column[]): string {
    const column = this.#of('j', scope);
    return this.#one<() => string>([
      [2, () => column?.sql ?? `jsonb_build_object('k', ${this.#text(depth - 1, scope)})`],
      [1, () => `jsonb_build_object('k', ${this.#text(depth - 1, scope)})`],
      [1, () => `to_jsonb(row(${this.#text(depth - 1, scope)}))`],
      [1, () => (scope.length === 0 ? `'{"k": 1}'::jsonb` : `to_jsonb(${this.#aliasOf(scope)})`)],
    ])();
  }

  #aliasOf(scope: readonly Column[]): string {
    return this.#pick(scope).sql.split('.')[0]!;
  }

  #condition(scope: readonly Column[]): string {
    const number = this.#of('n', scope)?.sql ?? '1';
    return this.#one<() => string>([
      [6, () => `${number} ${this.#pick(['<', '>=', '<>'])} ${this.#below(20)}`],
      [2, () => `${number} in (select ${this.#number(0, [])} from orders)`],
      [1, () => `exists (select 1 from ${this.#base().from})`],
      [1, () => `${this.#of('t', scope)?.sql ?? "'x'"}::text is not null`],
      [1, () => `${this.#of('t', scope)?.sql ?? "'x'"}::text = 'name 3'`],
    ])();
  }

  #select(depth: number): string {
    const sources = [this.#source(depth, [])];
    if (this.#below(3) === 0) sources.push(this.#source(depth - 1, sources[0]!.columns));
    const scope = sources.flatMap((source) => source.columns);
    const from = sources.map((source) => source.from).join(this.#pick([', ', ' cross join ']));
    const where = this.#below(2) === 0 ? ` where ${this.#condition(scope)}` : '';
    const text = () => this.#text(depth, scope);
    const number = () => this.#number(depth, scope);
    const limit = ` limit ${1 + this.#below(12)}`;
    return this.#one<() => string>([
      [6, () => `select ${this.#list(depth, scope)} from ${from}${where}${limit}`],
      [2, () => `select ${this.#pick(sources).alias}.*, ${text()} from ${from}${where}${limit}`],
      [2, () => `select * from ${from}${where}${limit}`],
      [2, () => `select ${this.#row(sources)}, ${number()} from ${from}${where}${limit}`],
      [2, () => `select ${this.#aggregate(depth, scope)}, count(*) from ${from}${where}`],
      [
        1,
        () =>
          `select ${this.#of('n', scope)?.sql ?? '1'} as g, ${this.#aggregate(depth, scope)} from ${from}${where} group by ${this.#pick(['1', 'rollup (1)', 'grouping sets ((1), ())', 'cube (1)'])}`,
      ],
      [
        2,
        () =>
          `select ${this.#pick(['first_value', 'lag', 'max', 'string_agg'])}(${text()}${this.#window(scope)} from ${from}${where}${limit}`,
      ],
    ])().replace(/string_agg\((.*?)\) over/, "string_agg($1, ',') over");
  }

  #window(scope: readonly Column[]): string {
    const number = this.#of('n', scope)?.sql ?? '1';
    return `) over (${this.#pick(['', `partition by ${number} `])}order by ${number})`;
  }

  #row(sources: readonly Source[]): string {
    const { alias } = this.#pick(sources);
    return this.#pick([
      alias,
      `${alias}::text`,
      `row_to_json(${alias})`,
      `to_jsonb(${alias})`,
      `(${alias}).*`,
      `row(${alias}.*)::text`,
      `array[${alias}::text]`,
    ]);
  }

  #aggregate(depth: number, scope: readonly Column[]): string {
    const text = this.#text(depth - 1, scope);
    return this.#pick([
      `max(${text})`,
      `string_agg(${text}, ',')`,
      `array_agg(${text})`,
      `jsonb_agg(${text})`,
      `json_object_agg('k', ${text})`,
      `count(${text})`,
      `min(${text}) filter (where true)`,
      `mode() within group (order by ${this.#number(0, scope)})`,
      `sum(${this.#number(0, scope)})`,
    ]);
  }

  #list(depth: number, scope: readonly Column[]): string {
    return Array.from({ length: 1 + this.#below(3) }, () => {
      const item = this.#one<() => string>([
        [4, () => this.#text(depth, scope)],
        [3, () => this.#pick(scope).sql],
        [2, () => this.#number(depth, scope)],
        [1, () => this.#json(depth, scope)],
        [1, () => `${this.#of('a', scope)?.sql ?? `array[${this.#text(depth - 1, scope)}]`}`],
      ])();
      return this.#below(3) === 0 ? `${item} as ${this.#pick(['id', 'name', 'plain', 'ssn'])}${this.#aliases++}` : item;
    }).join(', ');
  }

  #ordered(depth: number): string {
    return this.#select(depth);
  }

  #setOperation(depth: number): string {
    const operation = this.#pick(['union all', 'union all', 'union', 'intersect', 'except']);
    return `${this.#labelled(depth - 1)} ${operation} ${this.#labelled(depth - 1)}`;
  }

  #with(depth: number): string {
    const alias = this.#pick(['w', 'notes', 'customers', 'people']);
    const made = this.#one<() => string>([
      [4, () => this.#labelled(depth - 1)],
      [1, () => this.#setOperation(depth - 1)],
      [1, () => `update customers set city = city where id < 4 returning ssn::text as a, id as b`],
      [1, () => `insert into loot select id, name from customers returning what as a, id as b`],
      [1, () => `delete from crm.contacts where id < 3 returning token as a, id as b`],
    ])();
    const scope: Column[] = [
      { sql: `${alias}.a`, kind: 't' },
      { sql: `${alias}.b`, kind: 'n' },
    ];
    const materialized = this.#pick(['', '', 'materialized ', 'not materialized ']);
    const as = /^(?:update|insert|delete)/.test(made) ? '' : materialized;
    return `with ${alias} as ${as}(${made}) select ${this.#list(depth, scope)} from ${alias}`;
  }

  #recursive(): string {
    const start = this.#labelled(1);
    return `with recursive r (a, b, n) as (select s.a::text, s.b, 1 from (${start} limit 2) s union all select r.a || '!', r.b, n + 1 from r where n < 3) select ${this.#pick(['a', 'r.*', 'max(a)', 'r', 'upper(a), n'])} from r`;
  }

  #insert(depth: number): string {
    const returning = this.#pick(['', ' returning *', ' returning what', ' returning loot']);
    return this.#one<() => string>([
      [2, () => `insert into loot (what, id) ${this.#labelled(depth)}${returning}`.replace('(what, id)', '(what, id)')],
      [1, () => `insert into loot values (1, ${this.#text(depth, [])})${returning}`],
      [
        1,
        () =>
          `insert into customers (id, name) values (1, 'again') on conflict (id) do update set name = excluded.name returning ${this.#pick(['id, name', 'ssn', 'customers.*', 'name || ssn_copy'])}`,
      ],
    ])();
  }

  #update(depth: number): string {
    const scope: Column[] = COLUMNS.customers!.split(' ').map((entry) => {
      const [column, kind] = entry.split(':') as [string, Kind];
      return { sql: `c.${column}`, kind };
    });
    const set = this.#pick(["'u'", this.#text(depth, scope), 'c.city']);
    const later = this.#version >= 18 ? ['old.ssn', 'new.city', 'old', 'old.city || new.ssn'] : [];
    const returning = this.#pick(['id, city', 'c.*', this.#text(depth, scope), 'c', ...later]);
    return `update customers c set city = ${set} where id < 5 returning ${returning}`;
  }

  #delete(depth: number): string {
    const scope: Column[] = [
      { sql: 'k.label', kind: 't' },
      { sql: 'k.token', kind: 't' },
      { sql: 'k.id', kind: 'n' },
    ];
    return `delete from crm.contacts k where id < 5 returning ${this.#text(depth, scope)}, ${this.#pick(['k', 'id', 'k.*'])}`;
  }

  #merge(depth: number): string {
    const source = this.#labelled(depth);
    const returning =
      this.#version >= 17 ? this.#pick(['', ' returning l.what', ' returning m.a, l.id', ' returning *']) : '';
    return `merge into loot l using (${source} limit 5) m on l.id = m.b when not matched then insert values (m.b, ${this.#pick(['m.a', "'merged'", 'm.a || m.b'])})${returning}`;
  }
}
