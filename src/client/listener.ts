// One local port of one connection: every socket that comes in gets a tunnel of its own. What happens to one socket
// happens to that one only; the listener stays.

import { createServer, type Server, type Socket } from 'node:net';
import { asHoopctlError, type HoopctlError, peerError, userError } from '../core/errors.ts';
import { fixedLimit } from '../core/limits.ts';
import { SocketStream } from '../core/stream.ts';
import type { Protocol } from '../protocol/contract.ts';
import type { DialledTunnel } from '../tunnel/dial.ts';
import type { TunnelEvent } from '../tunnel/events.ts';
import { isPassing } from '../tunnel/refusal.ts';
import type { SparePool } from '../tunnel/spares.ts';
import { type ClientEvent, isOrdinaryEnd } from './events.ts';
import { join, type Traffic } from './join.ts';
import { ownerOf } from './owner.ts';

/** How long a new local socket waits for a gateway that cannot be reached at the moment. */
export const CLIENT_RETRY_MS = fixedLimit('client_retry_ms', 'ms', 10_000);

const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 2000;

export interface ListenerOptions {
  readonly connection: string;
  readonly pool: SparePool;
  /** Counts the bytes of all sockets together. */
  readonly traffic: Traffic;
  readonly retryMs?: number;
  /** The number of the only user, beside root, who may use the port; undefined: everybody on this machine. */
  readonly owner?: number | undefined;
  onEvent(event: ClientEvent): void;
}

export class LocalListener {
  readonly server: Server;
  /** How its clients are told why there is no tunnel for them; until it is set they are cut off. */
  turnAway: Protocol['turnAway'];
  readonly #options: ListenerOptions;
  readonly #sockets = new Set<Socket>();
  readonly #closing = new AbortController();
  #counter = 0;
  #idle: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      void this.#serve(socket);
    });
    // Too many open files and the like: a socket could not be taken. Why it could not listen is told by who asked.
    this.server.on('error', (error) => {
      const { connection, onEvent } = options;
      if (this.server.listening) onEvent({ type: 'refused', connection, socket: 0, error: asHoopctlError(error) });
    });
  }

  /** Takes no more sockets, gives the open ones `drainMs` to end, then cuts them. */
  async close(drainMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.server.listening) this.server.close(() => resolve());
      else resolve();
    });
    if (drainMs > 0 && this.#sockets.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, drainMs);
        this.#idle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#closing.abort(new Error('the client is closing'));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(socket: Socket): Promise<void> {
    const { connection, onEvent } = this.#options;
    const number = ++this.#counter;
    const local = new SocketStream(socket);
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#idle?.();
    });
    const tunnel = await this.#tunnel(socket).catch((thrown: unknown) => {
      const error = asHoopctlError(thrown);
      if (this.#closing.signal.aborted || thrown === GONE) socket.destroy();
      else {
        onEvent({ type: 'refused', connection, socket: number, error });
        if (this.turnAway === undefined) socket.destroy();
        else void this.turnAway(local, told(error));
      }
      return undefined;
    });
    if (tunnel === undefined) return;
    onEvent({ type: 'opened', connection, socket: number, remote: local.remote });
    const mine: Traffic = { sent: 0, received: 0 };
    const session: { id: string | undefined; ended: boolean } = { id: undefined, ended: false };
    tunnel.onEvent = (event) => this.#told(event, number, session);
    const joined = join(local, tunnel.stream, mine, this.#options.traffic);
    socket.resume();
    const broken = await joined;
    // The gateway's own word for the end came as an event; then the broken stream adds nothing.
    const error = broken === undefined || session.ended ? undefined : asHoopctlError(broken);
    onEvent({ type: 'closed', connection, socket: number, session: session.id, ...mine, error });
  }

  /** A tunnel for the socket, tried again for a while when the gateway is only away. Errors: of dialling, access_denied, or GONE. */
  async #tunnel(socket: Socket): Promise<DialledTunnel> {
    const { owner } = this.#options;
    if (owner !== undefined) assertOwned(socket, owner);
    const gone = new AbortController();
    const leave = () => gone.abort(GONE);
    socket.once('close', leave);
    const signal = AbortSignal.any([this.#closing.signal, gone.signal]);
    const deadline = Date.now() + (this.#options.retryMs ?? CLIENT_RETRY_MS.value);
    try {
      for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * 2, LAST_DELAY_MS)) {
        try {
          const tunnel = await this.#options.pool.take(signal);
          if (!gone.signal.aborted) return tunnel;
          tunnel.stream.destroy();
          throw GONE;
        } catch (error) {
          if (!isPassing(error) || Date.now() + delay > deadline) throw error;
          await pause(delay, signal);
        }
      }
    } finally {
      socket.off('close', leave);
    }
  }

  #told(event: TunnelEvent, socket: number, session: { id: string | undefined; ended: boolean }): void {
    const { connection, onEvent } = this.#options;
    switch (event.type) {
      case 'session':
        session.id = event.id;
        onEvent({ type: 'session', connection, socket, session: event.id });
        break;
      case 'operation': {
        const { n, text, verdict, rule } = event;
        onEvent({ type: 'operation', connection, session: session.id, n, text, verdict, rule });
        break;
      }
      case 'review': {
        const { id: review, rule, state } = event;
        onEvent({ type: 'review', connection, session: session.id, review, rule, state });
        break;
      }
      case 'end':
        session.ended = true;
        onEvent({ type: 'end', connection, session: event.session, code: event.code, message: event.message });
    }
  }
}

/** Whoever comes through the port acts as the user that opened it. Root could do that anyway. Errors: access_denied. */
function assertOwned(socket: Socket, owner: number): void {
  const user = ownerOf(socket);
  if (user === owner || user === 0) return;
  const who = user === undefined ? 'this machine does not say whose program this is' : `this is user ${user}'s`;
  throw userError('access_denied', `this port is another user's (${owner}), and who uses it acts as them: ${who}`, {
    fix: "start a 'hoopctl connect' of your own; its owner can let others in with --allow-other-users",
  });
}

/** As the local client is told, which knows nothing of a gateway. */
function told(error: HoopctlError): HoopctlError {
  if (error.code !== 'gateway_unreachable') return error;
  return peerError(error.code, `the gateway cannot be reached: ${error.message}`, {
    fix: 'this port of "hoopctl connect" stays: when the gateway is back, connect again; "hoopctl doctor" looks for what is wrong',
    cause: error,
  });
}

/** The local client hung up while it waited: nobody is left to tell. */
const GONE = new Error('the local client hung up');

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal.addEventListener('abort', abort, { once: true });
  });
}

/** Whether an end is worth a line to the user. */
export function isTrouble(event: ClientEvent): event is Extract<ClientEvent, { type: 'refused' | 'closed' | 'end' }> {
  if (event.type === 'refused') return true;
  if (event.type === 'closed') return event.error !== undefined;
  return event.type === 'end' && !isOrdinaryEnd(event.code);
}
