// A principal at a connection → a live session and the target that it talks to. The last gate before a protocol begins:
// what was true when a token was shown is asked again here.

import { asHoopctlError, type HoopctlError, peerError, userError } from '../core/errors.ts';
import { newSessionId } from '../core/ids.ts';
import type { Opened, Session, SessionEnd } from '../protocol/contract.ts';
import { displayName, type Principal, principalKey } from '../session/identity/principal.ts';
import { createSession, type GatewaySession } from '../session/session.ts';
import { targetConnectLimit } from '../target/dial.ts';
import { createTarget } from '../target/target.ts';
import { requireReach } from './access.ts';
import { SESSIONS, SESSIONS_PER_PRINCIPAL } from './limits.ts';
import { neighbours } from './neighbours.ts';
import type { Parts } from './parts.ts';

export interface SessionRequest {
  readonly principal: Principal;
  readonly connection: string;
  /** The protocol that was chosen for it; a reload may have given the name to another one since. */
  readonly protocol: string;
  /** The client's address. */
  readonly client: string;
  readonly via: 'tunnel' | 'native';
  readonly reason?: string;
  /** The client's label for all sessions of one run. */
  readonly run?: string;
  /** The session of another connection that it came through. */
  readonly through?: string;
  /** Told once, when the session ends or has to: before the protocol has said goodbye. */
  readonly ending?: (session: string, reason: SessionEnd) => void;
}

/** Somebody stops it, which is nothing that failed: to its clients it is like a server that is away. */
export function gatewayStopping(): HoopctlError {
  return peerError('gateway_stopping', 'the gateway is stopping, and takes no new sessions', {
    fix: 'try again later',
  });
}

/** Opens sessions and counts those that are open. One for the gateway. */
export class SessionOpener {
  readonly #parts: Parts;
  readonly #perPrincipal = new Map<string, number>();
  #open = 0;
  /** Set when the gateway stops: nothing more is opened. */
  stopping = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Errors: gateway_stopping, principal_revoked, no_such_connection, grant_needed, limit_exceeded, recording_failed,
   * store_failed.
   */
  async open(request: SessionRequest): Promise<Opened> {
    const { principal, client } = request;
    try {
      const release = this.#reserve(principal);
      try {
        return await this.#begin(request, release);
      } catch (error) {
        release();
        throw error;
      }
    } catch (error) {
      const { code } = asHoopctlError(error);
      this.#parts.metrics.refused.inc({ code });
      const fields = { connection: request.connection, principal: displayName(principal), client, code };
      this.#parts.log.info(fields, 'session refused');
      const { via, reason } = request;
      const refused = { verdict: 'deny', code, connection: request.connection, principal, client, via, reason };
      this.#parts.refusals.note('access', principalKey(principal), refused);
      if (code === 'recording_failed') {
        const { message } = asHoopctlError(error);
        const data = { requester: displayName(principal), connection: request.connection, message, began: false };
        this.#parts.webhooks.raise({ type: 'recording.failed', throttle: request.connection, data });
      }
      throw error;
    }
  }

  async #begin(request: SessionRequest, release: () => void): Promise<Opened> {
    const parts = this.#parts;
    const { principal } = request;
    if (parts.revocations.revoked(principal.issuer, principal.subject)) {
      throw userError('principal_revoked', `access of ${displayName(principal)} was revoked`, {
        fix: 'ask an administrator',
      });
    }
    const reach = await requireReach(parts, principal, request.connection);
    const { connection } = reach;
    if (connection.protocol.name !== request.protocol) {
      throw userError('conflict', `connection "${connection.name}" was changed to another protocol`, {
        fix: 'connect again',
      });
    }
    const session = this.#create(request, reach, release);
    try {
      await parts.stores.sessions.add({ ...session.record(), gateway: parts.fleet.id, labels: connection.labels });
    } catch (error) {
      session.end({ code: 'store_failed', message: 'the session could not be listed' });
      throw error;
    }
    const target = createTarget({
      address: { connection: connection.name, ...connection.address },
      config: connection.config,
      credentials: connection.credentials,
      resolver: parts.credentials,
      log: parts.log,
      timeout: parts.configuration().limit(targetConnectLimit),
    });
    // Who is told of this session's end is not told of theirs.
    const { ending: _, ...same } = request;
    const neighbour = neighbours(parts, {
      principal,
      target: connection.address,
      open: ({ name, protocol }) =>
        this.open({ ...same, connection: name, protocol: protocol.name, through: session.id }),
    });
    return { session, target, neighbour };
  }

  /** What cannot be begun is on record as let in: why there is no recording has to be as well. */
  #begun(session: string, connection: string, options: Parameters<typeof createSession>[0]): GatewaySession {
    try {
      return createSession(options);
    } catch (thrown) {
      const { message } = asHoopctlError(thrown);
      try {
        this.#parts.audit.append('failure', { what: 'recording not begun', session, connection, message });
      } catch {
        // The log's disk may be the same; it has told so itself.
      }
      throw thrown;
    }
  }

  /** Live and on record; only the list does not know it yet. Nothing is awaited here, so that no revocation can pass by. */
  #create(
    request: SessionRequest,
    reach: Awaited<ReturnType<typeof requireReach>>,
    release: () => void,
  ): GatewaySession {
    const parts = this.#parts;
    const { principal, client, via, reason, run, through } = request;
    const { name, protocol, labels, recording, maxAgeMs } = reach.connection;
    const grant = reach.access === 'granted' ? reach.grant : undefined;
    const id = newSessionId(parts.clock.now());
    const fields = { connection: name, principal, client, via, reason, run, through };
    parts.audit.append('access', { verdict: 'allow', session: id, grant: grant?.id, ...fields });
    const session = this.#begun(id, name, {
      id,
      principal,
      connection: { name, protocol: protocol.name, labels },
      policy: () => parts.configuration().policy,
      recorder: parts.recorder,
      approvals: parts.approvals,
      unmasks: parts.unmasks,
      audit: parts.audit,
      events: parts.events,
      alerts: parts.webhooks,
      firstSeen: parts.firstSeen,
      budgets: parts.budgets,
      clock: parts.clock,
      log: parts.log,
      client,
      via,
      recording,
      revoked: (issuer, subject) => parts.revocations.revoked(issuer, subject),
      ended: (change) => parts.live.settle(id, change),
      ...(reason === undefined ? {} : { reason }),
      ...(run === undefined ? {} : { run }),
      ...(through === undefined ? {} : { through }),
      ...(grant === undefined ? {} : { grant: { id: grant.id, endsAt: grant.endsAt } }),
      ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    });
    parts.live.add(session);
    parts.metrics.sessionsOpen.inc({ connection: name, via });
    parts.log.info({ session: id, connection: name, principal: session.principal, client, via }, 'session begins');
    void session.closed.then(() => {
      release();
      const record = session.record();
      const { endCode: code, operations, denied, sealed } = record;
      parts.metrics.sessionEnded(record);
      parts.log.info({ session: id, connection: name, code, operations, denied, sealed }, 'session ended');
    });
    tellEnd(session, request.ending);
    return session;
  }

  #reserve(principal: Principal): () => void {
    if (this.stopping) throw gatewayStopping();
    const { limit } = this.#parts.configuration();
    const key = principalKey(principal);
    const mine = this.#perPrincipal.get(key) ?? 0;
    for (const [bound, count] of [
      [limit(SESSIONS_PER_PRINCIPAL), mine],
      [limit(SESSIONS), this.#open],
    ] as const) {
      if (count < bound.value) continue;
      throw userError('limit_exceeded', `${count} sessions are open, the limit ${bound.name} is ${bound.value}`, {
        fix: 'close some first; "hoopctl sessions ls --state open" lists them',
        details: { limit: bound.name, value: count, max: bound.value },
      });
    }
    this.#open += 1;
    this.#perPrincipal.set(key, mine + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#open -= 1;
      const left = (this.#perPrincipal.get(key) ?? 1) - 1;
      if (left === 0) this.#perPrincipal.delete(key);
      else this.#perPrincipal.set(key, left);
    };
  }
}

/** Says once that the session ends and why, while its client can still be told. */
function tellEnd(session: Session, ending: SessionRequest['ending']): void {
  if (ending === undefined) return;
  let told = false;
  const tell = (reason: SessionEnd) => {
    if (told) return;
    told = true;
    ending(session.id, reason);
  };
  session.signal.addEventListener('abort', () => tell(session.signal.reason as SessionEnd), { once: true });
  // The protocol's own word, before it closes the stream; `closed` would come after that.
  const end = session.end.bind(session);
  session.end = (reason) => {
    tell(reason);
    end(reason);
  };
}
