// Why a session may do nothing more, whatever the rules say of it. Refuses to know: rules, operations.

import type { Clock } from '../core/clock.ts';
import type { Refusal, SessionEnd } from '../protocol/contract.ts';
import type { Principal } from './identity/principal.ts';
import type { PolicyInForce } from './in-force.ts';
import { refusedBecause } from './refusals.ts';

export interface Standing {
  readonly session: string;
  readonly principal: Principal;
  readonly connection: string;
  readonly grant?: { readonly endsAt: number };
  readonly clock: Clock;
  readonly revoked: (issuer: string, subject: string) => boolean;
  /** Why the session is over; undefined while it lives. */
  readonly over: () => SessionEnd | undefined;
}

/** @param unforeseen rules or masks apply that the protocol was not told of when it began. */
export function objectionTo(standing: Standing, policy: PolicyInForce, unforeseen: boolean): Refusal | undefined {
  const { session, principal, connection, grant, clock, revoked } = standing;
  const refuse = (code: Refusal['code'], message: string, next: string) => refusedBecause(session, code, message, next);
  const over = standing.over();
  if (over?.code === 'recording_failed') {
    return refuse('recording_failed', 'the session cannot be recorded any more', 'connect again');
  }
  if (over !== undefined) return refuse('access_denied', `the session is over: ${over.message}`, 'connect again');
  if (revoked(principal.issuer, principal.subject)) {
    return refuse('access_denied', 'your access was revoked', 'ask an administrator');
  }
  if (grant !== undefined && clock.now() >= grant.endsAt) {
    return refuse('access_denied', 'the grant has ended', `ask for a new one: hoopctl request ${connection}`);
  }
  if (unforeseen) {
    const message = 'rules or masks apply now that did not when the session began';
    return refuse('access_denied', message, 'connect again');
  }
  const gone = policy.accessGone;
  return gone === undefined ? undefined : refuse('access_denied', gone, 'run hoopctl ls to see what you may reach');
}
