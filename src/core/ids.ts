// Identifiers. Chosen by the gateway, never by a client: a client-chosen one could overwrite a record.

import { randomBytes } from 'node:crypto';

/** Crockford's base 32, lower case: no i, l, o, u to misread. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

function base32(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += ALPHABET[byte & 31];
  return out;
}

/** A session id: `s-` + 9 characters of time (ms, sortable until the year 3084) + 10 random ones (50 bits). */
export function newSessionId(now: number): string {
  let rest = now;
  let time = '';
  for (let i = 0; i < 9; i++) {
    time = ALPHABET[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  return `s-${time}${base32(randomBytes(10))}`;
}

/** A review id, short enough to type: `r-` + 8 random characters (40 bits, checked for uniqueness by the store). */
export function newReviewId(): string {
  return `r-${base32(randomBytes(8))}`;
}

/** A grant id: `g-` + 8 random characters. */
export function newGrantId(): string {
  return `g-${base32(randomBytes(8))}`;
}

/** A legal hold: `h-` + 8 random characters. */
export function newHoldId(): string {
  return `h-${base32(randomBytes(8))}`;
}

/** The id of one gateway among those of a store: `gw-` + 6 random characters. */
export function newGatewayId(): string {
  return `gw-${base32(randomBytes(6))}`;
}

/**
 * The id of one run of a client (`connect`, `exec`): `run-` + 10 random characters. Made by the client, so no more than a
 * label that its sessions share; nothing is ever found or overwritten by it.
 */
export function newRunId(): string {
  return `run-${base32(randomBytes(10))}`;
}

/** A secret of 256 bits, URL-safe. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}
