// The search index in the store that several gateways share: the same bags of words, as tsvector with a GIN index.
// Refuses to know: who searches, what follows the record.

import pg from 'pg';
import type {
  FoundOperation,
  FoundPage,
  SearchBatch,
  SearchedOperation,
  SearchedSession,
  SearchIndex,
  SearchQuery,
  SearchWords,
} from '../../session/search/operation.ts';
import { StoreAway, storeError } from '../database.ts';
import { parsePostgresUrl } from '../postgres-url.ts';

const SHOWN_CHARS = 300;
/** As in the embedded index: number = ms × this + n. */
const PER_MS = 4096;
/** `find` in ASCII: held while tables are made. */
const LOCK = 0x6669_6e64;
/** How long a connection may take to come about, and the server to answer while the index is written. */
const [CONNECT_MS, WRITE_MS] = [10_000, 60_000];
/** Operations in one statement. */
const AT_ONCE = 500;

const TABLES = `
  create table if not exists search_state (gateway text primary key, state text not null);
  create table if not exists search_sessions (
    session text primary key, principal text not null, actor text, connection text not null, known text not null
  );
  create table if not exists search_operations (
    number bigint not null, session text not null references search_sessions on delete cascade, op integer not null,
    verdict text not null, status text not null, rule text, review text, error text, rows bigint, bytes bigint, us bigint,
    text text not null, words tsvector not null, primary key (session, op)
  );
  create index if not exists search_operations_by_number on search_operations (number desc);
  create index if not exists search_operations_by_word on search_operations using gin (words);
`;

export interface PostgresIndexOptions {
  readonly url: string;
  /** What relative paths in it are relative to. */
  readonly directory: string;
  readonly gateway: string;
  readonly words: SearchWords;
  /** How long the server may take over a search. */
  readonly searchMs: number;
}

export class PostgresIndex implements SearchIndex {
  readonly #pool: pg.Pool;
  /** Of their own: whatever is asked, the index follows the record. */
  readonly #searches: pg.Pool;
  readonly #gateway: string;

  readonly #words: SearchWords;

  private constructor(pool: pg.Pool, searches: pg.Pool, gateway: string, words: SearchWords) {
    this.#words = words;
    this.#pool = pool;
    this.#searches = searches;
    this.#gateway = gateway;
  }

  /** Connects and makes its tables. Errors: `store_failed`, `config_invalid` (the URL). */
  static async open({ url, directory, gateway, words, searchMs }: PostgresIndexOptions): Promise<PostgresIndex> {
    const { host, port, database, user, password, ssl, options } = parsePostgresUrl(url, directory);
    const login = { host, port, database, user, password, ssl, options };
    const bounded = { ...login, max: 2, connectionTimeoutMillis: CONNECT_MS, keepAlive: true };
    const pool = new pg.Pool({ ...bounded, query_timeout: WRITE_MS });
    const searches = new pg.Pool({ ...bounded, query_timeout: searchMs, statement_timeout: searchMs });
    // The next query opens another. Of those in use the query says so.
    for (const one of [pool, searches]) {
      one.on('error', () => {});
      one.on('connect', (client) => void client.on('error', () => {}));
    }
    const index = new PostgresIndex(pool, searches, gateway, words);
    await index.#within('make the search index', async (client) => {
      await client.query('select pg_advisory_xact_lock($1)', [LOCK]);
      await client.query(TABLES);
    });
    return index;
  }

  async state(): Promise<string | undefined> {
    const [row] = await this.#rows<{ state: string }>(this.#pool, 'select state from search_state where gateway = $1', [
      this.#gateway,
    ]);
    return row?.state;
  }

  async write({ sessions, operations, state }: SearchBatch): Promise<void> {
    await this.#within('write the search index', async (client) => {
      for (const session of sessions) {
        const { principal, actor = null, connection } = session;
        await client.query('insert into search_sessions values ($1, $2, $3, $4, $5) on conflict (session) do nothing', [
          ...[session.session, clean(principal), clean(actor), clean(connection), JSON.stringify(session)],
        ]);
      }
      for (let at = 0; at < operations.length; at += AT_ONCE) {
        await this.#insert(client, operations.slice(at, at + AT_ONCE));
      }
      await client.query(
        'insert into search_state values ($1, $2) on conflict (gateway) do update set state = excluded.state',
        [this.#gateway, state],
      );
    });
  }

  async search(query: SearchQuery): Promise<FoundPage> {
    const { words, beginnings } = this.#words.wanted(query);
    const match = [...words.map((word) => `'${word}'`), ...beginnings.map((word) => `'${word}':*`)].join(' & ');
    const conditions: string[] = [];
    const values: (string | number)[] = [];
    const where = (condition: string, value: string | number | undefined) => {
      if (value === undefined) return;
      values.push(value);
      conditions.push(condition.replace('?', `$${values.length}`));
    };
    where('o.words @@ ?::tsquery', match === '' ? undefined : match);
    const [number, session, op] = query.before?.split('.') ?? [];
    where(session === undefined ? 'o.number < ?' : 'o.number <= ?', number);
    if (session !== undefined) {
      values.push(number!, session, op!);
      const [n, s, o] = [2, 1, 0].map((back) => `$${values.length - back}`);
      conditions.push(`(o.number < ${n} or (o.session, o.op) > (${s}, ${o}))`);
    }
    where('o.number >= ?', query.since === undefined ? undefined : query.since * PER_MS);
    where('o.number < ?', query.until === undefined ? undefined : query.until * PER_MS);
    // As numbers of any size: what somebody asks for may be a fraction, or more than a bigint holds.
    where('o.rows >= ?::numeric', query.rows?.min);
    where('o.rows <= ?::numeric', query.rows?.max);
    where('o.us >= ?::numeric', query.us?.min);
    where('o.us <= ?::numeric', query.us?.max);
    values.push(query.limit + 1);
    const found = await this.#rows<Row>(
      this.#searches,
      `select o.number, o.session, o.op, o.verdict, o.status, o.rule, o.review, o.error, o.rows, o.bytes, o.us, o.text,
         s.principal, s.actor, s.connection
       from search_operations o join search_sessions s using (session)
       ${conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`}
       order by o.number desc, o.session, o.op limit $${values.length}`,
      values,
    );
    const page = found.slice(0, query.limit);
    const more = found.length > query.limit ? { next: placeOf(page.at(-1)!) } : {};
    return { operations: page.map(show), ...more };
  }

  /** PostgreSQL reuses the room when it vacuums, as its own settings say. */
  async scrub(): Promise<void> {}

  async forget(session: string): Promise<number> {
    return this.#within('forget a session in the search index', async (client) => {
      const { rowCount } = await client.query('delete from search_operations where session = $1', [session]);
      await client.query('delete from search_sessions where session = $1', [session]);
      return rowCount ?? 0;
    });
  }

  async count(): Promise<number> {
    const [row] = await this.#rows<{ n: string }>(this.#pool, 'select count(*) as n from search_operations', []);
    return Number(row?.n ?? 0);
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.end(), this.#searches.end()]);
  }

  // -------------------------------------------------------------------------------------------------------------------

  async #insert(client: pg.PoolClient, operations: readonly SearchedOperation[]): Promise<void> {
    const names = [...new Set(operations.map(({ session }) => session))];
    const { rows } = await client.query<{ session: string; known: string }>(
      'select session, known from search_sessions where session = any ($1)',
      [names],
    );
    const known = new Map(rows.map((row) => [row.session, JSON.parse(row.known) as SearchedSession]));
    const numbers = await this.#numbers(client, operations);
    // One that is there twice, because somebody changed a line, would be refused with all others.
    const last = new Map(operations.map(({ session, op }, i) => [`${session} ${op}`, i]));
    const list = operations.flatMap((operation, i) => {
      if (last.get(`${operation.session} ${operation.op}`) !== i) return [];
      const session = known.get(operation.session);
      return session === undefined
        ? []
        : [{ ...shown(operation), number: numbers[i], words: this.#words.bag(operation, session).map(clean) }];
    });
    await client.query(
      `insert into search_operations (number, session, op, verdict, status, rule, review, error, rows, bytes, us, text, words)
       select number, session, op, verdict, status, rule, review, error, rows, bytes, us, text,
         array_to_tsvector(array (select jsonb_array_elements_text(words)))
       from jsonb_to_recordset($1::jsonb) as one (number bigint, session text, op integer, verdict text, status text, rule text,
         review text, error text, rows bigint, bytes bigint, us bigint, text text, words jsonb)
       on conflict (session, op) do update set status = excluded.status, error = excluded.error, rows = excluded.rows,
         bytes = excluded.bytes, us = excluded.us, verdict = excluded.verdict, review = excluded.review, words = excluded.words`,
      [JSON.stringify(list)],
    );
  }

  /** Numbers that no operation has; but for those that another gateway writes at this moment. */
  async #numbers(client: pg.PoolClient, operations: readonly SearchedOperation[]): Promise<number[]> {
    const first = (at: number) => Math.floor(at) * PER_MS;
    const lowest = operations.reduce((least, { at }) => Math.min(least, first(at)), Number.MAX_SAFE_INTEGER);
    const highest = operations.reduce((most, { at }) => Math.max(most, first(at) + PER_MS), 0);
    const { rows } = await client.query<{ number: string }>(
      'select number from search_operations where number >= $1 and number < $2',
      [lowest, highest],
    );
    const taken = new Set(rows.map(({ number }) => Number(number)));
    return operations.map(({ at }) => {
      let number = first(at);
      while (taken.has(number)) number++;
      taken.add(number);
      return number;
    });
  }

  async #rows<Result extends pg.QueryResultRow>(pool: pg.Pool, sql: string, values: unknown[]): Promise<Result[]> {
    try {
      return (await pool.query<Result>(sql, values)).rows;
    } catch (thrown) {
      throw storeError('read the search index', away(thrown));
    }
  }

  async #within<Result>(what: string, action: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
    let client: pg.PoolClient | undefined;
    try {
      client = await this.#pool.connect();
      await client.query('begin');
      const result = await action(client);
      await client.query('commit');
      client.release();
      return result;
    } catch (thrown) {
      client?.release(true);
      throw storeError(what, away(thrown));
    }
  }
}

/** Without where it is, and with which login: users see it too. */
function away(thrown: unknown): unknown {
  const { code = '' } = thrown as { code?: string };
  // 57P: it shuts down; 08: the connection is gone; 28: the login is not good, or not any more.
  if (/^[0-9A-Z]{5}$/.test(code) && !/^(57P|08|28)/.test(code)) return thrown;
  return new StoreAway(`the store does not answer${code === '' ? '' : ` (${code})`}`, { cause: thrown });
}

/**
 * As PostgreSQL takes a text: without NUL, and without half a surrogate pair, which a cut leaves. One that it refuses would
 * keep the index from following the record any further.
 */
function clean<Text extends string | null | undefined>(text: Text): Text | string {
  return typeof text === 'string' ? text.toWellFormed().replaceAll('\0', '\ufffd') : text;
}

/** Two gateways that write at the same moment give the same number: where one page ends between the two, the next goes on. */
function placeOf({ number, session, op }: Row): string {
  return `${number}.${session}.${op}`;
}

/** What is kept to be shown. */
function shown({ session, op, verdict, status, rule, review, error, rows, bytes, us, text }: SearchedOperation) {
  const named = { rule: clean(rule), review: clean(review), error: clean(error) };
  return { session, op, verdict, status, ...named, rows, bytes, us, text: clean(text.slice(0, SHOWN_CHARS)) };
}

type Row = {
  readonly [Key in 'number' | 'rows' | 'bytes' | 'us']: string | null;
} & {
  readonly session: string;
  readonly op: number;
  readonly principal: string;
  readonly actor: string | null;
  readonly connection: string;
  readonly verdict: string;
  readonly status: string;
  readonly rule: string | null;
  readonly review: string | null;
  readonly error: string | null;
  readonly text: string;
};

function show({ number, session, op, principal, connection, verdict, status, text, ...rest }: Row): FoundOperation {
  const { actor, rule, review, error } = rest;
  const count = (value: string | null) => (value === null ? null : Number(value));
  const optional = { actor, rule, review, error, rows: count(rest.rows), bytes: count(rest.bytes), us: count(rest.us) };
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== null));
  return {
    session,
    op,
    at: Math.floor(Number(number) / PER_MS),
    principal,
    connection,
    verdict,
    status,
    text,
    ...given,
  };
}
