// Private keys in PEM (RFC 7468 §10, RFC 4880 §6.2 for PGP). One without its END line is taken to the end of the text.

import { type Codes, startsWith } from '../units.ts';
import type { Detector } from './detector.ts';

const BEGIN = Buffer.from('-----BEGIN ');
const END = Buffer.from('-----END ');
const DASHES = Buffer.from('-----');
const LABEL = 64;

export const pem: Detector = {
  name: 'pem-private-key',
  triggers: { other: ['---'] },
  swallows: true,
  find(codes, at, textEnd) {
    if (!startsWith(codes, at, BEGIN)) return undefined;
    const label = at + BEGIN.length;
    const close = indexOf(codes, DASHES, label, Math.min(label + LABEL, textEnd));
    if (close < 0 || !isPrivate(String.fromCharCode(...codes.subarray(label, close)))) return undefined;
    const end = indexOf(codes, END, close + DASHES.length, textEnd);
    if (end < 0) return { start: at, end: textEnd };
    const stop = indexOf(codes, DASHES, end + END.length, textEnd);
    return { start: at, end: stop < 0 ? textEnd : stop + DASHES.length };
  },
};

function isPrivate(label: string): boolean {
  return /^[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?$/.test(label);
}

/** Where a word begins that ends before `end`; -1 for nowhere. */
function indexOf(codes: Codes, word: Uint8Array, from: number, end: number): number {
  for (let at = from; at <= end - word.length; at++) if (startsWith(codes, at, word)) return at;
  return -1;
}
