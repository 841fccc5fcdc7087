// What a detector is, and the character tests that all of them share.
// INVARIANT: a detector looks at a bounded window round its trigger, or at a run that no other trigger restarts; the
// scan of a text is thereby linear in its length, whatever the text.

export interface Span {
  /** UTF-16 offsets into the text; `end` is excluded. */
  readonly start: number;
  readonly end: number;
}

/** When the scanner asks a detector: it never looks elsewhere, so that text without triggers costs one table look-up a character. */
export interface Triggers {
  /** At the first digit of a run of digits. */
  readonly digit?: true;
  /** At one of these letters where it begins a word (no letter, digit or underscore before it). */
  readonly word?: string;
  /** At any of these other characters. */
  readonly other?: string;
}

export interface Detector {
  readonly name: string;
  readonly triggers: Triggers;
  /** What was found round the trigger at `at`, or undefined. */
  find(text: string, at: number): Span | undefined;
  /** The scan goes on behind what was found: it is long and made of nothing but itself. */
  readonly swallows?: true;
}

export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

export function isLetter(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90);
}

export function isAlphanumeric(code: number): boolean {
  return isDigit(code) || isLetter(code);
}

/** A letter, digit, or anything outside ASCII that may be a letter: what ends no word. NaN (past the text) is none. */
export function isWordPart(code: number): boolean {
  return isAlphanumeric(code) || code === 95 || code >= 0xc0;
}

export function isHex(code: number): boolean {
  return isDigit(code) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70);
}

/** Space, no-break space or narrow no-break space: what people put between groups of digits. */
export function isBlank(code: number): boolean {
  return code === 32 || code === 0xa0 || code === 0x202f;
}

/** Hyphen-minus and the dashes that editors make of it. */
export function isDash(code: number): boolean {
  return code === 45 || (code >= 0x2010 && code <= 0x2013);
}

/** Where the run of characters that pass `test` ends, at most `most` characters on. */
export function runEnd(text: string, from: number, most: number, test: (code: number) => boolean): number {
  const limit = Math.min(text.length, from + most);
  let at = from;
  while (at < limit && test(text.charCodeAt(at))) at++;
  return at;
}
