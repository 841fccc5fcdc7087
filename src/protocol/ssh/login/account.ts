// The account on the host: as configured, or the principal's own, out of what its issuer vouches for.
// Refuses to know: credentials, hosts.

import { userError } from '../../../core/errors.ts';
import type { Session } from '../../contract.ts';
import type { Credentials } from '../schema.ts';

/** What useradd(8) of Debian takes, and not the account of all: nobody's claim makes them root. */
const ACCOUNT = /^[a-z_][a-z0-9_.-]{0,31}$/;

/** Errors: access_denied, with what is missing or odd. */
export function accountOf(user: Credentials['user'], session: Session, connection: string): string {
  if (typeof user === 'string') return user;
  const [what, name] = 'email' in user ? ownOf(session, user.email) : claimOf(session, user.claim);
  if (name !== undefined && ACCOUNT.test(name) && name !== 'root') return name;
  const why = name === undefined ? 'there is none' : `it is ${JSON.stringify(name.slice(0, 64))}`;
  throw userError('access_denied', `no account on the host of "${connection}" goes with you by ${what}: ${why}`, {
    fix: "an account is 1 to 32 of a-z, 0-9 and . _ -, not root; ask the gateway's administrator",
  });
}

function ownOf(session: Session, domain: string): [string, string | undefined] {
  const [local, ...rest] = (session.about?.('email') ?? '').toLowerCase().split('@');
  const fits = rest.length === 1 && rest[0] === domain.toLowerCase();
  return [`the e-mail address at ${domain}`, fits ? local : undefined];
}

function claimOf(session: Session, claim: string): [string, string | undefined] {
  return [`the claim "${claim}"`, session.about?.(claim)];
}
