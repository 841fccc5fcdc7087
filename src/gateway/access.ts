// Which connections a principal may know of, and whether it may open a session now. The policy decides; grants are looked up.

import { userError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Grant } from '../session/approvals/types.ts';
import type { Principal } from '../session/identity/principal.ts';
import type { Reviewers } from '../session/policy/types.ts';
import type { Connection } from './configuration.ts';
import type { Parts } from './parts.ts';

/** A connection that a principal may know of. */
export type Reach =
  | { readonly connection: Connection; readonly access: 'open' }
  | { readonly connection: Connection; readonly access: 'granted'; readonly grant: Grant }
  | {
      readonly connection: Connection;
      readonly access: 'grant';
      readonly maxMs: number;
      readonly reviewers: Reviewers;
      readonly breakGlass?: { readonly maxMs: number };
    };

/** Every connection that the principal may reach or ask for, by name. */
export async function reachable(parts: Parts, principal: Principal): Promise<Reach[]> {
  const { connections } = parts.configuration();
  const found = await Promise.all([...connections.values()].map((one) => reach(parts, principal, one)));
  return found.filter((one) => one !== undefined).sort((a, b) => (a.connection.name < b.connection.name ? -1 : 1));
}

/**
 * One connection. Errors: no_such_connection, also where there is one that the principal may not know of; the nearest name
 * is suggested from those that it may.
 */
export async function findReach(parts: Parts, principal: Principal, name: string): Promise<Reach> {
  const connection = parts.configuration().connections.get(name);
  const found = connection === undefined ? undefined : await reach(parts, principal, connection);
  if (found !== undefined) return found;
  const { policy, connections } = parts.configuration();
  const visible = [...connections.values()].filter((one) => policy.access(principal, one).access !== 'none');
  const near = nearest(
    name,
    visible.map((one) => one.name),
  );
  const shown = name.slice(0, 100);
  throw userError('no_such_connection', `there is no connection "${shown}" that you may reach`, {
    fix: near === undefined ? 'run "hoopctl ls" to see those you may' : `did you mean "${near}"?`,
  });
}

/** A session may be opened now. Errors: no_such_connection, grant_needed. */
export async function requireReach(
  parts: Parts,
  principal: Principal,
  name: string,
): Promise<Exclude<Reach, { access: 'grant' }>> {
  const found = await findReach(parts, principal, name);
  if (found.access !== 'grant') return found;
  const how = found.reviewers.groups.length > 0 ? '--for 1h' : '--break-glass';
  throw userError('grant_needed', `connection "${name}" needs a grant, and you have none now`, {
    fix: `ask for one: hoopctl request ${name} ${how} --reason "…"`,
  });
}

async function reach(parts: Parts, principal: Principal, connection: Connection): Promise<Reach | undefined> {
  const access = parts.configuration().policy.access(principal, connection);
  if (access.access === 'none') return undefined;
  if (access.access === 'open') return { connection, access: 'open' };
  const grant = await parts.grants.active(principal, connection.name);
  if (grant !== undefined) return { connection, access: 'granted', grant };
  const { maxMs, reviewers, breakGlass } = access;
  return { connection, access: 'grant', maxMs, reviewers, ...(breakGlass === undefined ? {} : { breakGlass }) };
}
