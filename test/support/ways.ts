// The three ways in which an ordinary client reaches a connection, behind one interface: a port of `hoopctl connect`, a
// child of `hoopctl exec`, and the native listener with nothing of hoopctl on the client. Plus the server itself.

import { type Client, type Connected, cleanEnvironment } from './gateway.ts';
import type { Postgres } from './postgres.ts';
import { type Finished, type Running, type RunOptions, run, start } from './process.ts';

export interface Way {
  readonly name: string;
  /** Runs a libpq client (or one that reads its variables) to its end. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** Starts one that goes on. A signal to it reaches the client. */
  start(command: string, args: readonly string[], options?: RunOptions): Running;
  stop(): Promise<void>;
}

export const WAYS = ['connect', 'exec', 'native'] as const;

function withEnvironment(name: string, env: Record<string, string | undefined>, stop: () => Promise<void>): Way {
  const merged = (options: RunOptions = {}) => ({ ...options, env: { ...env, ...options.env } });
  return {
    name,
    run: (command, args, options) => run(command, args, merged(options)),
    start: (command, args, options) => start(command, args, merged(options)),
    stop,
  };
}

/** Straight to the server as its superuser: what everything else is compared with. */
export function directly(server: Postgres, database: string): Way {
  const env = {
    ...cleanEnvironment(server.socketDirectory),
    PGHOST: server.host,
    PGPORT: String(server.port),
    PGUSER: server.user,
    PGPASSWORD: server.password,
    PGDATABASE: database,
    PGSSLMODE: 'prefer',
  };
  return withEnvironment('direct', env, async () => {});
}

/** `database`, where the client asks for another than the connection's own. */
export async function openWay(
  name: (typeof WAYS)[number],
  client: Client,
  connection: string,
  database?: string,
): Promise<Way> {
  if (name === 'exec') {
    const args = ['exec', connection, '--'];
    const env = database === undefined ? {} : { PGDATABASE: database };
    return {
      name,
      run: (command, rest, options = {}) =>
        client.run([...args, command, ...rest], { ...options, env: { ...env, ...options.env } }),
      start: (command, rest, options = {}) =>
        client.start([...args, command, ...rest], { ...options, env: { ...env, ...options.env } }),
      stop: async () => {},
    };
  }
  if (name === 'connect') {
    const connected: Connected = await client.connect(connection);
    const env = {
      ...cleanEnvironment(client.home),
      PGHOST: '127.0.0.1',
      PGPORT: String(connected.port),
      PGUSER: client.person.name,
      PGDATABASE: database ?? connection,
      PGSSLMODE: 'prefer',
    };
    return withEnvironment(name, env, connected.stop);
  }
  const env = {
    ...cleanEnvironment(client.home),
    PGHOST: '127.0.0.1',
    PGPORT: String(client.gateway.nativePort),
    PGUSER: client.person.name,
    PGPASSWORD: await client.token(connection),
    PGDATABASE: database ?? connection,
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: client.gateway.caFile,
  };
  return withEnvironment(name, env, async () => {});
}
