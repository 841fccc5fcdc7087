// E-mail addresses as people write them (RFC 5321 §4.5.3.1 for the lengths): dot-atoms and quoted local parts, domains
// of at least two labels, letters outside ASCII in both.

import { type Detector, isAlphanumeric, isLetter, type Span } from './detector.ts';

const LOCAL = 64;
const DOMAIN = 255;
const LABEL = 63;

/** Punctuation of a local part that is not more often a bracket, quote or separator round the address. */
const LOCAL_PUNCTUATION = new Set([...'!#$%&*+?^_~-.'].map((character) => character.charCodeAt(0)));

export const email: Detector = {
  name: 'email',
  triggers: { other: '@' },
  find(text, at) {
    const start = localStart(text, at);
    if (start === at) return undefined;
    const end = domainEnd(text, at + 1);
    return end === undefined ? undefined : { start, end };
  },
};

/** The whole text is one address: where its domain starts; undefined otherwise. */
export function soleAddress(text: string): number | undefined {
  const at = text.lastIndexOf('@');
  if (at < 0) return undefined;
  const span: Span | undefined = email.find(text, at);
  return span !== undefined && span.start === 0 && span.end === text.length ? at + 1 : undefined;
}

function localStart(text: string, at: number): number {
  const limit = Math.max(0, at - LOCAL - 2);
  if (text.charCodeAt(at - 1) === 34) {
    for (let i = at - 2; i >= limit; i--) if (text.charCodeAt(i) === 34) return i;
    return at;
  }
  let start = at;
  while (start > limit && isLocal(text, start - 1)) start--;
  while (start < at && text.charCodeAt(start) === 46) start++;
  return start;
}

function isLocal(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (isAlphanumeric(code) || code >= 0xc0 || LOCAL_PUNCTUATION.has(code)) return true;
  // The apostrophe of o'brien, not the quote round an address.
  return code === 39 && at > 0 && isAlphanumeric(text.charCodeAt(at - 1)) && isAlphanumeric(text.charCodeAt(at + 1));
}

/** The end of a domain of at least two labels, the last without digits (or an A-label, RFC 5890 §2.3.2.1). */
function domainEnd(text: string, from: number): number | undefined {
  const limit = Math.min(text.length, from + DOMAIN);
  let end: number | undefined;
  let label = from;
  for (let labels = 1; label < limit; labels++) {
    let position = label;
    let letters = true;
    for (; position < limit && position - label < LABEL; position++) {
      const code = text.charCodeAt(position);
      if (isLetter(code) || code >= 0xc0) continue;
      if (!isAlphanumeric(code) && code !== 45) break;
      letters = false;
    }
    // A hyphen that ends the label belongs to the sentence round the address.
    let stop = position;
    while (stop > label && text.charCodeAt(stop - 1) === 45) stop--;
    if (stop === label) break;
    if (labels > 1 && stop - label >= 2 && (letters || stop < position || text.startsWith('xn--', label))) end = stop;
    if (stop < position || text.charCodeAt(position) !== 46) break;
    label = position + 1;
  }
  return end;
}
