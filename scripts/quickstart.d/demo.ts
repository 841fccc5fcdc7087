// The demo world: a database with customers, a gateway in front of it, and two people.

import { type Client, type Gateway, startGateway } from '../../test/support/gateway.ts';
import { type Postgres, startPostgres } from '../../test/support/postgres.ts';

export const CUSTOMERS = [
  { name: 'Ada Lovelace', ssn: '536-22-8741', card: '4111111111111111' },
  { name: 'Grace Hopper', ssn: '219-09-9999', card: '5500005555555559' },
  { name: 'Alan Turing', ssn: '078-05-1120', card: '340000000000009' },
];

const SETUP = `
  create table customers (id int primary key, name text, ssn text, card text, credit int default 100);
  insert into customers (id, name, ssn, card) values
  ${CUSTOMERS.map(({ name, ssn, card }, i) => `(${i + 1}, '${name}', '${ssn}', '${card}')`).join(', ')};`;

export function configuration(server: Postgres): Record<string, unknown> {
  return {
    connections: {
      demo: {
        protocol: 'postgres',
        target: { host: server.host, port: server.port, database: 'demo', tls: 'disable' },
        credentials: { user: server.user, password: 'env:DEMO_PASSWORD' },
        labels: { env: 'prod' },
      },
    },
    access: [{ who: { groups: ['engineering', 'dba'] }, to: { labels: { env: 'prod' } } }],
    rules: [
      { name: 'no-drop', when: { does: ['drop', 'truncate'] }, then: 'deny', message: 'use a migration' },
      {
        name: 'agent-writes',
        who: { kinds: ['agent'] },
        when: { does: ['insert', 'update', 'delete'] },
        then: 'review',
        reviewers: { groups: ['dba'] },
        wait: '5m',
      },
    ],
    masks: [{ name: 'pii', columns: ['customers.ssn', 'customers.card'], as: 'partial' }],
  };
}

export interface Demo {
  server: Postgres;
  gateway: Gateway;
  stop(): Promise<void>;
}

export async function startDatabase(): Promise<Postgres> {
  const server = await startPostgres({ version: 'embedded18', databases: ['demo'] });
  await server.query(SETUP, 'demo');
  return server;
}

export function startDemoGateway(server: Postgres): Promise<Gateway> {
  return startGateway({ config: configuration(server), native: 'postgres', env: { DEMO_PASSWORD: server.password } });
}

export type { Client, Gateway, Postgres };
