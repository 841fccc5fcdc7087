// A server, a gateway in front of it and people with roles: what most end-to-end tests begin with.

import { type Client, type Gateway, type GatewayOptions, startGateway } from './gateway.ts';
import { type Postgres, type PostgresOptions, startPostgres } from './postgres.ts';

/** One connection of a gateway's configuration to that server. The password is a reference, as it has to be. */
export function connectionTo(
  server: Postgres,
  database: string,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  const { target, ...rest } = more as { target?: Record<string, unknown> };
  const tls = server.caFile === undefined ? { tls: 'disable' } : { tls: 'verify-full', caFile: server.caFile };
  return {
    protocol: 'postgres',
    target: { host: server.host, port: server.port, database, ...tls, ...target },
    credentials: { user: server.user, password: 'env:TARGET_PASSWORD' },
    ...rest,
  };
}

export interface Stage {
  server: Postgres;
  gateway: Gateway;
  /** In group `engineering`: may reach everything that the configuration does not say otherwise. */
  alice: Client;
  stop(): Promise<void>;
}

/** Starts the server and the gateway; `config` gets the server to describe connections to it. */
export async function startStage(
  postgres: PostgresOptions,
  config: (server: Postgres) => Record<string, unknown>,
  options: Omit<GatewayOptions, 'config'> & { setup?: string; database?: string } = {},
): Promise<Stage> {
  const server = await startPostgres(postgres);
  if (options.setup !== undefined) await server.query(options.setup, options.database ?? postgres.databases?.[0]);
  const gateway = await startGateway({
    native: 'postgres',
    ...options,
    config: {
      access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
      ...config(server),
    },
    env: { TARGET_PASSWORD: server.password, ...options.env },
  });
  const alice = await gateway.user('alice', { groups: ['engineering'] });
  return {
    server,
    gateway,
    alice,
    stop: async () => {
      await gateway[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}
