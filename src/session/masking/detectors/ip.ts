// IP addresses: v4 in dotted decimals, v6 in the text forms of RFC 4291 §2.2.

import { isIPv6 } from 'node:net';
import { type Detector, isDigit, isHex, isWordPart, type Span } from './detector.ts';

/** The longest text of a v6 address: eight groups, the last two as dotted decimals. */
const LONGEST_V6 = 45;

export const ip: Detector = {
  name: 'ip',
  triggers: { digit: true, other: ':' },
  find(text, at) {
    return text.charCodeAt(at) === 58 ? version6(text, at) : version4(text, at);
  },
};

function version4(text: string, at: number): Span | undefined {
  // The first octet ends with a dot within three characters, or there is no address.
  if (text.charCodeAt(at + 1) !== 46 && text.charCodeAt(at + 2) !== 46 && text.charCodeAt(at + 3) !== 46)
    return undefined;
  const before = at > 0 ? text.charCodeAt(at - 1) : 32;
  if (before === 46 || isWordPart(before)) return undefined;
  let position = at;
  for (let octet = 0; octet < 4; octet++) {
    const start = position;
    let value = 0;
    while (position - start < 3 && isDigit(text.charCodeAt(position))) {
      value = value * 10 + text.charCodeAt(position++) - 48;
    }
    if (position === start || value > 255) return undefined;
    if (octet < 3 && text.charCodeAt(position++) !== 46) return undefined;
  }
  const after = text.charCodeAt(position);
  if (isWordPart(after) || (after === 46 && isDigit(text.charCodeAt(position + 1)))) return undefined;
  return { start: at, end: position };
}

/** From its first colon. */
function version6(text: string, at: number): Span | undefined {
  let start = at;
  while (start > 0 && at - start < 5 && isHex(text.charCodeAt(start - 1))) start--;
  const before = start > 0 ? text.charCodeAt(start - 1) : 32;
  if (at - start > 4 || before === 58 || before === 46 || isWordPart(before)) return undefined;
  let end = at;
  let colons = 0;
  let elided = false;
  for (; end < text.length && end - start <= LONGEST_V6; end++) {
    const code = text.charCodeAt(end);
    if (code === 58) {
      colons++;
      if (text.charCodeAt(end + 1) === 58) elided = true;
    } else if (!isHex(code) && code !== 46) break;
  }
  // All eight groups (six and dotted decimals), or some left out: a time of day is neither.
  if (!elided && colons < 6) return undefined;
  if (end - start > LONGEST_V6 || isWordPart(text.charCodeAt(end))) return undefined;
  // The dot or colon of the sentence round it.
  while (text.charCodeAt(end - 1) === 46) end--;
  if (text.charCodeAt(end - 1) === 58 && text.charCodeAt(end - 2) !== 58) end--;
  if (colons < 2 || end - start < 3 || !isIPv6(text.slice(start, end))) return undefined;
  // `a::b` is more often code than an address: ask for a digit.
  for (let i = start; i < end; i++) if (isDigit(text.charCodeAt(i))) return { start, end };
  return undefined;
}
