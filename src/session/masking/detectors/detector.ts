// What a detector is, and the character tests that all of them share.
// INVARIANT: a detector looks at a bounded window round its trigger, or at a run that no other trigger restarts; the
// scan of a text is thereby linear in its length, whatever the text. Over an edge of the text it looks no further than PAD.

import type { Codes } from '../units.ts';

export interface Span {
  /** Indices of the code units; `end` is excluded. */
  readonly start: number;
  readonly end: number;
}

/** A run of `least` to `most` digits, no digit before or behind it. */
export interface DigitRun {
  readonly least: number;
  readonly most?: number;
  /** So long a run may be all there is; behind a shorter one another group of digits has to follow, left out: always. */
  readonly alone?: number;
  /** Whatever follows, but a letter stands before it. */
  readonly afterLetter?: true;
}

/** When the scanner asks a detector: it never looks elsewhere, so that text without triggers costs one table look-up a character. */
export interface Triggers {
  /** At the first digit of such a run of digits. */
  readonly digits?: DigitRun;
  /** Where one of these (a letter to three) begins a word: no letter, digit or underscore before it. */
  readonly word?: readonly string[];
  /** At any of these (one to three characters, the first no letter or digit). */
  readonly other?: readonly string[];
}

export interface Detector {
  readonly name: string;
  readonly triggers: Triggers;
  /** What was found round the trigger at `at`, or undefined. The text ends before `end`; zeros stand round it. */
  find(codes: Codes, at: number, end: number): Span | undefined;
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

/** A letter, digit, or anything outside ASCII that may be a letter: what ends no word. */
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

/** Which characters a run may have: 1 for each of ASCII that it may. */
export type Alphabet = Uint8Array;

export function alphabet(test: (code: number) => boolean): Alphabet {
  return Uint8Array.from({ length: 128 }, (_, code) => (test(code) ? 1 : 0));
}

/** Where the run of characters of an alphabet ends, at most `most` characters on. */
export function runEnd(codes: Codes, from: number, most: number, end: number, of: Alphabet): number {
  const limit = Math.min(end, from + most);
  let at = from;
  while (at < limit && codes[at]! < 128 && of[codes[at]!] === 1) at++;
  return at;
}
