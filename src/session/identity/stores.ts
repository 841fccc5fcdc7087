// What identity keeps, as interfaces; `store/` implements them. Refuses to know: SQL, files, how a password is hashed.
// Every method may reject with `store_failed`. Times are milliseconds since the epoch.

import type { JWK } from 'jose';

/** A user of the embedded issuer. Never carries the password or its hash. */
export interface User {
  /** The login name and the `sub` of the embedded issuer's tokens; unique, compared as it is. */
  readonly name: string;
  readonly email?: string;
  readonly groups: readonly string[];
  readonly createdAt: number;
}

export interface UserStore {
  /** Errors: `conflict` when the name is taken. */
  create(user: { name: string; email?: string; groups: readonly string[]; password: string }): Promise<User>;
  get(name: string): Promise<User | undefined>;
  list(): Promise<readonly User[]>;
  /** The user when the password is right. Takes as long for an unknown name as for a wrong password. */
  verifyPassword(name: string, password: string): Promise<User | undefined>;
  /** Errors: `not_found`. */
  setPassword(name: string, password: string): Promise<void>;
  /** Errors: `not_found`. */
  setGroups(name: string, groups: readonly string[]): Promise<void>;
  /** False when there was none. */
  remove(name: string): Promise<boolean>;
}

/** A workload with a secret of ours; issuer name `service-accounts`, subject = name. */
export interface ServiceAccount {
  readonly name: string;
  readonly groups: readonly string[];
  readonly description?: string;
  readonly createdAt: number;
  /** When the secret in force was made. */
  readonly rotatedAt: number;
}

export interface ServiceAccountStore {
  /** The secret is in the answer and nowhere else, ever. Errors: `conflict`. */
  add(account: {
    name: string;
    groups: readonly string[];
    description?: string;
  }): Promise<{ account: ServiceAccount; secret: string }>;
  get(name: string): Promise<ServiceAccount | undefined>;
  list(): Promise<readonly ServiceAccount[]>;
  /** The account when the secret is right. */
  verifySecret(name: string, secret: string): Promise<ServiceAccount | undefined>;
  /** The old secret stops working at once. Errors: `not_found`. */
  rotate(name: string): Promise<{ account: ServiceAccount; secret: string }>;
  remove(name: string): Promise<boolean>;
}

/** A principal that may do nothing any more, whatever token it holds. */
export interface Revocation {
  readonly issuer: string;
  readonly subject: string;
  readonly reason?: string;
  /** Display name of who revoked. */
  readonly by: string;
  readonly at: number;
}

/** One that was taken back: what was issued before it goes on not to count. */
export type Lifted = Pick<Revocation, 'issuer' | 'subject' | 'at'>;

export interface RevocationStore {
  /** A second revocation of the same principal replaces the first. */
  add(revocation: Revocation): Promise<void>;
  /** When it was made; undefined when there was none. */
  remove(issuer: string, subject: string): Promise<number | undefined>;
  list(): Promise<readonly Revocation[]>;
  /** Those that were taken back, for longer than a token of before lasts. */
  lifted(now: number): Promise<readonly Lifted[]>;
  /** One of the gateway's own tokens by its `jti`; forgotten after `expiresAt`. */
  revokeToken(jti: string, expiresAt: number): Promise<void>;
  /** The `jti`s revoked and not yet expired at `now`. */
  revokedTokens(now: number): Promise<readonly string[]>;
}

/** The payload that oidc-provider hands to its adapter; only these keys are looked at here. */
export interface OidcPayload {
  readonly [key: string]: unknown;
  readonly grantId?: string;
  readonly userCode?: string;
  readonly uid?: string;
}

/**
 * What an oidc-provider `Adapter` needs, with the model's name as an argument. Expired entries are never found.
 * `consumed` (seconds since the epoch) appears in the payload found after `consume`, as oidc-provider expects.
 */
export interface OidcStore {
  /** `expiresIn` in seconds; undefined or 0: never expires. */
  upsert(model: string, id: string, payload: OidcPayload, expiresIn: number | undefined): Promise<void>;
  find(model: string, id: string): Promise<OidcPayload | undefined>;
  findByUserCode(model: string, userCode: string): Promise<OidcPayload | undefined>;
  findByUid(model: string, uid: string): Promise<OidcPayload | undefined>;
  /** Marks it as used; true for the first caller only, so that a code or refresh token cannot be used twice in a race. */
  consume(model: string, id: string): Promise<boolean>;
  destroy(model: string, id: string): Promise<void>;
  /** Removes every entry of every model that belongs to the grant. */
  revokeByGrantId(grantId: string): Promise<void>;
  /** Removes everything that belongs to a user (payload.accountId), e.g. when the user is removed. */
  revokeByAccountId(accountId: string): Promise<void>;
  /** Removes what has expired; returns how many. */
  purge(now: number): Promise<number>;
}

/** Small named values: metadata of signing keys, the gateway's own id, cursors. Not for secrets in clear. */
export interface KeyValue {
  get(key: string): Promise<string | undefined>;
  /** `expiresAt`: ms since the epoch; an expired value is never found. */
  set(key: string, value: string, expiresAt?: number): Promise<void>;
  /** Sets only where there is none; the value in force afterwards (two processes agree on one). */
  setIfAbsent(key: string, value: string): Promise<string>;
  delete(key: string): Promise<boolean>;
  /** Keys and values whose key starts with the prefix, in the order of the key. */
  list(prefix: string): Promise<readonly { readonly key: string; readonly value: string }[]>;
}

/** The public half of a signing key. */
export interface PublicKey {
  readonly kid: string;
  readonly jwk: JWK;
  /** What it signed counts until then. */
  readonly verifiesUntil: number;
}

/** Public halves of all gateways' keys. `purpose`: what they sign. */
export interface SigningKeyStore {
  publish(purpose: string, keys: readonly PublicKey[]): Promise<void>;
  list(purpose: string, now: number): Promise<readonly PublicKey[]>;
}
