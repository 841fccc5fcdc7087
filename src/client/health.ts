// Two questions that a supervisor asks over HTTP: does the process live, and would a connection get through.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Client } from './client.ts';
import { listenError } from './ports.ts';

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** `GET /healthz` → 200 while the process lives; `GET /readyz` → 200 or 503 with the connections. Errors: port_taken. */
export async function serveHealth(client: Client, host: string, port: number): Promise<HealthServer> {
  const server: Server = createServer((request, response) => {
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(`${JSON.stringify(body)}\n`);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, { error: 'only GET' });
    if (request.url === '/healthz') return answer(200, { live: true });
    if (request.url !== '/readyz') return answer(404, { error: 'only /healthz and /readyz' });
    client.readiness().then(
      (readiness) => answer(readiness.ready ? 200 : 503, readiness),
      () => answer(503, { ready: false }),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, host, port, 'health')));
    server.listen({ host, port, exclusive: true }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
