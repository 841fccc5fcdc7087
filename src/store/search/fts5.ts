// The search index as an SQLite file of its own, FTS5: it can be thrown away, and is made again from the record.
// Row numbers are times, so that the newest come first without sorting. Refuses to know: who searches, what follows the record.

import { closeSync, openSync, rmSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { userError } from '../../core/errors.ts';
import type {
  FoundOperation,
  FoundPage,
  SearchBatch,
  SearchedSession,
  SearchIndex,
  SearchQuery,
  SearchWords,
} from '../../session/search/operation.ts';
import { isDamaged, storeError } from '../database.ts';

/** Of a text, what a page shows. */
const SHOWN_CHARS = 300;
/**
 * Words of operations that the beginnings of one search may stand for, all together: FTS5 takes them all into memory before it
 * gives the first row (0.4 s a million), and nothing can interrupt it.
 */
const MOST_BEGUN = 10_000_000;
/** Operations of one millisecond: number = ms × this + n, below 2^53 until the year 2039. */
const PER_MS = 4096;
const VERSION = 2;

/**
 * Words come as they are to be found, folded and one by one: the tokenizer is the one that cuts at no letter. unicode61 knows
 * fewer letters than JavaScript; a word with one of the others was two in the index, and no query at all.
 */
const TABLES = `
  create table if not exists state (id integer primary key check (id = 1), state text not null);
  create table if not exists sessions (
    id integer primary key, session text not null unique, principal text not null, actor text, connection text not null,
    known text not null
  );
  create table if not exists operations (
    number integer primary key, session integer not null, op integer not null, verdict text not null, status text not null,
    rule text, review text, error text, rows integer, bytes integer, us integer, text text not null
  );
  create unique index if not exists operations_by_session on operations (session, op);
  create virtual table if not exists bag using fts5 (
    words, content = '', contentless_delete = 1, detail = none, tokenize = "ascii tokenchars '_'"
  );
`;

export class Fts5Index implements SearchIndex {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, ReturnType<DatabaseSync['prepare']>>();
  readonly #sessions = new Map<string, { readonly id: number; readonly known: SearchedSession }>();

  readonly #words: SearchWords;
  /** As above; a test has fewer. */
  mostBegun = MOST_BEGUN;

  private constructor(db: DatabaseSync, words: SearchWords) {
    this.#db = db;
    this.#words = words;
  }

  /** Opens or makes it; one that is damaged, or of another version, is begun anew. Errors: `store_failed`. */
  static open(path: string, words: SearchWords): Fts5Index {
    try {
      try {
        return new Fts5Index(openFile(path), words);
      } catch (thrown) {
        // What somebody else has locked, or a disk does not give, is not to be made again: that can take hours.
        if (!isDamaged(thrown) && !(thrown instanceof OtherVersion)) throw thrown;
        Fts5Index.discard(path);
        return new Fts5Index(openFile(path), words);
      }
    } catch (thrown) {
      throw storeError(`open the search index ${path}`, thrown);
    }
  }

  /** The next one is made from the record. */
  static discard(path: string): void {
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  }

  async state(): Promise<string | undefined> {
    return this.#get<{ state: string }>('select state from state')?.state;
  }

  async write({ sessions, operations, state }: SearchBatch): Promise<void> {
    this.#transaction('write the search index', () => {
      for (const session of sessions) this.#session(session);
      const placed = operations.map((operation) => ({ operation, number: Math.floor(operation.at) * PER_MS }));
      // In order, as FTS5 wants it: a smaller number makes it write out what it has.
      placed.sort((a, b) => a.number - b.number);
      let last = 0;
      for (const { operation, number } of placed) {
        const session = this.#known(operation.session);
        if (session === undefined) continue;
        const before = this.#get<{ number: number }>(
          'select number from operations where session = ? and op = ?',
          session.id,
          operation.op,
        );
        if (before !== undefined) this.#remove(before.number);
        last = this.#free(Math.max(number, last + 1));
        const { op, verdict, status, rule, review, error, rows, bytes, us, text } = operation;
        this.#run(
          'insert into operations values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
          ...[last, session.id, op, verdict, status, rule ?? null, review ?? null, error ?? null],
          ...[rows ?? null, bytes ?? null, us ?? null, text.slice(0, SHOWN_CHARS)],
        );
        this.#run(
          'insert into bag (rowid, words) values (?, ?)',
          last,
          this.#words.bag(operation, session.known).join(' '),
        );
      }
      this.#run('insert into state values (1, ?) on conflict (id) do update set state = excluded.state', state);
    });
  }

  async search(query: SearchQuery): Promise<FoundPage> {
    const { words, beginnings } = this.#words.wanted(query);
    this.#assertFew(beginnings);
    const match = [...words.map((word) => `"${word}"`), ...beginnings.map((word) => `"${word}"*`)].join(' AND ');
    const bound = match === '' ? 'o.number' : 'b.rowid';
    const conditions: string[] = match === '' ? [] : ['b.bag match ?'];
    const values: SQLInputValue[] = match === '' ? [] : [match];
    const where = (condition: string, value: number | undefined) => {
      if (value === undefined) return;
      conditions.push(condition);
      values.push(value);
    };
    where(`${bound} < ?`, query.before === undefined ? undefined : Number.parseInt(query.before, 10));
    where(`${bound} >= ?`, query.since === undefined ? undefined : query.since * PER_MS);
    where(`${bound} < ?`, query.until === undefined ? undefined : query.until * PER_MS);
    where('o.rows >= ?', query.rows?.min);
    where('o.rows <= ?', query.rows?.max);
    where('o.us >= ?', query.us?.min);
    where('o.us <= ?', query.us?.max);
    const from = match === '' ? 'operations o' : 'bag b cross join operations o on o.number = b.rowid';
    const sql = `select o.*, s.session as sid, s.principal, s.actor, s.connection from ${from}
      cross join sessions s on s.id = o.session
      ${conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`} order by ${bound} desc limit ?`;
    const found = this.#all<Row>(sql, ...values, query.limit + 1);
    const page = found.slice(0, query.limit);
    const more = found.length > query.limit ? { next: String(page.at(-1)!.number) } : {};
    return { operations: page.map(show), ...more };
  }

  async forget(session: string): Promise<number> {
    const known = this.#known(session);
    if (known === undefined) return 0;
    return this.#transaction('forget a session in the search index', () => {
      const numbers = this.#all<{ number: number }>('select number from operations where session = ?', known.id);
      for (const { number } of numbers) this.#remove(number);
      this.#run('delete from sessions where id = ?', known.id);
      this.#sessions.delete(session);
      return numbers.length;
    });
  }

  /** What was removed is overwritten in FTS5's own pages only when they are merged, and in the journal when that is emptied. */
  async scrub(): Promise<void> {
    this.#transaction('overwrite what was forgotten', () => this.#run("insert into bag (bag) values ('optimize')"));
    this.#try(() => this.#db.exec('pragma wal_checkpoint(truncate)'));
  }

  async count(): Promise<number> {
    return this.#get<{ n: number }>('select count(*) as n from operations')?.n ?? 0;
  }

  async close(): Promise<void> {
    this.#db.close();
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** Counting takes a fifth of the time of finding, and ends at the bound. */
  #assertFew(beginnings: readonly string[]): void {
    let left = this.mostBegun;
    for (const word of beginnings) {
      const count = this.#prepare('select doc from temp.bag_words where term >= ? and term <= ?');
      const most = this.#try(() => {
        for (const { doc } of count.iterate(word, `${word}\u{10ffff}`)) {
          left -= doc as number;
          if (left < 0) return false;
        }
        return true;
      });
      if (most) continue;
      throw userError('usage', `too many words in the record begin with "${word}"`, { fix: 'give more of the word' });
    }
  }

  /** The first number from there on that no operation has. */
  #free(number: number): number {
    let free = number;
    while (this.#get('select 1 from operations where number = ?', free) !== undefined) free++;
    return free;
  }

  #remove(number: number): void {
    this.#run('delete from bag where rowid = ?', number);
    this.#run('delete from operations where number = ?', number);
  }

  #session(session: SearchedSession): void {
    const { principal, actor, connection } = session;
    this.#run(
      'insert into sessions (session, principal, actor, connection, known) values (?, ?, ?, ?, ?) on conflict (session) do nothing',
      ...[session.session, principal, actor ?? null, connection, JSON.stringify(session)],
    );
  }

  #known(session: string): { readonly id: number; readonly known: SearchedSession } | undefined {
    const cached = this.#sessions.get(session);
    if (cached !== undefined) return cached;
    const row = this.#get<{ id: number; known: string }>('select id, known from sessions where session = ?', session);
    if (row === undefined) return undefined;
    const found = { id: row.id, known: JSON.parse(row.known) as SearchedSession };
    if (this.#sessions.size > 10_000) this.#sessions.clear();
    this.#sessions.set(session, found);
    return found;
  }

  #prepare(sql: string): ReturnType<DatabaseSync['prepare']> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #get<Result>(sql: string, ...values: SQLInputValue[]): Result | undefined {
    return this.#try(() => this.#prepare(sql).get(...values) as Result | undefined);
  }

  #all<Result>(sql: string, ...values: SQLInputValue[]): Result[] {
    return this.#try(() => this.#prepare(sql).all(...values) as Result[]);
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#prepare(sql).run(...values);
  }

  #try<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (thrown) {
      throw storeError('read the search index', thrown);
    }
  }

  #transaction<Result>(what: string, action: () => Result): Result {
    this.#db.exec('begin immediate');
    try {
      const result = action();
      this.#db.exec('commit');
      return result;
    } catch (thrown) {
      // Sessions that were just put in are not there any more, and others will get their numbers.
      this.#sessions.clear();
      // SQLite has done so by itself where the disk is full.
      if (this.#db.isTransaction) this.#db.exec('rollback');
      throw storeError(what, thrown);
    }
  }
}

interface Row {
  readonly number: number;
  readonly sid: string;
  readonly op: number;
  readonly principal: string;
  readonly actor: string | null;
  readonly connection: string;
  readonly verdict: string;
  readonly status: string;
  readonly rule: string | null;
  readonly review: string | null;
  readonly error: string | null;
  readonly rows: number | null;
  readonly bytes: number | null;
  readonly us: number | null;
  readonly text: string;
}

function show({ number, sid, op, principal, connection, verdict, status, text, ...rest }: Row): FoundOperation {
  const { actor, rule, review, error, rows, bytes, us } = rest;
  const optional = { actor, rule, review, error, rows, bytes, us };
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== null));
  return { session: sid, op, at: Math.floor(number / PER_MS), principal, connection, verdict, status, text, ...given };
}

class OtherVersion extends Error {}

function openFile(path: string): DatabaseSync {
  // Made before SQLite does, which would make it readable for others; its journal files take the same mode.
  closeSync(openSync(path, 'a', 0o600));
  const db = new DatabaseSync(path, { timeout: 5000 });
  // It can always be made again: a crash may cost the last batches, never the file.
  db.exec('pragma journal_mode = wal; pragma synchronous = off; pragma secure_delete = on; pragma cache_size = -65536');
  const { user_version: version } = db.prepare('pragma user_version').get() as { user_version: number };
  if (version !== VERSION && version !== 0) {
    db.close();
    throw new OtherVersion();
  }
  db.exec(`${TABLES}; pragma user_version = ${VERSION}`);
  db.exec("create virtual table temp.bag_words using fts5vocab('main', 'bag', 'row')");
  db.prepare('select count(*) from state').get();
  return db;
}
