// Payment card numbers: a known issuer prefix (ISO/IEC 7812-1), its lengths, and the Luhn check digit.
// Groups may be parted by one space or dash. Digits with a decimal point before them are no card.

import { type Detector, isBlank, isDash, isDigit, type Span } from './detector.ts';

const MOST = 19;
const LEAST = 12;

/** Scratch for one search: searches never nest and never wait. */
const digits = new Uint8Array(MOST);

export const card: Detector = {
  name: 'credit-card',
  triggers: { digits: { least: 3, most: MOST, alone: LEAST } },
  find(codes, at, textEnd) {
    if (isDigit(codes[at - 2]!)) {
      const before = codes[at - 1]!;
      if (before === 46 || before === 44) return undefined;
    }
    // Twelve digits with separators take no fewer than twelve characters, and a first group has three.
    if (textEnd < at + LEAST || !isDigit(codes[at + 1]!) || !isDigit(codes[at + 2]!)) return undefined;
    let count = 0;
    let group = 0;
    let position = at;
    let found: Span | undefined;
    for (;;) {
      const code = codes[position]!;
      if (isDigit(code)) {
        if (count === MOST) return found;
        digits[count++] = code - 48;
        group++;
        position++;
        continue;
      }
      // The end of a group: the longest number that ends at one and is valid is taken.
      if (count >= LEAST && isCard(count)) found = { start: at, end: position };
      if (group < 3 || !(isBlank(code) || isDash(code)) || !isDigit(codes[position + 1]!)) return found;
      group = 0;
      position++;
    }
  },
};

function isCard(count: number): boolean {
  return lengthFits(digits[0]! * 1000 + digits[1]! * 100 + digits[2]! * 10 + digits[3]!, count) && luhn(count);
}

/** Whether an issuer with these four first digits has numbers of that length. */
function lengthFits(prefix: number, count: number): boolean {
  const two = Math.floor(prefix / 100);
  const one = Math.floor(prefix / 1000);
  if (one === 4) return count === 13 || count === 16 || count === 18 || count === 19;
  if ((two >= 51 && two <= 55) || (prefix >= 2221 && prefix <= 2720)) return count === 16;
  if (prefix >= 2200 && prefix <= 2204) return count >= 16;
  if (two === 34 || two === 37) return count === 15;
  if (two === 36 || two === 38 || two === 39 || (prefix >= 3000 && prefix < 3060)) return count >= 14;
  if (prefix >= 3528 && prefix <= 3589) return count >= 16;
  if (two === 81 || two === 82) return count >= 16;
  return two === 50 || (two >= 56 && two <= 69);
}

function luhn(count: number): boolean {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    let digit = digits[count - 1 - i]!;
    if (i % 2 === 1) {
      digit *= 2;
      if (digit > 9) digit -= 9;
    }
    sum += digit;
  }
  return sum % 10 === 0;
}
