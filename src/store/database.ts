// The embedded database: node:sqlite through kysely, one private file that several processes may have open.
// Refuses to know: tables' meaning. What is here and in migrations.ts is all that knows it is SQLite.

import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type DialectAdapter,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteDialect,
  sql,
} from 'kysely';
import { type HoopctlError, ourError } from '../core/errors.ts';
import { migrate } from './migrations.ts';
import type { Tables } from './tables.ts';

export type Database = Kysely<Tables>;

/** How long a write waits for another process's, in ms. Writes are short; longer means that something is wrong. */
const BUSY_MS = 5000;
/** Of that, how long at a time inside SQLite, where nothing else in this process goes on. */
const BLOCKING_MS = 5;
/** How long what reads waits for what was to be written before it was asked for. */
const BEHIND_MS = 100;
const SQLITE_BUSY = 5;

/** Opens, makes (mode 0600) and migrates it. Errors: `store_failed`. */
export async function openDatabase(path: string, now: number): Promise<Database> {
  try {
    // Made before SQLite does, which would make it readable for others; its journal files take the same mode.
    closeSync(openSync(path, 'a', 0o600));
    const [writes, reads] = [wrap(openFile(path)), wrap(openFile(path))];
    const db = new Kysely<Tables>({ dialect: new PatientDialect(writes, reads) });
    await migrate(db, now);
    return db;
  } catch (thrown) {
    throw storeError(`open ${path}`, thrown);
  }
}

/** What was removed is overwritten at once, but its journal keeps what was there before: until this. */
export async function scrubDatabase(db: Database): Promise<void> {
  await asking('empty the journal of the store', () => sql`pragma wal_checkpoint(truncate)`.execute(db));
}

/** Whether it takes a change; makes none. */
export async function pingDatabase(db: Database): Promise<void> {
  await sql`delete from schema_migrations where name = ''`.execute(db);
}

function openFile(path: string): DatabaseSync {
  const file = new DatabaseSync(path, { timeout: BUSY_MS });
  file.exec(
    'pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on; pragma secure_delete = on;',
  );
  file.exec(`pragma busy_timeout = ${BLOCKING_MS}`);
  return file;
}

/**
 * Waits for another process's write without stopping this one: a busy statement is tried again a little later. What writes
 * has the one connection in turn, and waits for that and for other processes BUSY_MS in all; what only reads has another, and
 * waits for no more than a moment.
 */
class PatientDialect extends SqliteDialect {
  readonly #reads: ReturnType<typeof wrap>;

  constructor(writes: ReturnType<typeof wrap>, reads: ReturnType<typeof wrap>) {
    super({ database: writes });
    this.#reads = reads;
  }

  /** Kysely itself would let one query in at a time, whatever it does. */
  override createAdapter(): DialectAdapter {
    return new TwoConnections();
  }

  override createDriver(): Driver {
    const driver = super.createDriver();
    const acquire = driver.acquireConnection.bind(driver);
    const destroy = driver.destroy.bind(driver);
    const turns = new Turns();
    driver.acquireConnection = async () => new PatientConnection(turns, await acquire(), this.#reads);
    driver.releaseConnection = async (connection) => (connection as PatientConnection).over();
    driver.destroy = async () => {
      this.#reads.close();
      await destroy();
    };
    return driver;
  }
}

class TwoConnections extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

/** One at a time, in the order in which they asked. */
class Turns {
  #last: Promise<void> = Promise.resolve();
  #pending = 0;

  /** What ends it; undefined: it did not come in time. `until`: of `performance`. */
  async take(until: number): Promise<(() => void) | undefined> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#last;
    this.#last = before.then(() => promise);
    this.#pending += 1;
    void this.#last.then(() => {
      this.#pending -= 1;
    });
    if (await isBefore(before, until)) return resolve;
    resolve();
    return undefined;
  }

  /** When all that asked so far are over, or it is that late. */
  async passed(until: number): Promise<void> {
    if (this.#pending > 0) await isBefore(this.#last, until);
  }
}

const locked = (cause?: unknown) => new Error('the store is locked by another process', { cause });

async function isBefore(done: Promise<void>, until: number): Promise<boolean> {
  const late = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => late.resolve('late'), until - performance.now());
  const first = await Promise.race([done, late.promise]);
  clearTimeout(timer);
  return first !== 'late';
}

class PatientConnection implements DatabaseConnection {
  readonly #turns: Turns;
  readonly #writes: DatabaseConnection;
  readonly #reads: ReturnType<typeof wrap>;
  readonly #until = performance.now() + BUSY_MS;
  /** Ends its turn. Once it writes: what it reads from then on may be of the same transaction. */
  #end: (() => void) | undefined;

  constructor(turns: Turns, writes: DatabaseConnection, reads: ReturnType<typeof wrap>) {
    this.#turns = turns;
    this.#writes = writes;
    this.#reads = reads;
  }

  over(): void {
    this.#end?.();
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#end === undefined && query.query.kind === 'SelectQueryNode') {
      await this.#turns.passed(performance.now() + BEHIND_MS);
      return this.#patient(() => ({ rows: this.#reads.prepare(query.sql).all(query.parameters) as R[] }));
    }
    await this.#turn();
    return this.#patient(() => this.#writes.executeQuery<R>(query));
  }

  async *streamQuery<R>(query: CompiledQuery, chunkSize = 1): AsyncIterableIterator<QueryResult<R>> {
    await this.#turn();
    yield* this.#writes.streamQuery<R>(query, chunkSize);
  }

  async #turn(): Promise<void> {
    this.#end ??= await this.#turns.take(this.#until);
    if (this.#end === undefined) throw locked();
  }

  async #patient<Result>(ask: () => Result | Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await ask();
      } catch (thrown) {
        // In a transaction too: ours write first, so that nothing was read that could be old by now.
        if ((thrown as { errcode?: number }).errcode !== SQLITE_BUSY) throw thrown;
        if (performance.now() > this.#until) throw locked(thrown);
        await new Promise((resolve) => setTimeout(resolve, BLOCKING_MS));
      }
    }
  }
}

/** What kysely's dialect wants of a driver: parameters as an array, and whether a statement gives rows. */
function wrap(file: DatabaseSync) {
  // Statements are few and always the same: prepared once each.
  const prepared = new Map<string, ReturnType<typeof prepare>>();
  const prepare = (sql: string) => {
    const statement = file.prepare(sql);
    return {
      reader: statement.columns().length > 0,
      all: (parameters: readonly unknown[]) => statement.all(...(parameters as SQLInputValue[])),
      run: (parameters: readonly unknown[]) => statement.run(...(parameters as SQLInputValue[])),
      iterate: (parameters: readonly unknown[]) => statement.iterate(...(parameters as SQLInputValue[])),
    };
  };
  return {
    prepare(sql: string) {
      const known = prepared.get(sql);
      if (known !== undefined) return known;
      const statement = prepare(sql);
      if (prepared.size < 500) prepared.set(sql, statement);
      return statement;
    },
    close() {
      prepared.clear();
      file.close();
    },
  };
}

const [SQLITE_CORRUPT, SQLITE_NOTADB] = [11, 26];

/** Whether an error, or what it was made of, says that an SQLite file itself is no good: no trying again will help. */
export function isDamaged(thrown: unknown): boolean {
  const { errcode, cause } = thrown as { errcode?: number; cause?: unknown };
  // The low byte: the rest says more exactly what.
  if (errcode !== undefined) return (errcode & 0xff) === SQLITE_CORRUPT || errcode === SQLITE_NOTADB;
  return cause instanceof Error && isDamaged(cause);
}

/** A store elsewhere that gave no answer, or lets nobody in: another connection, with the login as it is by now, may fare better. */
export class StoreAway extends Error {}

/** Whether an error is, or was made of, a `StoreAway`. */
export function isAway(thrown: unknown): boolean {
  return thrown instanceof StoreAway || (thrown as { cause?: unknown } | undefined)?.cause instanceof StoreAway;
}

/** A database's error as one of ours; what is one already stays. */
export function storeError(action: string, thrown: unknown): HoopctlError {
  if ((thrown as { name?: string }).name === 'HoopctlError') return thrown as HoopctlError;
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  const fix = isDamaged(thrown)
    ? { fix: 'the file is damaged: it has to be repaired, or a backup put in its place' }
    : {};
  return ourError('store_failed', `cannot ${action}: ${why}`, { ...fix, cause: thrown });
}

/** Whether an insert failed because the key is taken: SQLite's code, PostgreSQL's SQLSTATE. */
export function isTaken(thrown: unknown): boolean {
  const { errcode, code } = thrown as { errcode?: number; code?: string };
  // SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE
  return errcode === 1555 || errcode === 2067 || code === '23505';
}

/** Runs a query; what it throws becomes `store_failed` with the action's name. */
export async function asking<T>(action: string, query: () => Promise<T>): Promise<T> {
  try {
    return await query();
  } catch (thrown) {
    throw storeError(action, thrown);
  }
}

/** Undefined members as NULL for a row. */
export function orNull<T>(value: T | undefined): T | null {
  return value === undefined ? null : value;
}

/** The members that are not NULL, as an object's optional ones. */
export function optional<K extends string, V>(key: K, value: V | null): { [P in K]?: V } {
  return (value === null ? {} : { [key]: value }) as { [P in K]?: V };
}

/** A value as a column of JSON. */
export function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/** A column of JSON as an optional member. */
// biome-ignore lint/suspicious/noExplicitAny: what was written is read
export function parsed<K extends string>(key: K, value: string | null): { [P in K]?: any } {
  return optional(key, value === null ? null : JSON.parse(value));
}
