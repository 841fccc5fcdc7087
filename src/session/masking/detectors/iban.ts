// International bank account numbers (ISO 13616): the country's length and the mod 97 check (ISO 7064).
// As one word or in groups parted by one space or dash; letters of either case.

import { type Detector, isAlphanumeric, isBlank, isDash, isDigit, isLetter, isWordPart } from './detector.ts';

/** By the two letters of the country; 0 for none. */
const LENGTHS = new Uint8Array(32 * 32);
const letters = (first: number, second: number) => (first & 31) * 32 + (second & 31);
for (const entry of (
  'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ' +
  'ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 ' +
  'LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 ' +
  'PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 ' +
  'YE30'
).split(' ')) {
  LENGTHS[letters(entry.charCodeAt(0), entry.charCodeAt(1))] = Number(entry.slice(2));
}

export const iban: Detector = {
  name: 'iban',
  triggers: { digits: { least: 2, afterLetter: true } },
  find(codes, at) {
    const start = at - 2;
    if (!isLetter(codes[at - 1]!) || !isLetter(codes[start]!)) return undefined;
    if (!isDigit(codes[at + 1]!) || isWordPart(codes[start - 1]!)) return undefined;
    const length = LENGTHS[letters(codes[start]!, codes[at - 1]!)]!;
    if (length === 0) return undefined;

    let remainder = 0;
    let position = at + 2;
    for (let count = 4; count < length; position++) {
      const code = codes[position]!;
      if (isAlphanumeric(code)) {
        remainder = append(remainder, code);
        count++;
      } else if (!(isBlank(code) || isDash(code)) || !isAlphanumeric(codes[position + 1]!)) {
        return undefined;
      }
    }
    if (isWordPart(codes[position]!)) return undefined;
    // The country and the check digits go last: ISO 13616 §6.
    for (let i = start; i < start + 4; i++) remainder = append(remainder, codes[i]!);
    return remainder === 1 ? { start, end: position } : undefined;
  },
};

/** The remainder mod 97 after one more character; a letter stands for two digits, A = 10. */
function append(remainder: number, code: number): number {
  return isDigit(code) ? (remainder * 10 + code - 48) % 97 : (remainder * 100 + (code | 32) - 87) % 97;
}
