// Tunnels: an upgrade request → identity, access, and a visitor for the connection's protocol. A tunnel may lie in reserve
// for long; a session begins when the client takes it into use, and everything is asked again then.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { asHoopctlError, type HoopctlError, userError } from '../core/errors.ts';
import { limitExceeded } from '../core/limits.ts';
import type { Visitor } from '../protocol/contract.ts';
import type { SessionEvent } from '../session/events.ts';
import { type Authenticated, goodUntil } from '../session/identity/authenticator.ts';
import { principalKey } from '../session/identity/principal.ts';
import { type AcceptedTunnel, acceptTunnel, checkUpgrade, refuse } from '../tunnel/accept.ts';
import type { TunnelEvent } from '../tunnel/events.ts';
import { TUNNEL_UNSTARTED_MS } from '../tunnel/limits.ts';
import { requireReach } from './access.ts';
import { errorBody, publicError, statusOf } from './api/errors.ts';
import { decodeHeader } from './api/route.ts';
import { converse } from './conversation.ts';
import { UNUSED_TUNNELS } from './limits.ts';
import type { Parts } from './parts.ts';
import { withoutPort } from './refusals.ts';
import { gatewayStopping, type SessionOpener } from './sessions.ts';

const PATH = /^\/api\/v1\/connections\/([^/?]+)\/tunnel(?:\?|$)/;

export class Tunnels {
  readonly #parts: Parts;
  readonly #opener: SessionOpener;
  readonly #open = new Set<AcceptedTunnel>();
  /** Those that no session uses yet, and whose they are. */
  readonly #unused = new Map<AcceptedTunnel, string>();
  /** How many of these each principal has. */
  readonly #reserves = new Map<string, number>();

  constructor(parts: Parts, opener: SessionOpener) {
    this.#parts = parts;
    this.#opener = opener;
  }

  /** Answers an upgrade request; never throws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until the tunnel owns it: a socket that fails with nobody listening would end the process.
    const ignore = () => {};
    socket.on('error', ignore);
    this.#enter(request, socket, head).catch((thrown: unknown) => {
      const error = publicError(thrown, this.#parts.log, 'tunnel');
      this.#parts.metrics.refused.inc({ code: error.code });
      refuse(socket, statusOf(error), errorBody(error));
    });
  }

  /** Closes those that no session uses; the others end with their sessions. */
  closeUnused(): void {
    for (const tunnel of this.#unused.keys()) tunnel.stream.destroy();
  }

  /** Closes all that are left. */
  destroy(): void {
    for (const tunnel of this.#open) tunnel.stream.destroy();
  }

  async #enter(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const parts = this.#parts;
    if (this.#opener.stopping) throw gatewayStopping();
    const matched = PATH.exec(request.url ?? '');
    if (matched === null)
      throw userError('not_found', `there is nothing to upgrade at "${request.url?.slice(0, 200)}"`);
    const name = safeDecode(matched[1]!);
    const problem = checkUpgrade(request);
    if (problem !== undefined) throw problem;
    const caller = await authenticate(parts, request, 'tunnel');
    const reason = decodeHeader(one(request.headers['hoopctl-reason']), 'Hoopctl-Reason');
    const { connection } = await this.#reach(caller, name, `${request.socket.remoteAddress}`, reason);
    // Gone while it was asked who it is: nothing would ever tell of its end.
    if (socket.destroyed) return;
    const owner = principalKey(caller.principal);
    const bound = parts.configuration().limit(UNUSED_TUNNELS);
    const reserve = (this.#reserves.get(owner) ?? 0) + 1;
    if (reserve > bound.value) throw limitExceeded(bound, reserve);
    // No longer than what let it in: the client opens another with its next token.
    const longest = parts.configuration().limit(TUNNEL_UNSTARTED_MS);
    const left = Math.max(0, goodUntil(caller) - parts.clock.now());
    const tunnel = acceptTunnel(request, socket, head, {
      unstarted: { ...longest, value: Math.min(longest.value, left) },
    });
    this.#open.add(tunnel);
    this.#unused.set(tunnel, owner);
    this.#reserves.set(owner, reserve);
    void tunnel.closed.then(() => {
      this.#open.delete(tunnel);
      this.#used(tunnel);
    });
    await tunnel.started;
    this.#used(tunnel);
    // A slow watcher of events costs its own tunnel only: they travel behind its bytes.
    const watch = watched(one(request.headers['hoopctl-events']));
    const run = runOf(one(request.headers['hoopctl-run']));
    const { protocol } = connection;
    await converse(
      parts,
      protocol,
      this.#visitor(tunnel, caller, { connection: name, protocol: protocol.name, reason, run, watch }),
    );
  }

  /** What let a tunnel in may have ended while it lay in reserve. Errors: token_expired, token_invalid, principal_revoked. */
  #still(caller: Authenticated, client: string): void {
    try {
      this.#parts.authenticator.still(caller);
    } catch (thrown) {
      noteRefused(this.#parts, client, 'tunnel', asHoopctlError(thrown));
      throw thrown;
    }
  }

  #used(tunnel: AcceptedTunnel): void {
    const owner = this.#unused.get(tunnel);
    if (owner === undefined) return;
    this.#unused.delete(tunnel);
    const left = this.#reserves.get(owner)! - 1;
    if (left > 0) this.#reserves.set(owner, left);
    else this.#reserves.delete(owner);
  }

  async #reach(caller: Authenticated, connection: string, client: string, reason: string | undefined) {
    const { principal } = caller;
    try {
      return await requireReach(this.#parts, principal, connection);
    } catch (error) {
      const { code } = asHoopctlError(error);
      const fields = { verdict: 'deny', code, connection, principal, client, via: 'tunnel', reason };
      this.#parts.refusals.note('access', principalKey(principal), fields);
      throw error;
    }
  }

  #visitor(
    tunnel: AcceptedTunnel,
    caller: Authenticated,
    asked: {
      connection: string;
      protocol: string;
      reason: string | undefined;
      run: string | undefined;
      watch: Watch;
    },
  ): Visitor {
    const { connection, protocol, reason, run, watch } = asked;
    return {
      stream: tunnel.stream,
      via: 'tunnel',
      connection,
      open: async () => {
        this.#still(caller, tunnel.stream.remote);
        const opened = await this.#opener.open({
          principal: caller.principal,
          connection,
          protocol,
          client: tunnel.stream.remote,
          via: 'tunnel',
          ...(reason === undefined ? {} : { reason }),
          ...(run === undefined ? {} : { run }),
          ending: (session, { code, message }) => tunnel.sendEvent({ type: 'end', session, code, message }),
        });
        const { id } = opened.session;
        tunnel.sendEvent({ type: 'session', id });
        if (watch !== 'ends') {
          const stop = this.#parts.events.subscribe(id, (event) => {
            const told = tunnelEvent(event, watch);
            if (told !== undefined) tunnel.sendEvent(told);
          });
          void tunnel.closed.then(stop);
        }
        return opened;
      },
    };
  }
}

/** `Hoopctl-Events`: every operation, only what was refused or waits, or nothing but how the session ends. */
type Watch = 'all' | 'notable' | 'ends';

function watched(header: string | undefined): Watch {
  return header === 'ends' || header === 'notable' ? header : 'all';
}

/** `Hoopctl-Run`: the label that the client gives to all sessions of one run; anything else than one of ours is dropped. */
function runOf(header: string | undefined): string | undefined {
  return header !== undefined && /^run-[0-9a-z]{1,32}$/.test(header) ? header : undefined;
}

/** What the client is told of its session as it goes; its end is told by the session itself, earlier. */
function tunnelEvent(event: SessionEvent, watch: Watch): TunnelEvent | undefined {
  if (event.type === 'operation') {
    if (watch === 'notable' && event.verdict === 'allow') return undefined;
    const { n, text, rule } = event;
    const verdict = event.verdict === 'hold' ? 'review' : event.verdict;
    return { type: 'operation', n, text, verdict, ...(rule === undefined ? {} : { rule }) };
  }
  if (event.type === 'review') return { type: 'review', id: event.id, rule: event.rule ?? '', state: event.state };
  return undefined;
}

/** A name that is not well encoded names nothing. */
function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

type Asking = Pick<IncomingMessage, 'headers' | 'socket'>;

/**
 * The bearer of a request. `via`: what it asks for, where a refusal goes on record. Errors: login_needed, and what the
 * authenticator says.
 */
export async function authenticate(parts: Parts, request: Asking, via?: 'api' | 'tunnel'): Promise<Authenticated> {
  const { authorization } = request.headers;
  const token = authorization?.startsWith('Bearer ') ? authorization.slice(7).trim() : undefined;
  if (!token) {
    throw userError('login_needed', 'no token was given', { fix: 'log in with "hoopctl login"' });
  }
  const agent = decodeHeader(one(request.headers['hoopctl-agent']), 'Hoopctl-Agent');
  const caller = await parts.authenticator.bearer(token, agent).catch((thrown: unknown) => {
    const { remoteAddress = 'unknown', remotePort = 0 } = request.socket;
    if (via !== undefined) noteRefused(parts, `${remoteAddress}:${remotePort}`, via, asHoopctlError(thrown));
    throw thrown;
  });
  parts.newcomers.known(request);
  return caller;
}

/** That a token is over is no news: the client renews it. */
function noteRefused({ refusals }: Parts, address: string, via: string, { code, details }: HoopctlError): void {
  if (code !== 'token_invalid' && code !== 'principal_revoked') return;
  const who = details?.subject === undefined ? {} : { user: details.subject, issuer: details.issuer };
  refusals.note('login', withoutPort(address), { ok: false, address, ...who, code, via });
}
