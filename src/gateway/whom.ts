// Whom a revocation is about: a name that nobody has shuts out nobody, and looks as if it did. The issuers are known; that a
// subject was never seen is no reason against it. Refuses to know: how anybody is shut out, how it is printed.

import { userError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { LOCAL_ISSUER, SERVICE_ACCOUNTS } from '../session/identity/authenticator.ts';
import type { KeyValue, ServiceAccountStore, UserStore } from '../session/identity/stores.ts';
import type { SessionStore } from '../session/records.ts';
import type { Configuration } from './configuration.ts';

export interface Whom {
  readonly issuer: string;
  readonly subject: string;
}

export interface Seen {
  readonly users: Pick<UserStore, 'list'>;
  readonly serviceAccounts: Pick<ServiceAccountStore, 'list'>;
  readonly sessions: Pick<SessionStore, 'list'>;
}

const PREFIX = 'issuers/';

/** By the names that principals have them. */
export function issuerNames({ identity }: Pick<Configuration, 'identity'>): readonly string[] {
  return [LOCAL_ISSUER, SERVICE_ACCOUNTS, ...[...identity.issuers, ...identity.workloads].map(({ name }) => name)];
}

/** For `hoopctl admin --data`, which has no configuration. Errors: store_failed. */
export async function keepIssuers(store: Pick<KeyValue, 'set'>, gateway: string, now: Configuration): Promise<void> {
  await store.set(`${PREFIX}${gateway}`, JSON.stringify(issuerNames(now)));
}

/** Those of all gateways of the store; undefined where none has said. */
export async function keptIssuers(store: Pick<KeyValue, 'list'>): Promise<readonly string[] | undefined> {
  const kept = await store.list(PREFIX);
  return kept.length === 0 ? undefined : [...new Set(kept.flatMap(({ value }) => JSON.parse(value) as string[]))];
}

/**
 * What to be told of before it is done, or undefined. Errors: not_found, an issuer that is none of the `issuers` and that nobody
 * came from.
 */
export async function unseen(
  whom: Whom,
  issuers: readonly string[] | undefined,
  seen: Seen,
): Promise<string | undefined> {
  const { issuer, subject } = whom;
  const [came] = await seen.sessions.list({ owner: whom, limit: 1 });
  if (came !== undefined) return undefined;
  if (issuers !== undefined && !issuers.includes(issuer)) {
    const near = nearest(issuer, issuers);
    throw userError('not_found', `there is no issuer "${issuer}"`, {
      fix: near === undefined ? `it is one of ${issuers.join(', ')}` : `did you mean "${near}"?`,
    });
  }
  const names = await namesAt(issuer, seen);
  if (names?.some(({ name }) => name === subject)) return undefined;
  const meant = names?.find(({ email }) => email === subject)?.name ?? (await byEmail(whom, seen));
  const near = meant ?? nearest(subject, names?.map(({ name }) => name) ?? []);
  const told =
    names === undefined
      ? `no session of "${subject}" of the issuer "${issuer}" is on record`
      : `there is no "${subject}" at the issuer "${issuer}" now`;
  return near === undefined ? told : `${told}; did you mean "${near}"?`;
}

/** Everybody there can be of that issuer, where the gateway itself is it. */
async function namesAt(issuer: string, seen: Seen): Promise<readonly { name: string; email?: string }[] | undefined> {
  if (issuer === LOCAL_ISSUER) return seen.users.list();
  return issuer === SERVICE_ACCOUNTS ? seen.serviceAccounts.list() : undefined;
}

async function byEmail({ issuer, subject }: Whom, { sessions }: Seen): Promise<string | undefined> {
  const [one] = (await sessions.list({ who: subject })).filter(({ principal }) => principal.issuer === issuer);
  return one?.principal.subject;
}
