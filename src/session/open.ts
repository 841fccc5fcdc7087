// From a principal and a connection to a session, or to the reason why not: identity → access → grant → recording.
// Refuses to know: listeners, tokens, protocols.

import type { Clock } from '../core/clock.ts';
import { asHoopctlError, userError } from '../core/errors.ts';
import { newSessionId } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { Approvals } from './approvals/approvals.ts';
import type { Grants } from './approvals/grants.ts';
import type { Grant } from './approvals/types.ts';
import type { SessionEvents } from './events.ts';
import { displayName, type Principal } from './identity/principal.ts';
import type { Policy, Reviewers } from './policy/types.ts';
import type { AuditLog } from './recorder/log.ts';
import type { Recorder } from './recorder/recorder.ts';
import type { RowLimits } from './recorder/recording.ts';
import type { SessionStore } from './records.ts';
import type { SessionRegistry } from './registry.ts';
import { createSession, type GatewaySession } from './session.ts';

export interface SessionServices {
  readonly policy: () => Policy;
  readonly recorder: Recorder;
  readonly approvals: Approvals;
  readonly grants: Grants;
  readonly audit: AuditLog;
  readonly events: SessionEvents;
  readonly registry: SessionRegistry;
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly log: Log;
  /** For rules that name no reviewers: the administrators. */
  readonly reviewers?: Reviewers;
  readonly revoked: (issuer: string, subject: string) => boolean;
}

export interface OpenRequest {
  readonly principal: Principal;
  readonly connection: {
    readonly name: string;
    readonly protocol: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly rows?: RowLimits;
    readonly maxAgeMs?: number;
  };
  /** The client's address. */
  readonly client: string;
  readonly via?: 'tunnel' | 'native';
  readonly reason?: string;
}

/**
 * The session, live, registered and on record. Errors: `principal_revoked`, `access_denied`, `grant_needed`,
 * `recording_failed`, `store_failed`; every verdict on access is in the log.
 */
export async function openSession(services: SessionServices, request: OpenRequest): Promise<GatewaySession> {
  const { principal, connection, client, via, reason } = request;
  const grant = await checkAccess(services, request);
  const id = newSessionId(services.clock.now());
  services.audit.append('access', { ...accessFields(request), verdict: 'allow', session: id, grant: grant?.id });
  const session = createSession({
    ...services,
    id,
    principal,
    connection,
    client,
    via,
    reason,
    grant,
    maxAgeMs: connection.maxAgeMs,
    rows: connection.rows,
    ended: (change) => services.store.update(id, change),
  });
  services.registry.add(session);
  try {
    await services.store.add(session.record());
  } catch (thrown) {
    const error = asHoopctlError(thrown);
    session.end({ code: 'store_failed', message: error.message });
    throw error;
  }
  // Revoked, or the grant, while the store was asked: whoever cuts live sessions may have come before this one was there.
  if (services.revoked(principal.issuer, principal.subject)) {
    session.kill({ code: 'principal_revoked', message: 'access was revoked' });
  }
  return session;
}

/** The grant to run on, undefined where none is needed; throws the refusal. */
async function checkAccess(services: SessionServices, request: OpenRequest): Promise<Grant | undefined> {
  const { principal, connection } = request;
  const refuse = (why: string): void => {
    services.audit.append('access', { ...accessFields(request), verdict: 'deny', why });
  };
  if (services.revoked(principal.issuer, principal.subject)) {
    refuse('revoked');
    throw userError('principal_revoked', `access of ${displayName(principal)} was revoked`, {
      fix: 'ask an administrator',
    });
  }
  const access = services.policy().access(principal, connection);
  if (access.access === 'open') return undefined;
  if (access.access === 'grant') {
    const grant = await services.grants.active(principal, connection.name);
    if (grant !== undefined) return grant;
    refuse('no grant');
    throw userError('grant_needed', `"${connection.name}" needs a grant, and ${displayName(principal)} has none`, {
      fix: `ask for one: hoopctl request ${connection.name} --for 1h --reason "why"`,
    });
  }
  refuse('no access');
  throw userError('access_denied', `${displayName(principal)} has no access to "${connection.name}"`, {
    fix: 'run hoopctl ls to see what you may reach, or ask an administrator for an access line',
  });
}

function accessFields(request: OpenRequest): Record<string, unknown> {
  const { principal, connection, client, via, reason } = request;
  return { principal, connection: connection.name, client, via, reason };
}
