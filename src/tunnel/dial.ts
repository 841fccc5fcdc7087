// The client's half of the tunnel: opens one to a connection of the gateway, with the identity's headers.
// Refuses to know: where tokens come from, what a connection is, when to try again.

import { randomBytes } from 'node:crypto';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type HoopctlError, peerError } from '../core/errors.ts';
import type { ByteStream } from '../core/stream.ts';
import { connectionError } from '../core/unreachable.ts';
import type { TunnelEvent } from './events.ts';
import { acceptKey, TUNNEL_PROTOCOL, UNSTARTED_HEADER } from './handshake.ts';
import type { KeepAlive } from './keepalive.ts';
import { TUNNEL_DIAL_MS } from './limits.ts';
import { readRefusal } from './refusal.ts';
import { TunnelStream } from './stream.ts';

export interface DialOptions {
  /** The gateway's origin: `https://gw.example.com:7443`; plain http to this machine only. */
  readonly url: string;
  /** PEM certificates to trust instead of the system's; a leaf is enough. */
  readonly ca?: string | undefined;
  /** The name to expect in the certificate, where it is not the URL's. */
  readonly servername?: string;
  /** Headers of the upgrade. `renew`: the gateway refused the last token, get another. */
  headers(options: { renew: boolean }): Promise<Readonly<Record<string, string>>>;
  readonly keepAlive?: KeepAlive;
  /** How long an upgrade may take, ms. */
  readonly timeoutMs?: number;
}

export interface DialledTunnel {
  readonly stream: ByteStream;
  /** What the gateway tells of the session. Events that came before it is set are told then. */
  onEvent: ((event: TunnelEvent) => void) | undefined;
  /** For how many ms from now on the gateway keeps it unused; undefined where the gateway does not say. */
  readonly unstartedMs: number | undefined;
  /** Takes the tunnel into use: the session may begin before our first byte. */
  start(): void;
  /** Resolves once, when the tunnel is gone, with the error where there was one. Independent of `stream.onClose`. */
  readonly closed: Promise<Error | undefined>;
}

/** One gateway. Keeps what makes the next handshake cheap: the parsed certificates and the TLS session. */
export class TunnelDialer {
  readonly #options: DialOptions;
  readonly #url: URL;
  #context: SecureContext | undefined;
  #session: Buffer | undefined;
  /** Handshakes made so far, and how many resumed an earlier TLS session. */
  readonly handshakes = { total: 0, resumed: 0 };

  constructor(options: DialOptions) {
    this.#options = options;
    this.#url = new URL(options.url);
  }

  /**
   * Opens a tunnel to the connection of that name. A refused token is renewed once. Errors: what the gateway refused
   * with (login_needed, token_expired, access_denied, grant_needed, no_such_connection, …), gateway_certificate_*,
   * gateway_unreachable, or the signal's reason.
   */
  async dial(connection: string, signal?: AbortSignal): Promise<DialledTunnel> {
    try {
      return await this.#attempt(connection, false, signal);
    } catch (error) {
      const { code } = error as HoopctlError;
      if (code !== 'token_invalid' && code !== 'token_expired') throw error;
      return this.#attempt(connection, true, signal);
    }
  }

  async #attempt(connection: string, renew: boolean, signal: AbortSignal | undefined): Promise<DialledTunnel> {
    const headers = await this.#options.headers({ renew });
    signal?.throwIfAborted();
    const key = randomBytes(16).toString('base64');
    const secure = this.#url.protocol === 'https:';
    const request = (secure ? httpsRequest : httpRequest)({
      host: this.#url.hostname,
      port: this.#url.port || (secure ? 443 : 80),
      path: `/api/v1/connections/${encodeURIComponent(connection)}/tunnel`,
      createConnection: () => this.#connect(secure),
      headers: {
        ...headers,
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': key,
        'Sec-WebSocket-Protocol': TUNNEL_PROTOCOL,
      },
    });
    return this.#upgraded(request, key, signal);
  }

  #connect(secure: boolean): Socket {
    const host = this.#url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(this.#url.port || (secure ? 443 : 80));
    if (!secure) return netConnect({ host, port });
    const { ca, servername } = this.#options;
    this.#context ??= createSecureContext(ca === undefined ? {} : { ca, allowPartialTrustChain: true });
    const socket: TLSSocket = tlsConnect({
      host,
      port,
      servername: servername ?? (isIP(host) === 0 ? host : ''),
      secureContext: this.#context,
      session: this.#session,
      ALPNProtocols: ['http/1.1'],
    });
    socket.on('session', (ticket: Buffer) => {
      this.#session = ticket;
    });
    socket.once('secureConnect', () => {
      this.handshakes.total++;
      if (socket.isSessionReused()) this.handshakes.resumed++;
    });
    return socket;
  }

  #upgraded(request: ClientRequest, key: string, signal: AbortSignal | undefined): Promise<DialledTunnel> {
    return new Promise((resolve, reject) => {
      const bound = this.#options.timeoutMs ?? TUNNEL_DIAL_MS.value;
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${bound} ms`)), bound);
      const abort = () => request.destroy(signal?.reason);
      signal?.addEventListener('abort', abort, { once: true });
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      request.on('upgrade', (response, socket, head) => {
        settle();
        const problem = checkAnswer(response, key);
        if (problem === undefined) return resolve(this.#open(socket as Socket, head, unstarted(response)));
        socket.destroy();
        reject(problem);
      });
      request.on('response', (response) => {
        settle();
        readRefusal(response).then(reject, reject);
      });
      request.on('error', (error) => {
        settle();
        // A ticket that the gateway cannot read any more is simply not resumed; anything else must not stick.
        this.#session = undefined;
        if (signal?.aborted) reject(signal.reason);
        else reject(connectionError(this.#url, this.#options.ca !== undefined, error));
      });
      request.end();
    });
  }

  #open(socket: Socket, head: Buffer, unstartedMs: number | undefined): DialledTunnel {
    const stream = new TunnelStream(socket, 'client', head, this.#options.keepAlive);
    return {
      stream,
      closed: stream.closed,
      unstartedMs,
      start: () => stream.sendMessage({ type: 'start' }),
      get onEvent() {
        return stream.onEvent;
      },
      set onEvent(handler) {
        stream.onEvent = handler;
      },
    };
  }
}

function unstarted({ headers }: IncomingMessage): number | undefined {
  const said = headers[UNSTARTED_HEADER.toLowerCase()];
  return typeof said === 'string' && /^\d{1,12}$/.test(said) ? Number(said) : undefined;
}

/** RFC 6455 §4.1, what a client has to check. */
function checkAnswer(response: IncomingMessage, key: string): HoopctlError | undefined {
  const { headers } = response;
  const good =
    response.statusCode === 101 &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['sec-websocket-accept'] === acceptKey(key) &&
    headers['sec-websocket-protocol'] === TUNNEL_PROTOCOL &&
    headers['sec-websocket-extensions'] === undefined;
  if (good) return undefined;
  return peerError('gateway_error', 'open a tunnel: what answered the upgrade is not a hoopctl gateway', {
    fix: 'check that the address is a hoopctl gateway and that proxies in between pass WebSocket',
  });
}
