// A fake gateway with the part of the API that `connect` and `exec` ask, an echoing tunnel, and the environment of a
// workload that may use it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../../support/process.ts';
import { echo, type FakeGateway, fakeGateway } from '../tunnel/gateway.ts';

/** Mock of the registry: a protocol of which nothing is known but its port. */
export const fakeRegistry = {
  protocolNames: () => ['plain'],
  loadProtocol: async (name: string) =>
    name !== 'plain'
      ? undefined
      : {
          local: (connection: string, described: Record<string, string>, host: string, port: number) => ({
            environment: { PLAIN_HOST: host, PLAIN_PORT: String(port), PLAIN_NAME: connection },
            unset: ['PLAIN_SECRET'],
            url: `plain://${host}:${port}/${described.database}`,
            facts: { database: described.database },
            command: ['sh', '-c'],
          }),
        },
};

export interface ReachedGateway extends FakeGateway {
  /** Environment of a client that is logged in. */
  env: Record<string, string | undefined>;
  /** Changes of how a connection is described; null: there is none. */
  connections: Record<string, object | null>;
  /** Headers of API requests. */
  asked: { url: string | undefined; headers: Record<string, unknown> }[];
}

export async function reachedGateway(): Promise<ReachedGateway> {
  const gateway = (await fakeGateway(echo)) as ReachedGateway;
  const directory = temporaryDirectory('reached');
  const caFile = join(directory, 'ca.pem');
  writeFileSync(caFile, gateway.ca);
  const claims = Buffer.from(JSON.stringify({ iss: gateway.url, aud: 'gateway' })).toString('base64url');
  gateway.env = {
    PATH: process.env.PATH,
    HOOPCTL_GATEWAY: gateway.url,
    HOOPCTL_CA_FILE: caFile,
    HOOPCTL_TOKEN: `e30.${claims}.x`,
  };
  gateway.connections = { db: {}, other: {}, 'prod-db': {} };
  gateway.asked = [];
  gateway.server.on('request', (request, response) => {
    gateway.asked.push({ url: request.url, headers: request.headers });
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    const items = Object.entries(gateway.connections).map(([name, more]) => ({
      name,
      protocol: 'plain',
      labels: {},
      access: 'open',
      described: { database: `${name}-data` },
      ...more,
    }));
    if (request.url === '/api/v1/connections') return answer(200, { connections: items });
    const name = decodeURIComponent(/^\/api\/v1\/connections\/([^/]+)$/.exec(request.url ?? '')?.[1] ?? '');
    const item = items.find((candidate) => candidate.name === name);
    if (item !== undefined && gateway.connections[name] !== null) return answer(200, item);
    answer(404, { error: { code: 'no_such_connection', message: `there is no connection '${name}'` } });
  });
  return gateway;
}
