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
const PAIR = 6;
const BAD = 7;

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
KIND[45] = PAIR;
KIND[47] = PAIR;
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

/** The index after `$1` that starts at `at`; -1 for a dollar quote, or a number that touches a word. */
function endOfParameter(sql: Uint8Array, at: number): number {
  let i = at + 1;
  while (i < sql.length && KIND[sql[i]!] === DIGIT) i++;
  return i === at + 1 || (i < sql.length && CONTINUES[sql[i]!] === 1) ? -1 : i;
}

/** The index after the `"` that ends what starts at `at`; a doubled one starts the next. -1 when it is not plain. */
function endOfQuoted(sql: Uint8Array, at: number): number {
  for (let i = at + 1; i < sql.length; i++) {
    if (sql[i] === 34) return i + 1;
    if (sql[i]! < 32) return -1;
  }
  return -1;
}

/** The index after a word; -1 when a quote follows: a prefixed constant (E'', B'', X'', N'', U&'') may begin here. */
function endOfWord(sql: Uint8Array, at: number): number {
  let i = at + 1;
  while (i < sql.length && CONTINUES[sql[i]!] === 1) i++;
  const next = sql[i];
  return next === 39 || next === 38 || next === 34 ? -1 : i;
}

/** The index after a comment, which stays in the key; -1 for one that is nested or has no end. */
function endOfComment(sql: Uint8Array, at: number): number {
  const line = sql[at] === 45;
  for (let i = at + 2; i < sql.length; i++) {
    const byte = sql[i]!;
    if (KIND[byte] === BAD && byte !== 92) return -1;
    if (line && (byte === 10 || byte === 13)) return i;
    if (!line && byte === 42 && sql[i + 1] === 47) return i + 2;
    if (!line && byte === 47 && sql[i + 1] === 42) return -1;
  }
  return line ? sql.length : -1;
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
    let end = i + 1;
    switch (KIND[byte]) {
      case OTHER:
        break;
      case WORD:
        end = endOfWord(sql, i);
        break;
      case DIGIT:
        // After a dot the digits are a number of their own (`.5`) or a part of one: not worth telling apart.
        end = sql[i - 1] === 46 ? -1 : endOfNumber(sql, i);
        if (end > 0 && !followsLimit(sql, i)) {
          out[n++] = NUMBER;
          i = end;
        }
        break;
      case QUOTE:
        end = endOfString(sql, i);
        out[n++] = STRING;
        i = end;
        break;
      case DOUBLE_QUOTE:
        end = endOfQuoted(sql, i);
        break;
      case DOLLAR:
        end = endOfParameter(sql, i);
        break;
      case PAIR:
        if (sql[i + 1] === (byte === 45 ? 45 : 42)) end = endOfComment(sql, i);
        break;
      default:
        return undefined;
    }
    if (end < 0) return undefined;
    while (i < end) out[n++] = sql[i++]!;
  }
  return out.toString('latin1', 0, n);
}

/**
 * A key as a text to be read: each constant is `?`. Undefined where there are comments, which are kept in the key and may
 * hold anything.
 */
export function shapeOf(key: string): string | undefined {
  if (key.includes('--') || key.includes('/*')) return undefined;
  return Buffer.from(key.replace(CONSTANTS, '?'), 'latin1').toString();
}

const CONSTANTS = new RegExp(`[${String.fromCharCode(NUMBER, STRING)}]`, 'g');
