// US social security numbers, written in three groups with the same separator. Nine bare digits are not taken for one:
// every ninth identifier would be; declare the column instead.
// Rules of the SSA: no area 000, 666 or 900-999, no group 00, no serial 0000; two numbers were voided for advertising.

import type { Codes } from '../units.ts';
import { type Detector, isBlank, isDash, isDigit } from './detector.ts';

const LENGTH = 11;
const VOIDED_WOOLWORTH = 78_05_1120;
const VOIDED_PAMPHLET = 219_09_9999;

export const ssn: Detector = {
  name: 'us-ssn',
  triggers: { digits: { least: 3, most: 3 } },
  find(codes, at, end) {
    if (end < at + LENGTH) return undefined;
    const separator = codes[at + 3]!;
    if (!(isBlank(separator) || isDash(separator)) || codes[at + 6]! !== separator) return undefined;
    const area = number(codes, at, 3);
    const group = number(codes, at + 4, 2);
    const serial = number(codes, at + 7, 4);
    if (area < 0 || group < 0 || serial < 0) return undefined;
    // Part of something longer, as 1-123-45-6789 or 123-45-6789-0: not a social security number.
    if (isDigit(codes[at + LENGTH]!)) return undefined;
    if (codes[at + LENGTH]! === separator && isDash(separator) && isDigit(codes[at + LENGTH + 1]!)) {
      return undefined;
    }
    if (isDash(codes[at - 1]!) && isDigit(codes[at - 2]!)) return undefined;
    if (area === 0 || area === 666 || area >= 900 || group === 0 || serial === 0) return undefined;
    const whole = (area * 100 + group) * 10_000 + serial;
    return whole === VOIDED_WOOLWORTH || whole === VOIDED_PAMPHLET ? undefined : { start: at, end: at + LENGTH };
  },
};

/** So many digits as a number; -1 when one of them is none. */
function number(codes: Codes, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const code = codes[i]!;
    if (!isDigit(code)) return -1;
    value = value * 10 + code - 48;
  }
  return value;
}
