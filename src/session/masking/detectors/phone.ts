// Telephone numbers: E.164 with its plus sign (at most 15 digits, ITU-T E.164 §6), the North American form (NXX NXX XXXX)
// and national forms with a trunk zero. The latter two only with separators: bare digits are more often an identifier.

import type { Codes } from '../units.ts';
import { type Detector, isAlphanumeric, isBlank, isDash, isDigit, type Span } from './detector.ts';

/** Scratch for one search: the lengths of the groups of digits, where each ends, and how many there are. */
const groups = new Int32Array(8);
const ends = new Int32Array(8);
let count = 0;

export const phone: Detector = {
  name: 'phone',
  triggers: {
    digits: { least: 2, most: 6 },
    other: [...'123456789('].map((next) => `+${next}`).concat([...'0123456789'].map((next) => `(${next}`)),
  },
  find(codes, at, end) {
    const first = codes[at]!;
    const before = codes[at - 1]!;
    if (first === 43) return isAlphanumeric(before) || before === 43 ? undefined : international(codes, at);
    const bracket = first === 40;
    const start = bracket ? at + 1 : at;
    // Most runs of digits are no telephone number: tell by the fourth character at the latest.
    if (end < start + 9 || !isDigit(codes[start + 1]!)) return undefined;
    if (isAlphanumeric(before) || before === 46 || before === 43) return undefined;
    const digit = codes[start]!;
    if (digit === 48) return isDash(before) && isDigit(codes[at - 2]!) ? undefined : trunk(codes, at, bracket);
    if (digit < 50 || digit > 57 || !isDigit(codes[start + 2]!) || isDigit(codes[start + 3]!)) return undefined;
    return northAmerican(codes, at, bracket);
  },
};

/** `+49 (0)30 1234567`: 8 to 15 digits behind the plus; the longest such that ends with a group. */
function international(codes: Codes, at: number): Span | undefined {
  const first = codes[at + 1]!;
  if (!(first >= 49 && first <= 57) && first !== 40) return undefined;
  let digits = 0;
  let position = at + 1;
  let end: number | undefined;
  for (;;) {
    const group = position;
    while (isDigit(codes[position]!) && digits <= 15) {
      digits++;
      position++;
    }
    if (digits > 15) return end === undefined ? undefined : { start: at, end };
    if (position > group && digits >= 8) end = position;
    const next = afterSeparators(codes, position);
    if (next < 0) return end === undefined ? undefined : { start: at, end };
    position = next;
  }
}

/** 1 for what may stand between groups of digits. */
const SEPARATOR = new Uint8Array(128);
for (const character of ' -./()') SEPARATOR[character.charCodeAt(0)] = 1;

/** Past one separator, or a separator and a bracket, when a digit follows; -1 otherwise. */
function afterSeparators(codes: Codes, from: number): number {
  let position = from;
  for (let passed = 0; passed < 3; passed++) {
    const code = codes[position]!;
    if (isDigit(code)) return passed > 0 ? position : -1;
    if (code < 128 ? SEPARATOR[code] !== 1 : !(isBlank(code) || isDash(code))) return -1;
    position++;
  }
  return isDigit(codes[position]!) ? position : -1;
}

/** Reads groups of digits from `at` into `groups`, at most `most` of them; the end of the last. */
function readGroups(codes: Codes, at: number, most: number): number {
  count = 0;
  let position = at;
  let end = at;
  while (count < most) {
    const start = position;
    while (isDigit(codes[position]!) && position - start < 16) position++;
    groups[count] = position - start;
    end = position;
    ends[count++] = end;
    const next = afterSeparators(codes, position);
    if (next < 0) break;
    position = next;
  }
  return end;
}

/** `(212) 555-0123`, `212.555.0123`; a `1-` before it is left as it is. */
function northAmerican(codes: Codes, at: number, bracket: boolean): Span | undefined {
  const start = bracket ? at + 1 : at;
  const end = readGroups(codes, start, 3);
  if (count !== 3 || groups[0] !== 3 || groups[1] !== 3 || groups[2] !== 4) return undefined;
  if (isDigit(codes[end]!)) return undefined;
  if (bracket && codes[start + 3]! !== 41) return undefined;
  const exchange = codes[end - 8]!;
  if (!(exchange >= 50 && exchange <= 57)) return undefined;
  // Inside a longer number, unless what stands before is the country's own 1.
  if (!bracket && isDash(codes[at - 1]!) && isDigit(codes[at - 2]!)) {
    if (codes[at - 2]! !== 49 || isDigit(codes[at - 3]!)) return undefined;
  }
  return { start: at, end };
}

/** `030 1234567`, `(030) 1234567`, `01 23 45 67 89`, `0049 30 1234567`. */
function trunk(codes: Codes, at: number, bracket: boolean): Span | undefined {
  const start = bracket ? at + 1 : at;
  readGroups(codes, start, 7);
  if (groups[0] === 2) {
    for (let i = 0; i < 5; i++) if (i === count || groups[i] !== 2) return undefined;
    return { start: at, end: ends[4]! };
  }
  if (groups[0]! < 3 || groups[0]! > 6) return undefined;
  // What follows the number may be digits too: the longest that is no longer than numbers are.
  const most = codes[start + 1]! === 48 ? 17 : 13;
  let total = groups[0]!;
  let end: number | undefined;
  for (let i = 1; i < count; i++) {
    total += groups[i]!;
    if (total > most) break;
    if (total >= 9) end = ends[i];
  }
  return end === undefined ? undefined : { start: at, end };
}
