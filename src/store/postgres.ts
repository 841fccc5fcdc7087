// State in PostgreSQL: the same tables and queries as the embedded database, for several gateways at once. All that differs
// between the two is here: types, order of text, who waits for whom while tables are made. Refuses to know: tables' meaning.

import {
  type ColumnDataType,
  type DataTypeNode,
  Kysely,
  PostgresDialect,
  type PostgresPool,
  type PostgresPoolClient,
  PostgresQueryCompiler,
  type QueryCompiler,
  sql,
} from 'kysely';
import type { ClientBase, default as Driver } from 'pg';
import { type HoopctlError, peerError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Announcements, PostgresAnnouncements } from './announcements.ts';
import { type Database, storeError } from './database.ts';
import { migrate } from './migrations.ts';
import { parsePostgresUrl, placeOf } from './postgres-url.ts';
import type { Tables } from './tables.ts';

export interface PostgresOptions {
  /** The URL, asked again for its password at each new connection: a rotated one counts from then on. */
  readonly url: () => Promise<string>;
  /** What relative paths in the URL are relative to. */
  readonly directory: string;
  readonly log: Log;
  /** Connections at once. */
  readonly connections: number;
  /** How long anything may take, in ms: to connect, to wait for a free connection, one query. */
  readonly timeoutMs: number;
}

/** Shared by all gateways: `hoop` in ASCII. Held while tables are made or changed. */
const MIGRATION_LOCK = 0x686f_6f70;

const INT8 = 20;
const NUMERIC = 1700;
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** read_only_sql_transaction: the server is, or was when the connection was made, one that takes no changes. */
const READ_ONLY = '25006';

export interface OpenDatabase {
  readonly db: Database;
  readonly announcements: Announcements;
  /** For people, without the login. */
  readonly place: string;
  /** The store's own clock, in ms since the epoch: what several gateways compare by. */
  now(): Promise<number>;
  /** Whether it would take a change, which a standby would not; makes none. */
  ping?(): Promise<void>;
}

/** Connects and migrates. Errors: `store_failed`, `config_invalid` (the URL). */
export async function openPostgres(options: PostgresOptions, now: number): Promise<OpenDatabase> {
  const { directory, log, connections, timeoutMs } = options;
  const address = parsePostgresUrl(await options.url(), directory);
  const place = placeOf(address);
  const { default: pg } = await import('pg');
  const { host, port, database, user, ssl } = address;
  const login = {
    ...{ host, port, database, user, ssl },
    password: async () => parsePostgresUrl(await options.url(), directory).password ?? '',
    options: address.options,
    application_name: 'hoopctl',
    connectionTimeoutMillis: timeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
  const pool = new pg.Pool({
    ...login,
    max: connections,
    query_timeout: timeoutMs,
    statement_timeout: timeoutMs,
    // A gateway that stopped in the middle of a change must not hold its locks.
    idle_in_transaction_session_timeout: timeoutMs,
    types: { getTypeParser: (oid, format) => parserOf(pg, oid, format) },
  });
  // The next query opens another. While one is in use the pool does not listen, and nobody listening would end the process.
  const ended = (error: Error) => log.debug({ error: error.message }, 'a connection to the store ended');
  pool.on('error', ended);
  pool.on('connect', (client) => void client.on('error', ended));
  const db = new Kysely<Tables>({ dialect: new StoreDialect({ pool: leaving(pool, log, timeoutMs) }) });
  try {
    await migrate(db, now, async (transaction) => {
      await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(transaction);
    });
  } catch (thrown) {
    await db.destroy().catch(() => {});
    throw unopened(place, thrown);
  }
  const clock = sql<{ now: number }>`select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`;
  const announcements = new PostgresAnnouncements({
    client: () => new pg.Client(login),
    send: (channel, text) => sql`select pg_notify(${channel}, ${text})`.execute(db),
    log,
  });
  return {
    ...{ db, place, announcements },
    now: async () => (await clock.execute(db)).rows[0]!.now,
    // A lock, if of nothing, is a change to a server that takes none.
    ping: async () => void (await sql`select key from key_values limit 0 for update`.execute(db)),
  };
}

/** Whoever opens it administers it, and is told what the driver says: of its own words most have no code. */
function unopened(place: string, thrown: unknown): HoopctlError {
  const { name, message, cause } = thrown as Error;
  if (name === 'HoopctlError' || !(cause instanceof Error)) return storeError(`open the store (${place})`, thrown);
  const { code = '' } = cause as NodeJS.ErrnoException;
  const told = (why: string, fix: string) =>
    peerError('store_failed', `cannot open the store (${place}): ${why}`, { fix, cause });
  if (/does not support SSL/.test(cause.message)) {
    return told(
      'it offers no TLS',
      'have it offer TLS (ssl = on), or put sslmode=disable into the URL where nobody else is on the way to it',
    );
  }
  if (/CERT|SIGNATURE|TLS|SSL/.test(code)) {
    return told(
      `its certificate does not pass: ${cause.message}`,
      'name its authority with sslrootcert=FILE in the URL, and the host as the certificate has it; sslmode says what is checked',
    );
  }
  return told(
    code === '' ? `${message}: ${cause.message}` : message,
    'see whether it runs, and can be reached from here as the reference of store.postgres in the configuration says',
  );
}

/** Times and counts are integers that JavaScript holds exactly (below 2^53), as SQLite gives them. */
function parserOf(pg: typeof Driver, oid: number, format: 'text' | 'binary' | undefined) {
  if (oid === INT8 || oid === NUMERIC) return Number;
  return pg.types.getTypeParser(oid, format as 'text');
}

/**
 * As the driver's pool, but a connection whose query got no answer is not used again, nor one that takes no changes: after a
 * failover the next one may be to another server. One that takes none from its beginning is not used at all: a standby may
 * not know what was said at the others meanwhile, and what it says of approvals and revocations would be taken for new.
 * What is told of a store that cannot be reached does not say where it is: users see it too.
 */
function leaving(pool: Driver.Pool, log: Log, timeoutMs: number): PostgresPool {
  const away = (thrown: unknown): unknown => {
    const { code = '', message } = thrown as { code?: string; message: string };
    // 57P: it shuts down; 08: the connection is gone.
    if (SQLSTATE.test(code) && !/^(57P|08)/.test(code)) return thrown;
    log.debug({ code, error: message }, 'the store does not answer');
    return new Error(`the store does not answer${code === '' ? '' : ` (${code})`}`, { cause: thrown });
  };
  const writable = new WeakSet<ClientBase>();
  return {
    async connect(): Promise<PostgresPoolClient> {
      const client: ClientBase & { release(broken?: boolean): void } = await pool.connect().catch((thrown) => {
        throw away(thrown);
      });
      let broken = false;
      const query = (text: string, values: unknown[]) =>
        client.query(text, values).catch((thrown: unknown) => {
          const told = away(thrown);
          broken ||= told !== thrown || (thrown as { code?: unknown }).code === READ_ONLY;
          throw told;
        });
      if (!writable.has(client)) {
        try {
          const { rows } = await query('show transaction_read_only', []);
          if (rows[0]?.transaction_read_only !== 'off') throw new Error('the store takes no changes (read-only)');
        } catch (thrown) {
          client.release(true);
          throw thrown;
        }
        writable.add(client);
      }
      return { query, release: () => client.release(broken) } as unknown as PostgresPoolClient;
    },
    // What does not answer in its time would hold up the end for ever.
    end: () => Promise.race([pool.end(), new Promise<void>((resolve) => setTimeout(resolve, timeoutMs).unref())]),
  } as PostgresPool;
}

class StoreDialect extends PostgresDialect {
  override createQueryCompiler(): QueryCompiler {
    return new StoreCompiler();
  }
}

/** Text is compared byte by byte, as SQLite does, whatever the database's own language. */
class StoreCompiler extends PostgresQueryCompiler {
  protected override visitDataType(node: DataTypeNode): void {
    super.visitDataType(node);
    const text: ColumnDataType = 'text';
    if (node.dataType === text) this.append(' collate "C"');
  }
}
