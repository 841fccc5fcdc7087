// E-mail addresses as people write them (RFC 5321 §4.5.3.1 for the lengths): dot-atoms and quoted local parts, domains
// of at least two labels, letters outside ASCII in both.

import { type Codes, PAD, startsWith, Units } from '../units.ts';
import { type Detector, isAlphanumeric, isLetter, type Span } from './detector.ts';

const LOCAL = 64;
const DOMAIN = 255;
const LABEL = 63;
const A_LABEL = Buffer.from('xn--');

/** Punctuation of a local part that is not more often a bracket, quote or separator round the address. */
const LOCAL_CHARACTERS = new Uint8Array(0xc0);
for (const character of '!#$%&*+?^_~-.') LOCAL_CHARACTERS[character.charCodeAt(0)] = 1;
for (let code = 0; code < 128; code++) if (isAlphanumeric(code)) LOCAL_CHARACTERS[code] = 1;

export const email: Detector = {
  name: 'email',
  triggers: { other: ['@'] },
  find(codes, at, textEnd) {
    const start = localStart(codes, at);
    if (start === at) return undefined;
    const end = domainEnd(codes, at + 1, textEnd);
    return end === undefined ? undefined : { start, end };
  },
};

/** Not the scanner's: what it found may be asked about here. */
const sole = new Units();

/** The whole text is one address: where its domain starts; undefined otherwise. */
export function soleAddress(text: string): number | undefined {
  const at = text.lastIndexOf('@');
  if (at < 0) return undefined;
  const { codes, end } = sole.text(text);
  const span: Span | undefined = email.find(codes, at + PAD, end);
  return span !== undefined && span.start === PAD && span.end === end ? at + 1 : undefined;
}

function localStart(codes: Codes, at: number): number {
  const limit = Math.max(PAD, at - LOCAL - 2);
  if (codes[at - 1]! === 34) {
    for (let i = at - 2; i >= limit; i--) if (codes[i]! === 34) return i;
    return at;
  }
  let start = at;
  while (start > limit && isLocal(codes, start - 1)) start--;
  while (start < at && codes[start]! === 46) start++;
  return start;
}

function isLocal(codes: Codes, at: number): boolean {
  const code = codes[at]!;
  if (code >= 0xc0 || LOCAL_CHARACTERS[code] === 1) return true;
  // The apostrophe of o'brien, not the quote round an address.
  return code === 39 && isAlphanumeric(codes[at - 1]!) && isAlphanumeric(codes[at + 1]!);
}

/** The end of a domain of at least two labels, the last without digits (or an A-label, RFC 5890 §2.3.2.1). */
function domainEnd(codes: Codes, from: number, textEnd: number): number | undefined {
  const limit = Math.min(textEnd, from + DOMAIN);
  let end: number | undefined;
  let label = from;
  for (let labels = 1; label < limit; labels++) {
    let position = label;
    let letters = true;
    for (; position < limit && position - label < LABEL; position++) {
      const code = codes[position]!;
      if (isLetter(code) || code >= 0xc0) continue;
      if (!isAlphanumeric(code) && code !== 45) break;
      letters = false;
    }
    // A hyphen that ends the label belongs to the sentence round the address.
    let stop = position;
    while (stop > label && codes[stop - 1]! === 45) stop--;
    if (stop === label) break;
    if (labels > 1 && stop - label >= 2 && (letters || stop < position || startsWith(codes, label, A_LABEL)))
      end = stop;
    if (stop < position || codes[position]! !== 46) break;
    label = position + 1;
  }
  return end;
}
