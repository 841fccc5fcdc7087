// A token → the principal it speaks for: the gateway's own, an issuer's, a trusted workload issuer's, or a service
// account's secret. Refuses to know: HTTP, what the principal may do.

import type { JWTPayload } from 'jose';
import type { Clock } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { type ClaimConditions, checkActor, personFrom, unmetConditions, wireNames, workloadFrom } from './claims.ts';
import { CLOCK_SKEW, claimedIssuer, IN_THE_FUTURE, MAX_TOKEN_LENGTH, refused, verifyJwt } from './jwt.ts';
import type { IssuerKeys } from './keys.ts';
import type { Principal } from './principal.ts';
import type { ServiceAccountStore } from './stores.ts';
import { GatewayTokens, type VerifiedToken } from './tokens.ts';

/** The configured name of the embedded issuer. */
export const LOCAL_ISSUER = 'local';

/** The `issuer` of every service account's principal. */
export const SERVICE_ACCOUNTS = 'service-accounts';

/** An issuer of people. */
export interface TrustedIssuer {
  readonly name: string;
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** Claim with the groups, default `groups`. */
  readonly groups: string;
  readonly keys: IssuerKeys;
}

/** An issuer of workloads, with the conditions under which one of its tokens counts and the groups that it then has. */
export interface TrustedWorkload {
  readonly name: string;
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly subject?: string;
  readonly groups: readonly string[];
  readonly when: ClaimConditions;
  readonly keys: IssuerKeys;
}

export interface Trust {
  readonly issuers: readonly TrustedIssuer[];
  readonly workloads: readonly TrustedWorkload[];
}

/** What is revoked, at hand: every request asks. */
export interface RevocationList {
  revoked(issuer: string, subject: string): boolean;
  tokenRevoked(jti: string): boolean;
  /** Its principal was revoked since, whatever was said later. */
  outdated(issuer: string, subject: string, issuedAt: number): boolean;
}

export interface AuthenticatorOptions {
  readonly tokens: GatewayTokens;
  /** The configuration in force; asked at each token. */
  readonly trust: () => Trust;
  readonly serviceAccounts: ServiceAccountStore;
  readonly revocations: RevocationList;
  readonly clock: Clock;
}

export interface Authenticated {
  readonly principal: Principal;
  /** The gateway's own tokens only. */
  readonly jti?: string;
  /** When the token was made, ms since the epoch, where it says so. */
  readonly issuedAt?: number;
  /** When the token ends, ms since the epoch. A session that is open by then goes on. */
  readonly expiresAt: number;
  /** Reason that came with a connection token. */
  readonly reason?: string;
}

export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /**
   * The bearer of an API call or tunnel: a token of ours, or a trusted workload's own.
   * Errors: token_invalid, token_expired, principal_revoked, issuer_unreachable, usage (agent name).
   */
  async bearer(token: string, agent: string | undefined): Promise<Authenticated> {
    if (claimedIssuer(token) === this.#options.tokens.issuer) {
      if (GatewayTokens.looksLikeConnectionToken(token)) {
        throw refused({ name: 'gateway' }, ['it is a password for one connection, not for the API']);
      }
      return this.#admit(await this.#options.tokens.verify(token), agent);
    }
    return this.#admit(await this.#fromOutside(token, 'workloads'), agent);
  }

  /**
   * The subject of a token exchange (RFC 8693): an issuer's or a workload's token, never one of ours: that would let a
   * short-lived token live for ever. Errors as `bearer`.
   */
  async exchange(token: string, agent: string | undefined): Promise<Authenticated> {
    if (claimedIssuer(token) === this.#options.tokens.issuer) {
      throw refused({ name: 'gateway' }, ['a token of the gateway cannot be exchanged for another']);
    }
    return this.#admit(await this.#fromOutside(token, 'all'), agent);
  }

  /** A service account by its secret. Errors: token_invalid, principal_revoked. */
  async serviceAccount(name: string, secret: string, agent: string | undefined): Promise<Authenticated> {
    const account = await this.#options.serviceAccounts.verifySecret(name, secret);
    if (account === undefined) {
      throw userError('token_invalid', 'service account refused: unknown name or wrong secret', {
        fix: 'check HOOPCTL_CLIENT_ID and HOOPCTL_CLIENT_SECRET; an administrator makes a new secret with "hoopctl admin service-accounts rotate"',
      });
    }
    const principal: Principal = {
      kind: 'workload',
      subject: account.name,
      issuer: SERVICE_ACCOUNTS,
      groups: account.groups,
      claims: {},
    };
    return this.#admit({ principal, expiresAt: Number.POSITIVE_INFINITY }, agent);
  }

  /**
   * The password of a native client: a token for this connection, or a workload's own token. `user`, where the protocol
   * has one, has to be one of the principal's names. Errors as `bearer`.
   */
  async password(secret: string, user: string | undefined, connection: string): Promise<Authenticated> {
    const found = await this.#passwordHolder(secret, connection);
    const names = wireNames(found.principal);
    if (user !== undefined && !names.includes(user)) {
      throw refused({ name: found.principal.issuer }, [`it is not the user "${user.slice(0, 100)}"'s`]);
    }
    return this.#admit(found, undefined);
  }

  /** Who holds a key, by what the gateway said for it (`issueForKey`); `user`: the one name that was said with it. */
  async heldKey(
    proof: { readonly token: string; readonly key: string },
    user: string | undefined,
  ): Promise<Authenticated> {
    const found = await this.#options.tokens.verifyForKey(proof.token, proof.key);
    if (user !== found.principal.subject) {
      throw userError(
        'token_invalid',
        `certificate refused: it names "${(user ?? '').slice(0, 100)}", and is somebody else's`,
      );
    }
    return this.#admit(found, undefined);
  }

  async #passwordHolder(secret: string, connection: string): Promise<Authenticated> {
    if (claimedIssuer(secret) !== this.#options.tokens.issuer) return this.#fromOutside(secret, 'workloads');
    if (!GatewayTokens.looksLikeConnectionToken(secret)) {
      throw refused({ name: 'gateway' }, [`it is not for a connection: use "hoopctl token ${connection}"`]);
    }
    const verified: VerifiedToken = await this.#options.tokens.verifyForConnection(secret);
    if (verified.connection !== connection) {
      throw userError('token_invalid', `this token is for "${verified.connection}", not for "${connection}"`, {
        fix: `name "${verified.connection}", or get a token with "hoopctl token ${connection}"`,
        details: { connection: `${verified.connection}` },
      });
    }
    return verified;
  }

  /** Adds a self-declared actor, which never replaces one in the token, and refuses who is revoked. */
  #admit(found: Authenticated, agent: string | undefined): Authenticated {
    let { principal } = found;
    if (agent !== undefined && principal.actor === undefined) {
      principal = { ...principal, kind: 'agent', actor: checkActor(agent) };
    }
    this.#notRevoked({ ...found, principal });
    return { ...found, principal };
  }

  /**
   * Asked again of who was let in a while ago, before something begins. Errors: token_expired, token_invalid,
   * principal_revoked.
   */
  still(found: Authenticated): void {
    this.#notRevoked(found);
    if (this.#options.clock.now() < goodUntil(found)) return;
    throw userError('token_expired', 'the token has expired since', { fix: 'log in again with "hoopctl login"' });
  }

  /** Errors: token_invalid, principal_revoked. */
  #notRevoked({ jti, principal, issuedAt }: Authenticated): void {
    const { revocations } = this.#options;
    const { issuer, subject } = principal;
    if (jti !== undefined && revocations.tokenRevoked(jti)) {
      throw userError('token_invalid', 'token refused: it was revoked', { fix: 'log in again with "hoopctl login"' });
    }
    if (revocations.revoked(issuer, subject)) {
      throw userError('principal_revoked', `"${subject}" of issuer "${issuer}" was revoked`, {
        fix: "ask the gateway's administrator",
        details: { issuer, subject },
      });
    }
    if (issuedAt !== undefined && revocations.outdated(issuer, subject, issuedAt)) {
      throw userError('token_invalid', `token refused: "${subject}" of issuer "${issuer}" was revoked after it`, {
        fix: 'log in again with "hoopctl login"',
      });
    }
  }

  async #fromOutside(token: string, which: 'workloads' | 'all'): Promise<Authenticated> {
    const issuer = claimedIssuer(token);
    if (issuer === undefined) {
      const what = token.length > MAX_TOKEN_LENGTH ? `longer than ${MAX_TOKEN_LENGTH} characters` : 'no JWT';
      throw userError('token_invalid', `token refused: it is ${what}`, {
        fix: 'log in with "hoopctl login"; the password of a native listener is made by "hoopctl token NAME"',
      });
    }
    const { clock, trust } = this.#options;
    const { issuers, workloads } = trust();
    const problems: string[] = [];
    for (const one of workloads.filter((workload) => workload.issuer === issuer)) {
      const claims = await verifyJwt(token, { ...one, clock }).catch((error) => note(error, problems));
      if (claims === undefined) continue;
      const unmet = unmetConditions(claims, one.when);
      if (unmet.length === 0) return { principal: workloadFrom(claims, one), ...timesOf(claims) };
      problems.push(refused(one, unmet).message);
    }
    for (const one of issuers.filter((person) => person.issuer === issuer)) {
      if (which === 'workloads') {
        problems.push(`token of issuer "${one.name}" has to be exchanged for one of the gateway first`);
        continue;
      }
      const claims = await verifyJwt(token, { ...one, clock }).catch((error) => note(error, problems));
      if (claims !== undefined) return { principal: personFrom(claims, one.name, one.groups), ...timesOf(claims) };
    }
    if (problems.length === 0) {
      throw userError(
        'token_invalid',
        `token refused: its issuer "${issuer.slice(0, 200)}" is not one of this gateway's`,
        { fix: 'log in with "hoopctl login", or have the issuer added to identity in the gateway\'s configuration' },
      );
    }
    throw userError('token_invalid', problems.join('; '), {
      fix: problems.some((one) => one.includes(IN_THE_FUTURE))
        ? "compare the clocks of the issuer's machine and of the gateway's: they are more than a minute apart"
        : 'use a token of that issuer made for this gateway, as identity in its configuration says, or log in with "hoopctl login"',
    });
  }
}

/** Until when it counts, ms since the epoch: another's clock may differ from ours. */
export function goodUntil({ expiresAt, jti }: Authenticated): number {
  return jti === undefined ? expiresAt + CLOCK_SKEW : expiresAt;
}

function timesOf({ iat, exp }: JWTPayload): Pick<Authenticated, 'issuedAt' | 'expiresAt'> {
  return { expiresAt: exp! * 1000, ...(iat === undefined ? {} : { issuedAt: iat * 1000 }) };
}

/** Keeps why a token did not fit one entry, so that the next can be tried. What nobody could fix by another entry is thrown. */
function note(error: unknown, problems: string[]): undefined {
  const { code, message } = error as { code?: string; message: string };
  if (code !== 'token_invalid') throw error;
  problems.push(message);
}
