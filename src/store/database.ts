// The embedded database: node:sqlite through kysely, one private file that several processes may have open.
// Refuses to know: tables' meaning. What is here and in migrations.ts is all that knows it is SQLite.

import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
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
const SQLITE_BUSY = 5;

/** Opens, makes (mode 0600) and migrates it. Errors: `store_failed`. */
export async function openDatabase(path: string, now: number): Promise<Database> {
  try {
    // Made before SQLite does, which would make it readable for others; its journal files take the same mode.
    closeSync(openSync(path, 'a', 0o600));
    const db = new Kysely<Tables>({ dialect: new PatientDialect({ database: wrap(openFile(path)) }) });
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

function openFile(path: string): DatabaseSync {
  const file = new DatabaseSync(path, { timeout: BUSY_MS });
  file.exec(
    'pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on; pragma secure_delete = on;',
  );
  file.exec(`pragma busy_timeout = ${BLOCKING_MS}`);
  return file;
}

/** Waits for another process's write without stopping this one: a busy statement is tried again a little later. */
class PatientDialect extends SqliteDialect {
  override createDriver(): Driver {
    const driver = super.createDriver();
    const acquire = driver.acquireConnection.bind(driver);
    driver.acquireConnection = async (options) => patient(await acquire(options));
    return driver;
  }
}

function patient(connection: DatabaseConnection): DatabaseConnection {
  return {
    streamQuery: (query, chunkSize) => connection.streamQuery(query, chunkSize),
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      for (const until = performance.now() + BUSY_MS; ; ) {
        try {
          return await connection.executeQuery<R>(query);
        } catch (thrown) {
          // In a transaction too: ours write first, so that nothing was read that could be old by now.
          if ((thrown as { errcode?: number }).errcode !== SQLITE_BUSY || performance.now() > until) throw thrown;
          await new Promise((resolve) => setTimeout(resolve, BLOCKING_MS));
        }
      }
    },
  };
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

/** A database's error as one of ours; what is one already stays. */
export function storeError(action: string, thrown: unknown): HoopctlError {
  if ((thrown as { name?: string }).name === 'HoopctlError') return thrown as HoopctlError;
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return ourError('store_failed', `cannot ${action}: ${why}`, { cause: thrown });
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
