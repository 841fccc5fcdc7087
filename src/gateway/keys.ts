// The gateway's signing keys: made at first use, kept 0600, rotated by age; old ones verify until what they signed is over.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JSONWebKeySet, type JWK } from 'jose';
import type { Clock } from '../core/clock.ts';
import { ourError } from '../core/errors.ts';
import type { TokenKeys } from '../session/identity/tokens.ts';
import { readIfThere, writePrivate } from './files.ts';

const DAY = 86_400_000;
/** A key signs for this long; a new one is made at the first look after that. */
export const KEY_SIGNS_MS = 90 * DAY;
/** A key that signs no more still verifies for this long: longer than any token lasts. */
export const KEY_VERIFIES_MS = 2 * DAY;

interface StoredKey {
  readonly kid: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** When the next one took over. */
  readonly retiredAt?: number;
  readonly jwk: JWK;
}

/** A set of ES256 keys in one file. */
export class KeyFile implements TokenKeys {
  readonly #path: string;
  readonly #clock: Clock;
  #keys: readonly StoredKey[] = [];
  #signing!: { kid: string; key: CryptoKey };
  #public: JSONWebKeySet = { keys: [] };

  private constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** `name`: the file's name in the directory of keys, e.g. `tokens`. Errors: store_failed. */
  static async open(directory: string, name: string, clock: Clock): Promise<KeyFile> {
    const file = new KeyFile(join(directory, `${name}.json`), clock);
    const text = readIfThere(file.#path);
    file.#keys = text === undefined ? [] : parse(text, file.#path);
    const newest = file.#keys.at(-1);
    if (newest === undefined || clock.now() - newest.createdAt > KEY_SIGNS_MS) await file.rotate();
    else await file.#use();
    return file;
  }

  /** Makes a new signing key and forgets those whose signatures are all over. */
  async rotate(): Promise<void> {
    const now = this.#clock.now();
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const kid = randomBytes(9).toString('base64url');
    const fresh: StoredKey = {
      kid,
      createdAt: now,
      jwk: { ...(await exportJWK(privateKey)), kid, alg: 'ES256', use: 'sig' },
    };
    const kept = this.#keys
      .map((key) => ({ ...key, retiredAt: key.retiredAt ?? now }))
      .filter((key) => now - key.retiredAt < KEY_VERIFIES_MS);
    this.#keys = [...kept, fresh];
    writePrivate(this.#path, `${JSON.stringify({ keys: this.#keys }, null, 2)}\n`);
    await this.#use();
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

  async #use(): Promise<void> {
    const newest = this.#keys.at(-1)!;
    this.#signing = { kid: newest.kid, key: (await importJWK(newest.jwk, 'ES256')) as CryptoKey };
    this.#public = {
      keys: this.#keys.map(({ jwk }) => {
        const { d: _private, ...open } = jwk;
        return open as JSONWebKeySet['keys'][number];
      }),
    };
  }
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

/** The key of masks that hash: 32 random bytes, the same for as long as the gateway's data. */
export function maskKey(directory: string): Uint8Array {
  const path = join(directory, 'mask.key');
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
