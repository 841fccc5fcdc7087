// US social security numbers, written in three groups with the same separator. Nine bare digits are not taken for one:
// every ninth identifier would be; declare the column instead.
// Rules of the SSA: no area 000, 666 or 900-999, no group 00, no serial 0000; two numbers were voided for advertising.

import { type Detector, isBlank, isDash, isDigit } from './detector.ts';

const LENGTH = 11;
const VOIDED = ['078051120', '219099999'];

export const ssn: Detector = {
  name: 'us-ssn',
  triggers: { digit: true },
  find(text, at) {
    if (text.length < at + LENGTH) return undefined;
    const separator = text.charCodeAt(at + 3);
    if (!(isBlank(separator) || isDash(separator)) || text.charCodeAt(at + 6) !== separator) return undefined;
    for (const offset of [0, 1, 2, 4, 5, 7, 8, 9, 10]) if (!isDigit(text.charCodeAt(at + offset))) return undefined;
    // Part of something longer, as 1-123-45-6789 or 123-45-6789-0: not a social security number.
    if (isDigit(text.charCodeAt(at + LENGTH))) return undefined;
    if (text.charCodeAt(at + LENGTH) === separator && isDash(separator) && isDigit(text.charCodeAt(at + LENGTH + 1))) {
      return undefined;
    }
    if (isDash(text.charCodeAt(at - 1)) && isDigit(text.charCodeAt(at - 2))) return undefined;
    const area = text.slice(at, at + 3);
    const group = text.slice(at + 4, at + 6);
    const serial = text.slice(at + 7, at + LENGTH);
    if (area === '000' || area === '666' || area >= '900' || group === '00' || serial === '0000') return undefined;
    return VOIDED.includes(area + group + serial) ? undefined : { start: at, end: at + LENGTH };
  },
};
