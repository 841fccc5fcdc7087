// The gateway's signing keys: made at first use, kept 0600, rotated by age; old ones verify until what they signed is over.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JSONWebKeySet, type JWK } from 'jose';
import type { Clock } from '../core/clock.ts';
import { ourError } from '../core/errors.ts';
import { type Limit, limit } from '../core/limits.ts';
import type { PublicKey, SigningKeyStore } from '../session/identity/stores.ts';
import type { TokenKeys } from '../session/identity/tokens.ts';
import { readIfThere, writePrivate } from './files.ts';

const DAY = 86_400_000;
/** A key signs for this long; then, while the gateway runs, another takes over. */
export const SIGNING_KEY_MS: Limit = limit('signing_key_ms', 'ms', 90 * DAY, 1);
/** A key that signs no more still verifies for this long at least: longer than any token lasts. */
export const KEY_VERIFIES_MS = 2 * DAY;
/** Tokens with a key that nobody knows make the store be asked no more often than this. */
const REFRESH_MS = 1000;

interface StoredKey {
  readonly kid: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** When the next one took over. */
  readonly retiredAt?: number;
  readonly jwk: JWK;
}

export interface KeyFileOptions {
  readonly clock: Clock;
  /** How long a key signs; left out: the limit as declared. */
  readonly signsMs?: () => number;
  /** How long what it signed counts at most; left out: KEY_VERIFIES_MS. */
  readonly tokensLastMs?: () => number;
  /** Where the gateways of one store publish their public halves to each other. */
  readonly shared?: SigningKeyStore;
}

/** A set of ES256 keys in one file, and the public halves of the other gateways' of the same purpose. */
export class KeyFile implements TokenKeys {
  readonly #path: string;
  readonly #purpose: string;
  readonly #options: KeyFileOptions;
  #keys: readonly StoredKey[] = [];
  #others: readonly PublicKey[] = [];
  #signing!: { kid: string; key: CryptoKey };
  #public: JSONWebKeySet = { keys: [] };
  #refreshedAt = Number.NEGATIVE_INFINITY;

  private constructor(path: string, purpose: string, options: KeyFileOptions) {
    this.#path = path;
    this.#purpose = purpose;
    this.#options = options;
  }

  /** `name`: the file's name in the directory of keys, and what they sign, e.g. `tokens`. Errors: store_failed. */
  static async open(directory: string, name: string, options: KeyFileOptions): Promise<KeyFile> {
    const file = new KeyFile(join(directory, `${name}.json`), name, options);
    const text = readIfThere(file.#path);
    file.#keys = text === undefined ? [] : parse(text, file.#path);
    if (!(await file.rotateWhenOld())) {
      await file.#use();
      await file.#publish();
    }
    await file.refresh();
    return file;
  }

  /** Another key signs from now on where this one has for long enough; false where it has not. Errors: store_failed. */
  async rotateWhenOld(): Promise<boolean> {
    const newest = this.#keys.at(-1);
    if (newest !== undefined && this.#options.clock.now() - newest.createdAt <= this.#signsMs) return false;
    await this.rotate();
    return true;
  }

  /** Makes a new signing key and forgets those whose signatures are all over. */
  async rotate(): Promise<void> {
    const now = this.#options.clock.now();
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const kid = randomBytes(9).toString('base64url');
    const fresh: StoredKey = {
      kid,
      createdAt: now,
      jwk: { ...(await exportJWK(privateKey)), kid, alg: 'ES256', use: 'sig' },
    };
    const kept = this.#keys
      .map((key) => ({ ...key, retiredAt: key.retiredAt ?? now }))
      .filter((key) => now - key.retiredAt < this.#verifiesMs);
    const keys = [...kept, fresh];
    writePrivate(this.#path, `${JSON.stringify({ keys }, null, 2)}\n`);
    this.#keys = keys;
    // The others find it when the first token signed with it comes, at the latest.
    await this.#use();
    await this.#publish();
  }

  /** What the other gateways have published. Asked at most once a second; false when nothing is new. */
  async refresh(): Promise<boolean> {
    const { shared, clock } = this.#options;
    const now = clock.now();
    if (shared === undefined || now - this.#refreshedAt < REFRESH_MS) return false;
    this.#refreshedAt = now;
    const mine = new Set(this.#keys.map(({ kid }) => kid));
    const others = (await shared.list(this.#purpose, now)).filter(({ kid }) => !mine.has(kid));
    if (others.map(({ kid }) => kid).join() === this.#others.map(({ kid }) => kid).join()) return false;
    this.#others = others;
    await this.#use();
    return true;
  }

  current(): { readonly kid: string; readonly key: CryptoKey } {
    return this.#signing;
  }

  jwks(): JSONWebKeySet {
    return this.#public;
  }

  /** Private halves, newest first: for the embedded issuer, which signs with the first. */
  privateJwks(): { keys: JWK[] } {
    return { keys: this.#keys.map((key) => key.jwk).reverse() };
  }

  get #signsMs(): number {
    return this.#options.signsMs?.() ?? SIGNING_KEY_MS.value;
  }

  get #verifiesMs(): number {
    return Math.max(KEY_VERIFIES_MS, this.#options.tokensLastMs?.() ?? 0);
  }

  async #publish(): Promise<void> {
    const until = ({ createdAt, retiredAt }: StoredKey) => (retiredAt ?? createdAt + this.#signsMs) + this.#verifiesMs;
    await this.#options.shared?.publish(
      this.#purpose,
      this.#keys.map((key) => ({ kid: key.kid, jwk: openHalf(key.jwk), verifiesUntil: until(key) })),
    );
  }

  async #use(): Promise<void> {
    const newest = this.#keys.at(-1)!;
    this.#signing = { kid: newest.kid, key: (await importJWK(newest.jwk, 'ES256')) as CryptoKey };
    const all = [...this.#keys.map(({ jwk }) => openHalf(jwk)), ...this.#others.map(({ jwk }) => openHalf(jwk))];
    this.#public = { keys: all as JSONWebKeySet['keys'] };
  }
}

function openHalf({ d: _private, ...open }: JWK): JWK {
  return open as JWK;
}

function parse(text: string, path: string): readonly StoredKey[] {
  try {
    const { keys } = JSON.parse(text) as { keys: readonly StoredKey[] };
    if (Array.isArray(keys) && keys.every((key) => typeof key.kid === 'string' && typeof key.jwk?.d === 'string'))
      return keys;
  } catch {
    // Told below; what the file holds is a secret.
  }
  throw ourError('store_failed', `cannot read signing keys from "${path}": they are damaged`, {
    fix: 'restore the file from a backup, or move it away: new keys are made, and everybody logs in again',
  });
}

/** The key of masks that hash. */
export function maskKey(directory: string): Uint8Array {
  return namedKey(directory, 'mask');
}

/** 32 random bytes by this name, the same for as long as the gateway's data. */
export function namedKey(directory: string, name: string): Uint8Array {
  const path = join(directory, `${name}.key`);
  const text = readIfThere(path);
  if (text !== undefined) return Buffer.from(text.trim(), 'base64url');
  const key = randomBytes(32);
  writePrivate(path, `${key.toString('base64url')}\n`);
  return key;
}

/** Secrets that sign the embedded issuer's cookies. */
export function cookieSecrets(directory: string): readonly string[] {
  const path = join(directory, 'cookies.json');
  const text = readIfThere(path);
  if (text !== undefined) return JSON.parse(text) as string[];
  const secrets = [randomBytes(32).toString('base64url')];
  writePrivate(path, `${JSON.stringify(secrets)}\n`);
  return secrets;
}
