// Which connections a principal may know of, and whether it may open a session now. The policy decides; grants are looked up.

import { formatDuration } from '../core/clock.ts';
import { asHoopctlError, userError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Grant, Review } from '../session/approvals/types.ts';
import type { Principal } from '../session/identity/principal.ts';
import type { Reviewers } from '../session/policy/types.ts';
import type { Configuration, Connection } from './configuration.ts';
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

/**
 * Why a request for access, or for masks to be lifted, may not be approved as it was made by another version of the policy:
 * the one in force gives less, or asks more of it. Undefined: it may.
 */
export function requestObjection({ policy, connections }: Configuration, review: Review): string | undefined {
  if (review.policy === policy.version) return undefined;
  const connection = connections.get(review.connection);
  if (connection === undefined) return `and there is no connection "${review.connection}" any more`;
  const terms = termsOf(policy, connection, review);
  if (typeof terms === 'string') return terms;
  const { maxMs, reviewers, reason } = terms;
  if (reviewers.groups.length === 0) return 'and lets nobody approve it';
  if (review.grantMs! > maxMs) return `and gives it for ${formatDuration(maxMs)} at most`;
  const others = review.reviewers.groups.some((group) => !reviewers.groups.includes(group));
  if (others || review.reviewers.count < reviewers.count) {
    return `and wants ${reviewers.count} of ${reviewers.groups.join(', ')} to approve it`;
  }
  if (reason !== undefined && review.reason === undefined) return 'and wants a reason for asking';
  const silent = reviewers.reason !== undefined && review.reviewers.reason === undefined;
  return silent ? 'and wants a reason for the approval' : undefined;
}

function termsOf(policy: Configuration['policy'], connection: Connection, { kind, principal, masks = [] }: Review) {
  if (kind === 'grant') {
    const access = policy.access(principal, connection);
    return access.access === 'grant' ? access : `and gives ${access.access === 'open' ? 'it without' : 'no'} grant`;
  }
  try {
    const terms = policy.unmasking(
      principal,
      connection,
      masks.map(({ mask }) => mask),
    );
    return JSON.stringify(terms.masks) === JSON.stringify(masks) ? terms : 'and the masks are others';
  } catch (thrown) {
    return `and says: ${asHoopctlError(thrown).message}`;
  }
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
