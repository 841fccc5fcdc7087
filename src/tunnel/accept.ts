// The gateway's half of the tunnel: an HTTP upgrade → a byte stream with events beside it.
// Refuses to know: who asks and for what. The gateway decides that before it calls here, or refuses.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type HoopctlError, ourError, peerError } from '../core/errors.ts';
import type { Limit } from '../core/limits.ts';
import type { ByteStream } from '../core/stream.ts';
import type { TunnelEvent } from './events.ts';
import { acceptKey, hasToken, TUNNEL_PROTOCOL, UNSTARTED_HEADER } from './handshake.ts';
import type { KeepAlive } from './keepalive.ts';
import { TUNNEL_UNSTARTED_MS } from './limits.ts';
import { TunnelStream } from './stream.ts';

export interface AcceptedTunnel {
  /** The client's bytes. `end()` half-closes; `destroy(error)` tells the client the error's code in the close frame. */
  readonly stream: ByteStream;
  /**
   * Resolves when the client takes the tunnel into use: its first bytes, or its `start`. Clients keep tunnels open in
   * reserve, so a session must not begin before. Never rejects, and never resolves for one that closes unused.
   */
  readonly started: Promise<void>;
  /** Resolves once, when the tunnel is gone, with the error where there was one. Independent of `stream.onClose`. */
  readonly closed: Promise<Error | undefined>;
  /**
   * Sends an event after the bytes written so far; operations and reviews a little later, with the bytes that follow.
   * Operations are left out while the client does not read. Does nothing on a closed tunnel.
   */
  sendEvent(event: TunnelEvent): void;
}

export interface AcceptOptions {
  /** Ping and dead-peer times; default: those of limits.ts, shared by all. */
  readonly keepAlive?: KeepAlive;
  /** How long it may stay unused. */
  readonly unstarted?: Limit;
}

/** Bytes queued towards a client beyond which it gets no more operations to look at. */
const MAX_QUEUED = 64 * 1024;

/** What is wrong with an upgrade request as a tunnel's (RFC 6455 §4.2.1); undefined when it is one. Answer 400. */
export function checkUpgrade(request: IncomingMessage): HoopctlError | undefined {
  const { headers } = request;
  const wrong = (what: string) =>
    peerError('protocol_violation', `open a tunnel: ${what}`, { fix: `use the subprotocol ${TUNNEL_PROTOCOL}` });
  if (request.method !== 'GET') return wrong(`method is ${request.method}, not GET`);
  if (headers.upgrade?.toLowerCase() !== 'websocket') return wrong('header Upgrade is not websocket');
  if (headers['sec-websocket-version'] !== '13') return wrong('header Sec-WebSocket-Version is not 13');
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '')) return wrong('no valid Sec-WebSocket-Key');
  if (!hasToken(headers['sec-websocket-protocol'], TUNNEL_PROTOCOL)) return wrong('subprotocol not offered');
  return undefined;
}

/**
 * Accepts the upgrade and answers 101. Call it in the turn of the event loop in which the decision fell; path, identity
 * and access have been decided. Throws what `checkUpgrade` finds and leaves the socket alone then.
 */
export function acceptTunnel(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: AcceptOptions = {},
): AcceptedTunnel {
  const problem = checkUpgrade(request);
  if (problem !== undefined) throw problem;
  const bound = options.unstarted ?? TUNNEL_UNSTARTED_MS;
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${acceptKey(request.headers['sec-websocket-key']!)}\r\n` +
      `Sec-WebSocket-Protocol: ${TUNNEL_PROTOCOL}\r\n` +
      `${UNSTARTED_HEADER}: ${bound.value}\r\n\r\n`,
  );
  const stream = new TunnelStream(socket as Socket, 'gateway', head, options.keepAlive);
  const timer = setTimeout(
    () => stream.destroy(ourError('client_gone', `tunnel was not used for ${bound.value} ms`)),
    bound.value,
  );
  timer.unref();
  const started = new Promise<void>((resolve) => {
    stream.onStart = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  void stream.closed.then(() => clearTimeout(timer));
  const sendEvent = (event: TunnelEvent) => {
    if (event.type === 'operation' && stream.queued > MAX_QUEUED) return;
    stream.sendMessage(event, event.type === 'session' || event.type === 'end');
  };
  return { stream, started, closed: stream.closed, sendEvent };
}

/**
 * Answers an upgrade with a plain HTTP response instead: `refuse(socket, 403, { error: {code, message, next} })`.
 * The client's half maps it back to the error.
 */
export function refuse(
  socket: Duplex,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  // The request is read and done with; an error of a socket that is being closed interests nobody.
  socket.on('error', () => {});
  const text = JSON.stringify(body);
  const lines = Object.entries({
    Connection: 'close',
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(text)),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${REASONS[status] ?? 'Refused'}\r\n${lines.join('')}\r\n${text}`);
}

const REASONS: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};
