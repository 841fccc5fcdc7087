// Token sources: a login kept by this user, or a proof that the environment gives. Both end in a gateway token that is
// renewed shortly before it expires. INVARIANT: a refresh token is used by one process at a time, and the one that
// follows it is kept before anything else is done; a reused one would revoke the whole login.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type ErrorCode, type HoopctlError, userError } from '../core/errors.ts';
import type { TokenSource } from './access.ts';
import { exchange, type GatewayToken, type Proof } from './exchange.ts';
import type { KnownGateway } from './gateways.ts';
import type { Trust } from './http.ts';
import { openIssuer } from './issuer.ts';
import type { SecretStore } from './keychain.ts';
import { withLock } from './lock.ts';
import type { Paths } from './paths.ts';

/** A token with less life than this left is renewed first: a request and a handshake fit in. */
const MARGIN_MS = 60_000;

/** Longer than a renewal takes at worst (two time-outs), so that waiting is not mistaken for hanging. */
const LOCK_WAIT_MS = 60_000;

/** By how much what an issuer gives next may be longer than twice what it gave. */
const ROOM_CHARS = 4096;

/** What is kept in the keychain for one login. */
export interface KeptLogin {
  readonly v: 1;
  readonly refreshToken?: string;
  /** The issuer's last token, for issuers that give no refresh token: good until it expires. */
  readonly subject?: { readonly token: string; readonly type: 'id_token' | 'access_token' };
  readonly gatewayToken: string;
  /** ms since the epoch, by this machine's clock. */
  readonly gatewayTokenExpiresAt: number;
  /** Why the last renewal was refused, for `status`, which asks nobody. */
  readonly refused?: { readonly at: number; readonly message: string };
}

/** What refuses the login itself: anything else may be over by the next time. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'login_expired',
  'login_denied',
  'token_invalid',
  'token_expired',
  'principal_revoked',
]);

export function parseKept(text: string | undefined): KeptLogin | undefined {
  if (text === undefined) return undefined;
  try {
    const kept = JSON.parse(text) as KeptLogin;
    return kept.v === 1 ? kept : undefined;
  } catch {
    return undefined;
  }
}

export interface LoginSourceOptions {
  readonly gateway: KnownGateway;
  readonly trust: Trust;
  readonly store: SecretStore;
  readonly paths: Paths;
}

export function lockPath(paths: Paths, gateway: KnownGateway): string {
  const name = createHash('sha256')
    .update(gateway.account ?? gateway.url)
    .digest('hex')
    .slice(0, 16);
  return join(paths.config, 'locks', `token-${name}`);
}

/** The login of this user at that gateway. */
export function loginSource(options: LoginSourceOptions): TokenSource {
  const { gateway, store, paths } = options;
  const account = gateway.account;
  const issuer = gateway.issuer;
  if (account === undefined || issuer === undefined) return failing(notLoggedIn(gateway.url));
  const load = async (): Promise<KeptLogin> => {
    const kept = parseKept(await store.get(account));
    if (kept === undefined) throw notLoggedIn(gateway.url);
    return kept;
  };
  let known: KeptLogin | undefined;
  const renew = async (refused: string | undefined): Promise<KeptLogin> =>
    withLock(lockPath(paths, gateway), LOCK_WAIT_MS, async () => {
      const kept = await load();
      // Another process was faster: what it got is as good for us.
      if (isFresh(kept) && kept.gatewayToken !== refused) return kept;
      const save = (next: KeptLogin) => store.set(account, JSON.stringify(next));
      // A refresh token is given once. Where a longer login than this one could not be kept now, none is asked for: what is
      // written here makes the room that what comes takes. (Blanks at the end of JSON mean nothing.)
      if (store.kind === 'file') {
        const text = JSON.stringify(kept);
        await store.set(account, text.padEnd(2 * text.length + ROOM_CHARS));
      }
      return renewKept(options, kept, save).catch(async (error: HoopctlError) => {
        // On top of what was saved on the way: the new refresh token.
        if (REFUSALS.has(error.code)) {
          const refused = { at: Date.now(), message: error.message };
          await load()
            .then((last) => save({ ...last, refused }))
            .catch(() => {});
        }
        throw error;
      });
    });
  return shared(async (again) => {
    const refused = again ? known?.gatewayToken : undefined;
    if (!again && known !== undefined && isFresh(known)) return known.gatewayToken;
    if (!again) known = await load();
    if (again || !isFresh(known!)) known = await renew(refused);
    return known!.gatewayToken;
  });
}

async function renewKept(
  { gateway, trust }: LoginSourceOptions,
  kept: KeptLogin,
  save: (kept: KeptLogin) => Promise<void>,
): Promise<KeptLogin> {
  let current = kept;
  if (kept.refreshToken !== undefined) {
    const issuer = await openIssuer(gateway.issuer!, gateway.url, trust);
    const { subject, refreshToken } = await issuer.refresh(kept.refreshToken);
    current = { ...kept, subject, ...(refreshToken === undefined ? {} : { refreshToken }) };
    // Before the exchange: if that fails or we are killed, the new refresh token is not lost.
    await save(current);
  }
  if (current.subject === undefined) throw loginExpired(gateway.url);
  const { token, expiresAt } = await exchange(gateway.url, trust, { by: 'token', ...current.subject }).catch(
    (error: HoopctlError) => {
      // The issuer gave no refresh token and its only token has run out.
      throw kept.refreshToken === undefined && error.fault === 'user' ? loginExpired(gateway.url, error) : error;
    },
  );
  const { refused: _, ...good } = current;
  const renewed: KeptLogin = { ...good, gatewayToken: token, gatewayTokenExpiresAt: expiresAt };
  await save(renewed);
  return renewed;
}

function isFresh(kept: KeptLogin): boolean {
  return kept.gatewayTokenExpiresAt - MARGIN_MS > Date.now();
}

/** A proof from the environment, asked for anew at each renewal (a file may have been replaced, a CI gives a new one). */
export function proofSource(url: string, trust: Trust, proof: () => Promise<Proof>): TokenSource {
  let known: GatewayToken | undefined;
  let renewFrom = 0;
  return shared(async (again) => {
    if (again || known === undefined || renewFrom <= Date.now()) {
      known = await exchange(url, trust, await proof());
      renewFrom = known.expiresAt - margin(known.expiresAt - Date.now());
    }
    return known.token;
  });
}

/** By how much before its end a token of that life is renewed: a very short-lived one not at every call. */
function margin(lifeMs: number): number {
  return Math.min(MARGIN_MS, Math.max(0, lifeMs / 5));
}

/** A token that is the gateway's own already, read anew each time. */
export function bearerSource(read: () => Promise<string>): TokenSource {
  return { token: read };
}

export function failing(error: HoopctlError): TokenSource {
  return { token: () => Promise.reject(error) };
}

/** Calls that come while one is under way get its answer. */
function shared(get: (renew: boolean) => Promise<string>): TokenSource {
  const pending = new Map<boolean, Promise<string>>();
  return {
    token: (options = {}) => {
      const renew = options.renew === true;
      let promise = pending.get(renew);
      if (promise === undefined) {
        promise = get(renew).finally(() => pending.delete(renew));
        pending.set(renew, promise);
      }
      return promise;
    },
  };
}

export function notLoggedIn(url: string): HoopctlError {
  return userError('login_needed', `not logged in to '${url}'`, { fix: `run 'hoopctl login ${url}'` });
}

function loginExpired(url: string, cause?: unknown): HoopctlError {
  return userError('login_expired', `the login to '${url}' has expired`, {
    fix: `run 'hoopctl login ${url}' again`,
    cause,
  });
}
