// A stand-in for the gateway: an HTTPS server that accepts or refuses tunnels as the test says.

import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type AcceptedTunnel, type AcceptOptions, acceptTunnel } from '../../../src/tunnel/accept.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { removeDirectory, temporaryDirectory } from '../../support/process.ts';

export interface FakeGateway {
  url: string;
  ca: string;
  server: Server;
  /** Upgrade requests so far. */
  requests: IncomingMessage[];
  /** Tunnels accepted so far. */
  tunnels: AcceptedTunnel[];
  /** Replaced by a test to refuse. True: handled. */
  intercept: (request: IncomingMessage, socket: Duplex) => boolean;
  /** What to do with an accepted tunnel. */
  serve: (tunnel: AcceptedTunnel, request: IncomingMessage) => void;
  close(): Promise<void>;
}

export async function fakeGateway(
  serve: FakeGateway['serve'] = echo,
  options: AcceptOptions & { port?: number; certificates?: { ca: string; cert: string; key: string } } = {},
): Promise<FakeGateway> {
  const certificates = options.certificates ?? (await certificatesInMemory());
  const server = createServer({ cert: certificates.cert, key: certificates.key });
  const sockets = new Set<Duplex>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const gateway: FakeGateway = {
    url: '',
    ca: certificates.ca,
    server,
    requests: [],
    tunnels: [],
    intercept: () => false,
    serve,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.on('upgrade', (request, socket, head) => {
    gateway.requests.push(request);
    if (gateway.intercept(request, socket)) return;
    const tunnel = acceptTunnel(request, socket, head, options);
    gateway.tunnels.push(tunnel);
    gateway.serve(tunnel, request);
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  gateway.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return gateway;
}

export async function certificatesInMemory(): Promise<{ ca: string; cert: string; key: string }> {
  const directory = temporaryDirectory('certificates');
  const files = await makeCertificates(directory);
  const read = (path: string) => readFileSync(path, 'utf8');
  const all = { ca: read(files.caFile), cert: read(files.certFile), key: read(files.keyFile) };
  removeDirectory(directory);
  return all;
}

/** Sends everything back, with back-pressure, and ends when the client does. */
export function echo({ stream }: AcceptedTunnel): void {
  stream.onData = (chunk) => {
    if (!stream.write(chunk)) stream.pause();
  };
  stream.onDrain = () => stream.resume();
  stream.onEnd = () => stream.end();
}
