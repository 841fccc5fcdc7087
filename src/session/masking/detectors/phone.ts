// Telephone numbers: E.164 with its plus sign (at most 15 digits, ITU-T E.164 §6), the North American form (NXX NXX XXXX)
// and national forms with a trunk zero. The latter two only with separators: bare digits are more often an identifier.

import { type Detector, isAlphanumeric, isBlank, isDash, isDigit, type Span } from './detector.ts';

/** Scratch for one search: the lengths of the groups of digits, and where each ends. */
const groups: number[] = [];
const ends: number[] = [];

export const phone: Detector = {
  name: 'phone',
  triggers: { digit: true, other: '+(' },
  find(text, at) {
    const first = text.charCodeAt(at);
    const before = at > 0 ? text.charCodeAt(at - 1) : 32;
    if (first === 43) return isAlphanumeric(before) || before === 43 ? undefined : international(text, at);
    const bracket = first === 40;
    const start = bracket ? at + 1 : at;
    // Most runs of digits are no telephone number: tell by the fourth character at the latest.
    if (text.length < start + 9 || !isDigit(text.charCodeAt(start + 1))) return undefined;
    if (isAlphanumeric(before) || before === 46 || before === 43) return undefined;
    const digit = text.charCodeAt(start);
    if (digit === 48) return isDash(before) && isDigit(text.charCodeAt(at - 2)) ? undefined : trunk(text, at, bracket);
    if (digit < 50 || digit > 57 || !isDigit(text.charCodeAt(start + 2)) || isDigit(text.charCodeAt(start + 3)))
      return undefined;
    return northAmerican(text, at, bracket);
  },
};

/** `+49 (0)30 1234567`: 8 to 15 digits behind the plus; the longest such that ends with a group. */
function international(text: string, at: number): Span | undefined {
  const first = text.charCodeAt(at + 1);
  if (!(first >= 49 && first <= 57) && first !== 40) return undefined;
  let digits = 0;
  let position = at + 1;
  let end: number | undefined;
  for (;;) {
    const group = position;
    while (isDigit(text.charCodeAt(position)) && digits <= 15) {
      digits++;
      position++;
    }
    if (digits > 15) return end === undefined ? undefined : { start: at, end };
    if (position > group && digits >= 8) end = position;
    const next = afterSeparators(text, position);
    if (next === undefined) return end === undefined ? undefined : { start: at, end };
    position = next;
  }
}

/** Past one separator, or a separator and a bracket, when a digit follows; undefined otherwise. */
function afterSeparators(text: string, from: number): number | undefined {
  let position = from;
  for (let count = 0; count < 3; count++) {
    const code = text.charCodeAt(position);
    if (isDigit(code)) return count > 0 ? position : undefined;
    if (!(isBlank(code) || isDash(code) || code === 46 || code === 47 || code === 40 || code === 41)) return undefined;
    position++;
  }
  return isDigit(text.charCodeAt(position)) ? position : undefined;
}

/** Reads groups of digits from `at` into `groups`, at most `most` of them; the end of the last. */
function readGroups(text: string, at: number, most: number): number {
  groups.length = 0;
  ends.length = 0;
  let position = at;
  let end = at;
  while (groups.length < most) {
    const start = position;
    while (isDigit(text.charCodeAt(position)) && position - start < 16) position++;
    groups.push(position - start);
    end = position;
    ends.push(end);
    const next = afterSeparators(text, position);
    if (next === undefined) break;
    position = next;
  }
  return end;
}

/** `(212) 555-0123`, `212.555.0123`; a `1-` before it is left as it is. */
function northAmerican(text: string, at: number, bracket: boolean): Span | undefined {
  const start = bracket ? at + 1 : at;
  const end = readGroups(text, start, 3);
  if (groups.length !== 3 || groups[0] !== 3 || groups[1] !== 3 || groups[2] !== 4) return undefined;
  if (isDigit(text.charCodeAt(end))) return undefined;
  if (bracket && text.charCodeAt(start + 3) !== 41) return undefined;
  const exchange = text.charCodeAt(end - 8);
  if (!(exchange >= 50 && exchange <= 57)) return undefined;
  // Inside a longer number, unless what stands before is the country's own 1.
  if (!bracket && isDash(text.charCodeAt(at - 1)) && isDigit(text.charCodeAt(at - 2))) {
    if (text.charCodeAt(at - 2) !== 49 || isDigit(text.charCodeAt(at - 3))) return undefined;
  }
  return { start: at, end };
}

/** `030 1234567`, `(030) 1234567`, `01 23 45 67 89`, `0049 30 1234567`. */
function trunk(text: string, at: number, bracket: boolean): Span | undefined {
  const start = bracket ? at + 1 : at;
  readGroups(text, start, 7);
  if (groups[0] === 2) {
    const pairs = groups.length >= 5 && groups.slice(0, 5).every((length) => length === 2);
    return pairs ? { start: at, end: ends[4]! } : undefined;
  }
  if (groups[0]! < 3 || groups[0]! > 6) return undefined;
  // What follows the number may be digits too: the longest that is no longer than numbers are.
  const most = text.charCodeAt(start + 1) === 48 ? 17 : 13;
  let total = groups[0]!;
  let end: number | undefined;
  for (let i = 1; i < groups.length; i++) {
    total += groups[i]!;
    if (total > most) break;
    if (total >= 9) end = ends[i];
  }
  return end === undefined ? undefined : { start: at, end };
}
