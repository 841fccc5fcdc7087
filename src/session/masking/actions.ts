// What replaces a value. Each action is pure: the same value and key give the same replacement.
// Lengths are counted in characters (code points), so that nothing is cut in half.

import { MASK_ROOM, Masked } from '../../protocol/contract.ts';
import { type ApplyBytes, constantBytes, hashBytes, keepDomainBytes, keepEndBytes } from './ascii.ts';
import { soleAddress } from './detectors/email.ts';
import { generalise } from './generalise.ts';
import { KeyedBytes } from './keyed-bytes.ts';
import { type Loudness, noisy } from './noise.ts';
import { sameFormat, sameFormatBytes } from './same-format.ts';

/** What a mask does, with its options filled in. */
export type Action =
  | { readonly kind: 'null' }
  | { readonly kind: 'full' }
  | { readonly kind: 'fixed'; readonly text: string }
  | { readonly kind: 'hash'; readonly length: number }
  | { readonly kind: 'digits' }
  | { readonly kind: 'generalise'; readonly step?: number; readonly date?: 'year' | 'month' | 'day' | 'hour' }
  | ({ readonly kind: 'noise' } & Loudness)
  | { readonly kind: 'email' }
  | { readonly kind: 'partial'; readonly first: number; readonly last: number };

/** Value → what is sent instead; null is NULL. */
export interface Apply {
  text(value: string): string | null;
  /** The same on the bytes of a value; absent where that saves nothing. */
  readonly bytes?: ApplyBytes;
}

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
  'noise',
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
  if (a.kind === 'noise' && b.kind === 'noise') return (b.percent ?? 0) - (a.percent ?? 0);
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
      return { text: () => null, bytes: () => Masked.null };
    case 'full':
      return always(FULL);
    case 'fixed':
      return always(action.text);
    case 'hash':
      return onBytes(hashBytes(new KeyedBytes(key, 'hash'), action.length));
    case 'digits': {
      const stream = new KeyedBytes(key, 'digits');
      return { text: (value) => sameFormat(value, stream), bytes: sameFormatBytes(stream) };
    }
    case 'generalise':
      return onBytes((value, from, to, out, at) => generalise(value, from, to, action, out, at));
    case 'noise': {
      const stream = new KeyedBytes(key, 'noise');
      return { text: (value) => noisy(value, action, stream) ?? FULL };
    }
    case 'email':
      return { text: keepDomain, bytes: keepDomainBytes };
    case 'partial':
      return {
        text: (value) => keepEnds(value, action.first, action.last),
        bytes: keepEndBytes(action.first, action.last),
      };
  }
}

/** Whatever the value is. */
function always(text: string): Apply {
  return /^[ -~]*$/.test(text) && text.length <= MASK_ROOM
    ? { text: () => text, bytes: constantBytes(text) }
    : { text: () => text };
}

/** An action that is wholly one on bytes; what it cannot do anything with is masked in full. */
function onBytes(bytes: ApplyBytes): Apply {
  return {
    bytes,
    text(value) {
      const utf8 = Buffer.from(value);
      const out = Buffer.allocUnsafe(utf8.length + MASK_ROOM);
      const length = bytes(utf8, 0, utf8.length, out, 0);
      return length < 0 ? FULL : out.toString('latin1', 0, length);
    },
  };
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
