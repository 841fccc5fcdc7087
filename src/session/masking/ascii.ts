// Actions put to values that are ASCII, as bytes: most are, and a string made of each costs more than the mask.
// INVARIANT: each gives what its counterpart on strings (actions.ts) gives, or -1: then that one is asked.

import type { KeyedBytes } from './keyed-bytes.ts';

/** Writes what replaces `from`‥`to` of `value` at `at` of `out`; the bytes written, -1, or -3 (Masked) for NULL. */
export type ApplyBytes = (value: Uint8Array, from: number, to: number, out: Uint8Array, at: number) => number;

const STAR = 42;

/** `full`, `fixed`. */
export function constantBytes(text: string): ApplyBytes {
  const bytes = Buffer.from(text);
  return (_, _from, _to, out, at) => {
    for (let i = 0; i < bytes.length; i++) out[at + i] = bytes[i]!;
    return bytes.length;
  };
}

/** `partial`: stars for all but the ends; at least half is always gone. */
export function keepEndBytes(first: number, last: number): ApplyBytes {
  return (value, from, to, out, at) => {
    const length = to - from;
    const few = (first + last) * 2 > length;
    const head = few ? 0 : first;
    const tail = few ? length : length - last;
    // One loop for each piece: no question for every byte.
    let seen = 0;
    let i = 0;
    for (; i < head; i++) {
      const byte = value[from + i]!;
      seen |= byte;
      out[at + i] = byte;
    }
    for (; i < tail; i++) {
      seen |= value[from + i]!;
      out[at + i] = STAR;
    }
    for (; i < length; i++) {
      const byte = value[from + i]!;
      seen |= byte;
      out[at + i] = byte;
    }
    return seen > 127 ? -1 : length;
  };
}

/** Crockford's base 32, lower case. */
const ALPHABET = Buffer.from('0123456789abcdefghjkmnpqrstvwxyz');

/** `hash`: for any bytes; at most 102 characters, which are 64 bytes. */
export function hashBytes(stream: KeyedBytes, length: number): ApplyBytes {
  return (value, from, to, out, at) => {
    const block = stream.begin(value, from, to);
    let used = 0;
    let bits = 0;
    let held = 0;
    for (let i = 0; i < length; i++) {
      if (bits < 5) {
        held = ((held << 8) | block[used++]!) & 0xffff;
        bits += 8;
      }
      bits -= 5;
      out[at + i] = ALPHABET[(held >> bits) & 31]!;
    }
    return length;
  };
}

/** 1: in a local part; 2: in a label; 4: a letter. Less than an address may have, so that there is no doubt. */
const MAIL = new Uint8Array(256);
for (let byte = 0; byte < 128; byte++) {
  const letter = (byte >= 97 && byte <= 122) || (byte >= 65 && byte <= 90);
  if (letter) MAIL[byte] = 7;
  else if (byte >= 48 && byte <= 57) MAIL[byte] = 3;
}
for (const byte of Buffer.from('_+.')) MAIL[byte] = 1;
MAIL[45] = 3;

const LOCAL = 64;
const DOMAIN = 250;
const LABEL = 63;

/** `email`: of what is plainly one address, all but its domain. */
export const keepDomainBytes: ApplyBytes = (value, from, to, out, at) => {
  let sign = from;
  while (sign < to && (MAIL[value[sign]!]! & 1) !== 0) sign++;
  const local = sign - from;
  if (local === 0 || local > LOCAL || value[from] === 46 || value[sign] !== 64 || to - sign > DOMAIN) return -1;
  let label = sign + 1;
  let labels = 1;
  let letters = 4;
  for (let i = label; i < to; i++) {
    const byte = value[i]!;
    if (byte === 46) {
      if (i === label || value[i - 1] === 45) return -1;
      labels++;
      label = i + 1;
      letters = 4;
      continue;
    }
    const kind = MAIL[byte]!;
    if ((kind & 2) === 0 || i - label >= LABEL) return -1;
    letters &= kind;
  }
  if (labels < 2 || to - label < 2 || letters === 0) return -1;
  let n = at;
  for (let i = 0; i < 3; i++) out[n++] = STAR;
  for (let i = sign; i < to; i++) out[n++] = value[i]!;
  return n - at;
};
