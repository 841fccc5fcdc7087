// What replaces a value. Each action is pure: the same value and key give the same replacement.
// Lengths are counted in characters (code points), so that nothing is cut in half.

import { soleAddress } from './detectors/email.ts';
import { generalise } from './generalise.ts';
import { type KeyedHash, keyedHash } from './keyed-hash.ts';

/** What a mask does, with its options filled in. */
export type Action =
  | { readonly kind: 'null' }
  | { readonly kind: 'full' }
  | { readonly kind: 'fixed'; readonly text: string }
  | { readonly kind: 'hash'; readonly length: number }
  | { readonly kind: 'digits' }
  | { readonly kind: 'generalise'; readonly step?: number; readonly date?: 'year' | 'month' | 'day' | 'hour' }
  | { readonly kind: 'email' }
  | { readonly kind: 'partial'; readonly first: number; readonly last: number };

/** Value → what is sent instead; null is NULL. */
export type Apply = (value: string) => string | null;

/** What `full` sends: says that something is masked, and not how long it was. */
export const FULL = '***';

/** Strictest first: what it reveals of the value grows down the list. */
const STRICTNESS: readonly Action['kind'][] = [
  'null',
  'full',
  'fixed',
  'hash',
  'digits',
  'generalise',
  'email',
  'partial',
];

/** Negative when `a` reveals less than `b`. Among equal kinds the one that keeps less. */
export function compareActions(a: Action, b: Action): number {
  const byKind = STRICTNESS.indexOf(a.kind) - STRICTNESS.indexOf(b.kind);
  if (byKind !== 0) return byKind;
  if (a.kind === 'partial' && b.kind === 'partial') return a.first + a.last - (b.first + b.last) || a.first - b.first;
  if (a.kind === 'hash' && b.kind === 'hash') return a.length - b.length;
  if (a.kind === 'generalise' && b.kind === 'generalise') return (b.step ?? 0) - (a.step ?? 0);
  return 0;
}

/**
 * Whether the action shows something of the value, were it only that two are equal: on a value that the user computed
 * from a masked one, that gives it away piece by piece.
 */
export function reveals(action: Action): boolean {
  return action.kind !== 'null' && action.kind !== 'full' && action.kind !== 'fixed';
}

/** `key`: the gateway's own, at least 16 bytes; with another key every hash and every masked digit changes. */
export function applyAction(action: Action, key: Uint8Array): Apply {
  switch (action.kind) {
    case 'null':
      return () => null;
    case 'full':
      return () => FULL;
    case 'fixed':
      return () => action.text;
    case 'hash': {
      const hmac = keyedHash(key);
      return (value) => hashed(value, hmac, action.length);
    }
    case 'digits': {
      const hmac = keyedHash(key);
      return (value) => sameFormat(value, hmac);
    }
    case 'generalise':
      return (value) => generalise(value, action) ?? FULL;
    case 'email':
      return keepDomain;
    case 'partial':
      return (value) => keepEnds(value, action.first, action.last);
  }
}

/** Crockford's base 32, lower case. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

function hashed(value: string, hmac: KeyedHash, length: number): string {
  const digest = hmac('hash', value);
  let out = '';
  let bits = 0;
  let held = 0;
  for (const byte of digest) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += ALPHABET[(held >> (bits - 5)) & 31];
    held &= (1 << bits) - 1;
    if (out.length >= length) break;
  }
  return out.slice(0, length);
}

/** Every digit becomes some digit and every letter some letter (of its case in ASCII, `x` outside); the rest stays. */
function sameFormat(value: string, hmac: KeyedHash): string {
  let stream = hmac('digits', value);
  let used = 0;
  let out = '';
  for (const character of value) {
    if (used === stream.length) {
      stream = hmac('more', stream);
      used = 0;
    }
    const code = character.charCodeAt(0);
    if (code >= 48 && code <= 57) out += stream[used++]! % 10;
    else if (code >= 97 && code <= 122) out += String.fromCharCode(97 + (stream[used++]! % 26));
    else if (code >= 65 && code <= 90) out += String.fromCharCode(65 + (stream[used++]! % 26));
    else out += code >= 128 && /[\p{L}\p{N}\p{M}]/u.test(character) ? 'x' : character;
  }
  return out;
}

/** `alice@example.com` → `***@example.com`; anything that is not one address is masked in full. */
function keepDomain(value: string): string {
  const domain = soleAddress(value);
  return domain === undefined ? FULL : `${FULL}@${value.slice(domain)}`;
}

/** Stars for all but the ends; of a short value less is kept, so that at least half is always gone. */
function keepEnds(value: string, first: number, last: number): string {
  // Fast path: one UTF-16 unit a character.
  const characters = /[\ud800-\udfff]/.test(value) ? [...value] : undefined;
  const length = characters?.length ?? value.length;
  if (first + last === 0 || (first + last) * 2 > length) return '*'.repeat(length);
  const stars = '*'.repeat(length - first - last);
  if (characters === undefined) return value.slice(0, first) + stars + value.slice(length - last);
  return characters.slice(0, first).join('') + stars + characters.slice(length - last).join('');
}
