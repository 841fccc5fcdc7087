// Who has the gateway's own roles, and whose recordings somebody may read, by the configuration in force.

import type { Principal } from '../session/identity/principal.ts';
import { allHold } from '../session/policy/condition.ts';
import type { ConnectionRef } from '../session/policy/types.ts';
import { compileWho, toConditions } from '../session/policy/who.ts';
import type { Role } from './api/route.ts';
import type { Configuration } from './configuration.ts';

/** What somebody may read of others. */
export interface Reading {
  /** Only with a reason. */
  readonly reason: boolean;
}

export interface Roles {
  of(principal: Principal): readonly Role[];
  /** What was recorded at that connection; without one: everything, and the log. Undefined: nothing. */
  reads(principal: Principal, connection?: string): Reading | undefined;
}

interface Line {
  readonly who: (principal: Principal) => boolean;
  /** Undefined: every connection, and what belongs to none. */
  readonly to: ((connection: ConnectionRef) => boolean) | undefined;
  readonly reason: boolean;
}

interface Compiled {
  readonly from: Configuration;
  readonly admin: (principal: Principal) => boolean;
  readonly auditors: readonly Line[];
}

export function rolesOf(configuration: () => Configuration): Roles {
  let made: Compiled | undefined;
  const now = (): Compiled => {
    const from = configuration();
    if (made?.from !== from) made = compile(from);
    return made;
  };
  const reads: Roles['reads'] = (principal, connection) => {
    const { admin, auditors, from } = now();
    if (isAdmin(principal, admin)) return { reason: false };
    // One that is configured no more has its name left.
    const labels = connection === undefined ? {} : (from.connections.get(connection)?.labels ?? {});
    const ref = connection === undefined ? undefined : { name: connection, labels };
    const mine = auditors.filter(
      ({ who, to }) => who(principal) && (to === undefined || (ref !== undefined && to(ref))),
    );
    return mine.length === 0 ? undefined : { reason: mine.every(({ reason }) => reason) };
  };
  return {
    reads,
    of: (principal) => [
      ...(isAdmin(principal, now().admin) ? (['admin'] as const) : []),
      ...(now().auditors.some(({ who, to }) => to === undefined && who(principal)) ? (['auditor'] as const) : []),
    ],
  };
}

function compile(from: Configuration): Compiled {
  const auditors = from.roles.auditor.map(({ who, to, reason }): Line => {
    const conditions = toConditions(to);
    return {
      who: compileWho(who),
      to: to === undefined ? undefined : (connection) => allHold(conditions, connection),
      reason: reason === 'required',
    };
  });
  return { from, admin: compileWho(from.roles.admin), auditors };
}

/** An agent that acts for an administrator does not administer. */
const isAdmin = (principal: Principal, admin: Compiled['admin']): boolean =>
  principal.kind !== 'agent' && admin(principal);
