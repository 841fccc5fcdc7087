// How a password or a secret is kept so that it can be checked and not read. Refuses to know: whose it is.

import { hash, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { userError } from '../core/errors.ts';

/** N = 2^15, r = 8, p = 1: 32 MiB and about 80 ms a try (OWASP's floor for scrypt with p = 3 spends as much). */
const COST = { N: 32_768, r: 8, p: 1 };
const KEY_BYTES = 32;
const SALT_BYTES = 16;

/** NIST SP 800-63B: what people choose has 8 characters at least. Counted as they are compared: composed. */
const LEAST_CHARACTERS = 8;

/** As `hashPassword`, of one that a person chose just now. Errors: usage when it is too short. */
export async function hashNewPassword(password: string): Promise<string> {
  if ([...password.normalize('NFC')].length < LEAST_CHARACTERS) {
    throw userError('usage', 'the password is too short', {
      fix: `choose one of ${LEAST_CHARACTERS} characters at least`,
    });
  }
  return hashPassword(password);
}

/** `scrypt$32768$8$1$<salt>$<key>`, base64url: the parameters travel with it, so that they can be raised later. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt, COST);
  return `scrypt$${COST.N}$${COST.r}$${COST.p}$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

/** Whether it is the password of that hash; false too for a hash that cannot be read. */
export async function passwordMatches(password: string, stored: string): Promise<boolean> {
  const match = /^scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([\w-]+)\$([\w-]+)$/.exec(stored);
  if (match === null) return false;
  const [, n, r, p, salt, key] = match as unknown as [string, string, string, string, string, string];
  const expected = Buffer.from(key, 'base64url');
  const cost = { N: Number(n), r: Number(r), p: Number(p) };
  const derived = await derive(password, Buffer.from(salt, 'base64url'), cost);
  return derived.length === expected.length && timingSafeEqual(derived, expected);
}

function derive(password: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> {
  const options: ScryptOptions = { ...cost, maxmem: 256 * cost.N * cost.r };
  return new Promise((resolve, reject) => {
    // Composed and decomposed accents are the same password (RFC 8265 §4.2.2 asks for NFC).
    scrypt(password.normalize('NFC'), salt, KEY_BYTES, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

/**
 * For secrets that we make ourselves from 256 random bits: one SHA-256 is enough. A slow hash protects what a person can
 * think of; nobody can try 2^256 values, however fast, and a CI job logs in often.
 */
export function hashSecret(secret: string): string {
  return `sha256$${hash('sha256', secret, 'hex')}`;
}

export function secretMatches(secret: string, stored: string): boolean {
  const given = Buffer.from(hashSecret(secret));
  const expected = Buffer.from(stored);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
