// The yardstick of the connect path: a bare two-hop pipe of the same shape that inspects nothing. A local TCP listener,
// one WebSocket over TLS per socket (plain `ws`, no compression), and a TCP connection to the target behind it; two
// processes. Meant to be as good as `ws` plainly used is: no delay, back-pressure both ways, nothing copied by us.
//
//   pipe.ts pipe-server --target HOST:PORT --cert FILE --key FILE [--listen HOST:PORT]
//   pipe.ts pipe-client --url wss://HOST:PORT --ca FILE [--listen HOST:PORT]
//
// Each prints `ready HOST:PORT` on stdout once it listens, and ends on SIGTERM.

import { readFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { WebSocket, WebSocketServer } from 'ws';

/** Bytes queued in a WebSocket before its source is paused. */
const HIGH_WATER = 128 * 1024;

/** Joins a TCP socket and an open WebSocket until either ends. Bytes that are early wait in the paused sockets. */
function join(tcp: Socket, ws: WebSocket): void {
  tcp.setNoDelay(true);
  tcp.on('data', (chunk) => {
    ws.send(chunk, { binary: true }, () => {
      if (tcp.isPaused() && ws.bufferedAmount < HIGH_WATER) tcp.resume();
    });
    if (ws.bufferedAmount >= HIGH_WATER) tcp.pause();
  });
  ws.on('message', (data: Buffer) => {
    if (!tcp.write(data)) ws.pause();
  });
  tcp.on('drain', () => ws.resume());
  tcp.on('close', () => ws.close());
  tcp.on('error', () => ws.close());
  ws.on('close', () => tcp.destroy());
  ws.on('error', () => tcp.destroy());
}

/** The far hop: TLS and WebSocket in, TCP to the target out. */
export function startPipeServer(options: { listen: string; target: string; cert: string; key: string }): Server {
  const [host, port] = split(options.target);
  const server = createHttpsServer({ cert: options.cert, key: options.key });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on('connection', (ws) => {
    ws.pause();
    const tcp = connect({ host, port, noDelay: true });
    tcp.once('connect', () => {
      join(tcp, ws);
      ws.resume();
    });
    tcp.once('error', () => ws.close());
  });
  return listen(server, options.listen);
}

/** The near hop: TCP in, one WebSocket over TLS per socket out. */
export function startPipeClient(options: { listen: string; url: string; ca: string }): Server {
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (tcp) => {
    const ws = new WebSocket(options.url, { ca: options.ca, perMessageDeflate: false });
    ws.once('open', () => {
      join(tcp, ws);
      tcp.resume();
    });
    ws.once('error', () => tcp.destroy());
  });
  return listen(server, options.listen);
}

function split(address: string): [string, number] {
  const at = address.lastIndexOf(':');
  return [address.slice(0, at), Number(address.slice(at + 1))];
}

function listen(server: Server, address: string): Server {
  const [host, port] = split(address);
  server.listen(port, host, () => {
    const bound = server.address() as AddressInfo;
    process.stdout.write(`ready ${bound.address}:${bound.port}\n`);
  });
  return server;
}

function main(): void {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      listen: { type: 'string', default: '127.0.0.1:0' },
      target: { type: 'string', default: '' },
      url: { type: 'string', default: '' },
      cert: { type: 'string', default: '' },
      key: { type: 'string', default: '' },
      ca: { type: 'string', default: '' },
    },
  });
  const read = (path: string) => readFileSync(path, 'utf8');
  const { listen: address } = values;
  if (positionals[0] === 'pipe-server') {
    startPipeServer({ listen: address, target: values.target, cert: read(values.cert), key: read(values.key) });
  } else if (positionals[0] === 'pipe-client') {
    startPipeClient({ listen: address, url: values.url, ca: read(values.ca) });
  } else {
    process.stderr.write('pipe.ts: name a mode, pipe-server or pipe-client\n');
    process.exitCode = 2;
  }
}

if (import.meta.main) main();
