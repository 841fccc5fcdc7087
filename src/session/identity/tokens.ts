// The gateway's own tokens: short-lived JWTs that carry a Principal, for its API and tunnels, or for one connection as the
// password of a native client. Refuses to know: where keys are kept, who may have a token.

import { randomUUID } from 'node:crypto';
import { type CryptoKey, type JSONWebKeySet, SignJWT } from 'jose';
import { type Clock, formatDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { type Limit, limit } from '../../core/limits.ts';
import { claimedType, refused, verifyJwt } from './jwt.ts';
import { type IssuerKeys, localKeys } from './keys.ts';
import type { Principal, PrincipalKind } from './principal.ts';

/** How long an access token lasts. */
export const accessTokenLimit: Limit = limit('access_token_ms', 'ms', 15 * 60_000, 1000);
/** The longest that a connection token may last. */
export const connectionTokenLimit: Limit = limit('connection_token_ms', 'ms', 60 * 60_000, 1000);

export const TOKEN_AUDIENCE = 'gateway';
/** `typ` of the kinds: one is never taken for the other. */
const ACCESS_TYPE = 'at+jwt';
const CONNECTION_TYPE = 'hoopctl-connection+jwt';
const KEY_TYPE = 'hoopctl-key+jwt';

/** ES256 keys; the newest signs, all of them verify. */
export interface TokenKeys {
  current(): { readonly kid: string; readonly key: CryptoKey };
  /** Public halves. */
  jwks(): JSONWebKeySet;
  /** Looks for keys that other gateways have made; false when nothing is new. */
  refresh?(): Promise<boolean>;
}

export interface IssuedToken {
  readonly token: string;
  readonly jti: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface VerifiedToken {
  readonly principal: Principal;
  readonly jti: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Connection tokens only: what they are for, and the reason given when they were made. */
  readonly connection?: string;
  readonly reason?: string;
}

export interface GatewayTokensOptions {
  readonly keys: TokenKeys;
  /** The gateway's public URL: `iss`. */
  readonly issuer: string;
  readonly clock: Clock;
  /** The limit in force; left out: as declared. */
  readonly limit?: (declared: Limit) => Limit;
}

export class GatewayTokens {
  readonly issuer: string;
  readonly #options: GatewayTokensOptions;
  readonly #keys: IssuerKeys;

  constructor(options: GatewayTokensOptions) {
    this.#options = options;
    this.#keys = localKeys(
      () => options.keys.jwks(),
      () => options.keys.refresh?.() ?? Promise.resolve(false),
    );
    this.issuer = options.issuer;
  }

  /** A token for the API and tunnels. */
  issue(principal: Principal): Promise<IssuedToken> {
    const ttl = this.#limit(accessTokenLimit).value;
    return this.#sign(principal, ttl, ACCESS_TYPE, {});
  }

  /** A token for one connection. Errors: limit_exceeded when `ttlMs` is over `connection_token_ms`. */
  issueForConnection(
    principal: Principal,
    connection: string,
    ttlMs: number,
    reason: string | undefined,
  ): Promise<IssuedToken> {
    this.#assertShort(`token for "${connection}"`, ttlMs);
    return this.#sign(principal, ttlMs, CONNECTION_TYPE, { connection, ...(reason === undefined ? {} : { reason }) });
  }

  /** For the holder of a key (RFC 7800), inside of a credential that proves it. Errors: as `issueForConnection`. */
  issueForKey(principal: Principal, key: string, ttlMs: number, reason: string | undefined): Promise<IssuedToken> {
    this.#assertShort('certificate', ttlMs);
    return this.#sign(principal, ttlMs, KEY_TYPE, { cnf: { kid: key }, ...(reason === undefined ? {} : { reason }) });
  }

  /** Errors: token_invalid, token_expired. */
  verify(token: string): Promise<VerifiedToken> {
    return this.#verify(token, ACCESS_TYPE);
  }

  /** Errors: token_invalid, token_expired. */
  verifyForConnection(token: string): Promise<VerifiedToken> {
    return this.#verify(token, CONNECTION_TYPE);
  }

  /** Errors: token_invalid (also where it is another key's), token_expired. */
  verifyForKey(token: string, key: string): Promise<VerifiedToken> {
    return this.#verify(token, KEY_TYPE, key);
  }

  /** Whether it says to be a connection token: to tell its holder what it is not good for. */
  static looksLikeConnectionToken(token: string): boolean {
    return claimedType(token) === CONNECTION_TYPE;
  }

  /** Errors: limit_exceeded. */
  #assertShort(what: string, ttlMs: number): void {
    const bound = this.#limit(connectionTokenLimit);
    if (ttlMs <= bound.value && ttlMs >= 1000) return;
    const [asked, most] = [formatDuration(ttlMs), formatDuration(bound.value)];
    throw userError('limit_exceeded', `${what} would last ${asked}, 1s to ${most} are allowed`, {
      fix: `ask for one that does; the limit is ${bound.name}`,
      details: { limit: bound.name, value: ttlMs, max: bound.value },
    });
  }

  #limit(declared: Limit): Limit {
    return this.#options.limit?.(declared) ?? declared;
  }

  async #sign(principal: Principal, ttlMs: number, typ: string, more: Record<string, unknown>): Promise<IssuedToken> {
    const { keys, clock, issuer } = this.#options;
    const { kid, key } = keys.current();
    const jti = randomUUID();
    const exp = Math.floor((clock.now() + ttlMs) / 1000);
    const { subject, actor, ...rest } = principal;
    const token = await new SignJWT({
      ...more,
      principal: rest,
      ...(actor === undefined ? {} : { act: { sub: actor } }),
    })
      .setProtectedHeader({ alg: 'ES256', kid, typ })
      .setIssuer(issuer)
      .setAudience(TOKEN_AUDIENCE)
      .setSubject(subject)
      .setJti(jti)
      // To the millisecond, which NumericDate allows (RFC 7519 §2): it says what was first, this or a revocation.
      .setIssuedAt(clock.now() / 1000)
      .setExpirationTime(exp)
      .sign(key);
    return { token, jti, expiresAt: exp * 1000 };
  }

  async #verify(token: string, type: string, key?: string): Promise<VerifiedToken> {
    const { clock, issuer } = this.#options;
    const claims = await verifyJwt(token, {
      name: 'gateway',
      issuer,
      audiences: [TOKEN_AUDIENCE],
      keys: this.#keys,
      type,
      clock,
      late: 0,
    });
    if ((claims.cnf as { kid?: unknown } | undefined)?.kid !== key)
      throw refused({ name: 'gateway' }, ["it is another key's"]);
    const principal = principalFrom(claims as Record<string, unknown>);
    if (principal === undefined || typeof claims.jti !== 'string')
      throw refused({ name: 'gateway' }, ['it is incomplete']);
    return {
      principal,
      jti: claims.jti,
      issuedAt: (claims.iat ?? 0) * 1000,
      expiresAt: claims.exp! * 1000,
      ...(typeof claims.connection === 'string' ? { connection: claims.connection } : {}),
      ...(typeof claims.reason === 'string' ? { reason: claims.reason } : {}),
    };
  }
}

/** Reads back what `#sign` wrote; the signature says that it was us, an older version may have written other fields. */
function principalFrom(claims: Record<string, unknown>): Principal | undefined {
  const carried = claims.principal as Partial<Principal> | undefined;
  if (typeof carried !== 'object' || carried === null || typeof carried.issuer !== 'string') return undefined;
  if (!Array.isArray(carried.groups) || typeof carried.claims !== 'object') return undefined;
  const act = (claims.act as { sub?: unknown } | undefined)?.sub;
  return {
    kind: carried.kind as PrincipalKind,
    subject: String(claims.sub),
    issuer: carried.issuer,
    ...(typeof carried.email === 'string' ? { email: carried.email } : {}),
    groups: carried.groups.map(String),
    ...(typeof act === 'string' ? { actor: act } : {}),
    claims: carried.claims,
  };
}
