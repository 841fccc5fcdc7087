// A text of SQL → a key that leaves its constants out, in one pass over the bytes.
//
// INVARIANT: two texts with one key differ in nothing but the values of numeric and plain string constants, so their
// parse trees are equal up to these values. Whatever could make a constant more than a value (a prefix such as E'',
// a backslash, a dollar quote, a number that touches a word) has no key: the exact text is used instead.
// The number after LIMIT stays, because it is a fact.

const NUMBER = 1;
const STRING = 2;

/** What a byte is at the start of a token. */
const OTHER = 0;
const WORD = 1;
const DIGIT = 2;
const QUOTE = 3;
const DOUBLE_QUOTE = 4;
const DOLLAR = 5;
const DOT = 6;
const DASH = 7;
const SLASH = 8;
const BAD = 9;

const KIND = new Uint8Array(256);
/** Letters, digits, `_`, `$` and bytes over 127: what continues an identifier (scan.l, ident_cont). */
const CONTINUES = new Uint8Array(256);

for (let byte = 0; byte < 256; byte++) {
  const letter = (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 95 || byte >= 128;
  const digit = byte >= 48 && byte <= 57;
  if (letter) KIND[byte] = WORD;
  if (digit) KIND[byte] = DIGIT;
  if (letter || digit || byte === 36) CONTINUES[byte] = 1;
  // Tab, newline, form feed and carriage return are white space; vertical tab is only since version 16.
  if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13) KIND[byte] = BAD;
}
KIND[39] = QUOTE;
KIND[34] = DOUBLE_QUOTE;
KIND[36] = DOLLAR;
KIND[46] = DOT;
KIND[45] = DASH;
KIND[47] = SLASH;
KIND[92] = BAD;

let scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** Whether the digits at `at` follow the word LIMIT: then they stay in the key. Also asked by the reader of facts. */
export function followsLimit(sql: Uint8Array, at: number): boolean {
  let i = at - 1;
  while (i >= 0 && (sql[i] === 32 || sql[i] === 9 || sql[i] === 10 || sql[i] === 13)) i--;
  if (i < 4 || i === at - 1) return false;
  const word =
    (sql[i - 4]! | 32) === 108 &&
    (sql[i - 3]! | 32) === 105 &&
    (sql[i - 2]! | 32) === 109 &&
    (sql[i - 1]! | 32) === 105 &&
    (sql[i]! | 32) === 116;
  return word && (i === 4 || CONTINUES[sql[i - 5]!] === 0);
}

/** The index after the closing quote of a plain string that starts at `at`; -1 when it is not plain. */
function endOfString(sql: Uint8Array, at: number): number {
  const length = sql.length;
  for (let i = at + 1; i < length; i++) {
    const byte = sql[i]!;
    if (byte === 39) {
      if (sql[i + 1] !== 39) return i + 1;
      i++;
    } else if (byte === 92 || byte === 0) {
      return -1;
    }
  }
  return -1;
}

/** The index after the number that starts at `at` with a digit; -1 when it touches something that may be part of it. */
function endOfNumber(sql: Uint8Array, at: number): number {
  const length = sql.length;
  let i = at + 1;
  while (i < length && KIND[sql[i]!] === DIGIT) i++;
  if (sql[i] === 46) {
    if (KIND[sql[i + 1] ?? 0] !== DIGIT) return -1;
    i += 2;
    while (i < length && KIND[sql[i]!] === DIGIT) i++;
  }
  return i < length && (CONTINUES[sql[i]!] === 1 || sql[i] === 46) ? -1 : i;
}

/**
 * The key of a text, undefined when only the exact text will do. Bytes are read as Latin-1: the key is for comparing,
 * not for reading.
 */
export function normalise(sql: Buffer): string | undefined {
  const length = sql.length;
  if (length > scratch.length) {
    if (length > 1024 * 1024) return undefined;
    scratch = Buffer.allocUnsafeSlow(length * 2);
  }
  const out = scratch;
  let n = 0;
  let i = 0;
  while (i < length) {
    const byte = sql[i]!;
    switch (KIND[byte]) {
      case OTHER:
        out[n++] = byte;
        i++;
        break;
      case WORD: {
        do out[n++] = sql[i++]!;
        while (i < length && CONTINUES[sql[i]!] === 1);
        // A quote right after a word may be a prefixed constant: E'', B'', X'', N'', U&''.
        const next = sql[i];
        if (next === 39 || next === 38 || next === 34) return undefined;
        break;
      }
      case DIGIT: {
        // After a dot the digits are a number of their own (`.5`) or a part of one: not worth telling apart.
        if (i > 0 && sql[i - 1] === 46) return undefined;
        const end = endOfNumber(sql, i);
        if (end < 0) return undefined;
        if (followsLimit(sql, i)) while (i < end) out[n++] = sql[i++]!;
        else out[n++] = NUMBER;
        i = end;
        break;
      }
      case QUOTE: {
        const end = endOfString(sql, i);
        if (end < 0) return undefined;
        out[n++] = STRING;
        i = end;
        break;
      }
      case DOUBLE_QUOTE: {
        const end = sql.indexOf(34, i + 1);
        if (end < 0) return undefined;
        while (i <= end) {
          if (sql[i]! < 32) return undefined;
          out[n++] = sql[i++]!;
        }
        break;
      }
      case DOLLAR: {
        // `$1` stays; a dollar quote is not normalised.
        if (KIND[sql[i + 1] ?? 0] !== DIGIT) return undefined;
        do out[n++] = sql[i++]!;
        while (i < length && KIND[sql[i]!] === DIGIT);
        if (i < length && CONTINUES[sql[i]!] === 1) return undefined;
        break;
      }
      case DASH:
        if (sql[i + 1] === 45) return undefined;
        out[n++] = byte;
        i++;
        break;
      case SLASH:
        if (sql[i + 1] === 42) return undefined;
        out[n++] = byte;
        i++;
        break;
      case DOT:
        out[n++] = byte;
        i++;
        break;
      default:
        return undefined;
    }
  }
  return out.toString('latin1', 0, n);
}
