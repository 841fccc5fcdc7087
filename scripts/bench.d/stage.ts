// Everything that a measurement needs, started once: server, pooler, bare pipe, gateway with identity, a deny rule and
// recording on, and a `hoopctl connect`. Each way to the server is a `Path`.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeCertificates } from '../../test/support/certificates.ts';
import { type Client, type Connected, type Gateway, startGateway } from '../../test/support/gateway.ts';
import { type Postgres, startPostgres } from '../../test/support/postgres.ts';
import { freePort, type Running, runOk, start, temporaryDirectory } from '../../test/support/process.ts';
import type { WireOptions } from '../../test/support/wire.ts';
import { type Pooler, startPgbouncer } from './pgbouncer.ts';

export const ROWS = 1_000_000;

export interface Path {
  /** Environment of a libpq client. */
  environment(): Promise<Record<string, string>>;
  wire(): Promise<WireOptions>;
}

export interface Stage {
  server: Postgres;
  gateway: Gateway;
  client: Client;
  connect: Connected;
  paths: Record<'direct' | 'pgbouncer' | 'native' | 'connect' | 'pipe' | 'masked' | 'masked-native', Path>;
  stop(): Promise<void>;
}

function configuration(server: Postgres): Record<string, unknown> {
  const target = { host: server.host, port: server.port, database: 'bench', tls: 'disable' };
  const connection = {
    protocol: 'postgres',
    target,
    credentials: { user: server.user, password: 'env:BENCH_PASSWORD' },
  };
  return {
    connections: {
      bench: { ...connection, labels: { env: 'bench' } },
      masked: { ...connection, labels: { env: 'masked' } },
    },
    access: [{ who: { groups: ['engineering'] }, to: { names: ['bench', 'masked'] } }],
    rules: [{ name: 'no-drop', when: { does: ['drop', 'truncate'] }, then: 'deny', message: 'use a migration' }],
    masks: [{ name: 'mail', to: { labels: { env: 'masked' } }, columns: ['people.email'], as: 'partial' }],
  };
}

export async function fill(server: Postgres): Promise<void> {
  const env = { ...process.env, PGPASSWORD: server.password };
  const at = ['-h', server.host, '-p', String(server.port), '-U', server.user];
  await runOk(`${server.binaries}/pgbench`, ['-i', '-q', '-s', '10', ...at, 'bench'], { env, timeout: 300_000 });
  await server.query(
    `create table people as select i as id, 'name ' || i as name, 'user' || i || '@example.com' as email,
       repeat('x', 30) as note from generate_series(1, ${ROWS}) i`,
    'bench',
  );
  await server.query('vacuum analyze people', 'bench');
}

function plain(host: string, port: number, user: string, password: string, database: string, caFile?: string): Path {
  const tls: Record<string, string> =
    caFile === undefined ? { PGSSLMODE: 'disable' } : { PGSSLMODE: 'verify-full', PGSSLROOTCERT: caFile };
  return {
    environment: async () => ({
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGPASSWORD: password,
      PGDATABASE: database,
      PGGSSENCMODE: 'disable',
      ...tls,
    }),
    wire: async () => ({
      host,
      port,
      user,
      password,
      database,
      ...(caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') }),
    }),
  };
}

/** The native listener: a fresh token before each measurement, because it lives for minutes only. */
export function native(gateway: Gateway, client: Client, connection: string): Path {
  const fresh = async () =>
    plain(
      '127.0.0.1',
      gateway.nativePort as number,
      client.person.name,
      await client.token(connection),
      connection,
      gateway.caFile,
    );
  return { environment: async () => (await fresh()).environment(), wire: async () => (await fresh()).wire() };
}

/** A port of `hoopctl connect`. */
function local(port: number): Path {
  return plain('127.0.0.1', port, 'alice', '', 'bench');
}

async function startPipe(server: Postgres): Promise<{ port: number; processes: Running[] }> {
  const files = await makeCertificates(temporaryDirectory('pipe'));
  const program = fileURLToPath(new URL('./pipe.ts', import.meta.url));
  const far = await freePort();
  const near = await freePort();
  const tls = ['--cert', files.certFile, '--key', files.keyFile];
  const target = ['--target', `${server.host}:${server.port}`];
  const first = start(process.execPath, [program, 'pipe-server', '--listen', `127.0.0.1:${far}`, ...target, ...tls]);
  await first.waitFor(/ready/);
  const url = ['--url', `wss://127.0.0.1:${far}`, '--ca', files.caFile];
  const second = start(process.execPath, [program, 'pipe-client', '--listen', `127.0.0.1:${near}`, ...url]);
  await second.waitFor(/ready/);
  return { port: near, processes: [first, second] };
}

export async function buildStage(): Promise<Stage> {
  const server = await startPostgres({
    version: 'debian15',
    databases: ['bench'],
    config: { shared_buffers: '512MB' },
  });
  await fill(server);
  const pooler: Pooler = await startPgbouncer(server);
  const pipe = await startPipe(server);
  const gateway = await startGateway({
    config: configuration(server),
    native: 'postgres',
    env: { BENCH_PASSWORD: server.password },
  });
  const client = await gateway.user('alice', { groups: ['engineering'] });
  const connect = await client.connect(['bench', 'masked'], [], { quiet: true });
  return {
    server,
    gateway,
    client,
    connect,
    paths: {
      direct: plain(server.host, server.port, server.user, server.password, 'bench'),
      pgbouncer: plain('127.0.0.1', pooler.port, server.user, server.password, 'bench', pooler.caFile),
      pipe: plain('127.0.0.1', pipe.port, server.user, server.password, 'bench'),
      native: native(gateway, client, 'bench'),
      'masked-native': native(gateway, client, 'masked'),
      connect: local(connect.ports.bench as number),
      masked: local(connect.ports.masked as number),
    },
    stop: async () => {
      await connect.stop();
      await gateway[Symbol.asyncDispose]();
      for (const child of [...pipe.processes, pooler.process]) await child.stop();
      await server.stop();
    },
  };
}

export interface Unrecorded {
  readonly paths: Record<'native' | 'connect', Path>;
  stop(): Promise<void>;
}

/** A gateway like that of the stage whose connection goes on unrecorded: a file stands where its recordings would be kept. */
export async function unrecorded(server: Postgres): Promise<Unrecorded> {
  const config = configuration(server) as { connections: Record<string, object> };
  config.connections.bench = { ...config.connections.bench, recording: 'best-effort' };
  const gateway = await startGateway({ config, native: 'postgres', env: { BENCH_PASSWORD: server.password } });
  const client = await gateway.user('alice', { groups: ['engineering'] });
  rmSync(join(gateway.data, 'recordings'), { recursive: true });
  writeFileSync(join(gateway.data, 'recordings'), '');
  const connect = await client.connect('bench', [], { quiet: true });
  return {
    paths: { native: native(gateway, client, 'bench'), connect: local(connect.port) },
    stop: async () => {
      await connect.stop();
      await gateway[Symbol.asyncDispose]();
    },
  };
}
