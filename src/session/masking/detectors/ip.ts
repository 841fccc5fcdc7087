// IP addresses: v4 in dotted decimals, v6 in the text forms of RFC 4291 §2.2.

import { isIPv6 } from 'node:net';
import { asciiText, type Codes } from '../units.ts';
import { type Detector, isDigit, isHex, isWordPart, type Span } from './detector.ts';

/** The longest text of a v6 address: eight groups, the last two as dotted decimals. */
const LONGEST_V6 = 45;

export const ip: Detector = {
  name: 'ip',
  triggers: { digits: { least: 1, most: 3 }, other: [...'0123456789abcdefABCDEF:'].map((next) => `:${next}`) },
  find(codes, at, end) {
    return codes[at]! === 58 ? version6(codes, at, end) : version4(codes, at);
  },
};

function version4(codes: Codes, at: number): Span | undefined {
  // The first octet ends with a dot within three characters, or there is no address.
  if (codes[at + 1]! !== 46 && codes[at + 2]! !== 46 && codes[at + 3]! !== 46) return undefined;
  const before = codes[at - 1]!;
  if (before === 46 || isWordPart(before)) return undefined;
  let position = at;
  for (let octet = 0; octet < 4; octet++) {
    const start = position;
    let value = 0;
    while (position - start < 3 && isDigit(codes[position]!)) {
      value = value * 10 + codes[position++]! - 48;
    }
    if (position === start || value > 255) return undefined;
    if (octet < 3 && codes[position++]! !== 46) return undefined;
  }
  const after = codes[position]!;
  if (isWordPart(after) || (after === 46 && isDigit(codes[position + 1]!))) return undefined;
  return { start: at, end: position };
}

/** From its first colon. */
function version6(codes: Codes, at: number, textEnd: number): Span | undefined {
  let start = at;
  while (at - start < 5 && isHex(codes[start - 1]!)) start--;
  const before = codes[start - 1]!;
  if (at - start > 4 || before === 58 || before === 46 || isWordPart(before)) return undefined;
  let end = at;
  let colons = 0;
  let elided = false;
  for (; end < textEnd && end - start <= LONGEST_V6; end++) {
    const code = codes[end]!;
    if (code === 58) {
      colons++;
      if (codes[end + 1]! === 58) elided = true;
    } else if (!isHex(code) && code !== 46) break;
  }
  // All eight groups (six and dotted decimals), or some left out: a time of day is neither.
  if (!elided && colons < 6) return undefined;
  if (end - start > LONGEST_V6 || isWordPart(codes[end]!)) return undefined;
  // The dot or colon of the sentence round it.
  while (codes[end - 1]! === 46) end--;
  if (codes[end - 1]! === 58 && codes[end - 2]! !== 58) end--;
  if (colons < 2 || end - start < 3 || !isIPv6(asciiText(codes, start, end))) return undefined;
  // `a::b` is more often code than an address: ask for a digit.
  for (let i = start; i < end; i++) if (isDigit(codes[i]!)) return { start, end };
  return undefined;
}
