// One pass over a text for any set of detectors: a table look-up a character, and a detector only where what it looks for
// could begin. The same look-ups over bytes tell which values need not even become a text.
// Refuses to know: what is done with the finds.

import { type Detector, isDigit, isLetter, type Span } from './detectors/detector.ts';
import { type Codes, PAD, partsPair, Units, utf8Length } from './units.ts';

/** A find with what the caller attached to the detector. */
export interface Find<Tag> extends Span {
  readonly tag: Tag;
}

interface Entry<Tag> {
  readonly detector: Detector;
  readonly tag: Tag;
}

/** Entries for runs of digits of one length. */
interface Runs<Tag> {
  /** At any run. */
  readonly alone: Entry<Tag>[];
  /** Where a letter stands before it. */
  readonly afterLetter: Entry<Tag>[];
  /** Where another group of digits follows. */
  readonly grouped: Entry<Tag>[];
  /** Which of the three there are. */
  asks: number;
}

/** What is asked where something but digits begins. */
interface Begun<Tag> {
  readonly entries: readonly Entry<Tag>[];
  /** 1 for each third character with which it may go on. */
  readonly thirds: Uint8Array;
}

const ALONE = 1;
const AFTER_LETTER = 2;
const GROUPED = 4;

/** It cannot be said of the bytes: ask of the text. */
export const UNREADABLE = Symbol('unreadable');

/** The text that is scanned: scans never nest and never wait. */
const units = new Units();

/** Kinds of characters; of others there is nothing to know. */
const DIGIT = 1;
const LETTER = 2;

/** What may begin with two characters: digits; a word; what may stand anywhere. */
const BEGINS_DIGITS = 1;
const BEGINS_WORD = 2;
const BEGINS_OTHER = 4;

/** Runs of digits this long or longer are alike. */
const LONG = 32;
/** So many characters may part two groups of digits. */
const APART = 3;

/** What may stand between groups of digits; anything outside ASCII may. */
const SEPARATOR = new Uint8Array(256).fill(1, 128);
for (const character of ' -./()') SEPARATOR[character.charCodeAt(0)] = 1;

/** What may begin behind a character: behind a digit no other one, behind a letter no word. */
const ALLOWED = new Uint8Array(0x10000).fill(BEGINS_DIGITS | BEGINS_WORD | BEGINS_OTHER);
const CLASSES = new Uint8Array(256);
for (let code = 0; code < 128; code++) {
  if (isDigit(code)) {
    CLASSES[code] = DIGIT;
    ALLOWED[code] = BEGINS_OTHER;
  } else if (isLetter(code) || code === 95) {
    CLASSES[code] = LETTER;
    ALLOWED[code] = BEGINS_DIGITS | BEGINS_OTHER;
  }
}

export class Scanner<Tag> {
  readonly #runs: Runs<Tag>[] = [];
  /** What may begin where two characters stand, so that most are dismissed by one look-up and no branch goes wrong. */
  readonly #begins = new Uint8Array(128 * 128);
  /** For those with which something but digits begins (the second 0 when it is not ASCII, or the text ends): the index in `#begun`. */
  readonly #pairs = new Uint16Array(128 * 128);
  readonly #begun: Begun<Tag>[] = [{ entries: [], thirds: new Uint8Array(128) }];
  #swallowed = -1;

  constructor(detectors: readonly Entry<Tag>[]) {
    for (let length = 0; length <= LONG; length++) this.#runs.push(runsOf(detectors, length));
    if (this.#runs.some(({ asks }) => asks !== 0)) this.#begins.fill(BEGINS_DIGITS, 48 * 128, 58 * 128);
    this.#index(detectors);
  }

  #index(detectors: readonly Entry<Tag>[]): void {
    const beginning = new Map<number, { of: Set<number>; thirds: Uint8Array; word: boolean }>();
    for (const [i, { detector }] of detectors.entries()) {
      const { word = [], other = [] } = detector.triggers;
      for (const start of [...word, ...other]) {
        for (const pair of pairsOf(start)) {
          const found = beginning.get(pair) ?? {
            of: new Set(),
            thirds: new Uint8Array(128),
            word: word.includes(start),
          };
          found.of.add(i);
          if (start.length > 2) found.thirds[start.charCodeAt(2)] = 1;
          else found.thirds.fill(1);
          beginning.set(pair, found);
        }
      }
    }
    const known = new Map<string, number>();
    for (const [pair, { of, thirds, word }] of beginning) {
      const key = `${[...of].join()} ${thirds}`;
      const index = known.get(key) ?? this.#begun.length;
      if (index === this.#begun.length) {
        known.set(key, index);
        this.#begun.push({ entries: [...of].map((i) => detectors[i]!), thirds });
      }
      this.#pairs[pair] = index;
      this.#begins[pair]! |= word ? BEGINS_WORD : BEGINS_OTHER;
    }
  }

  /** Whether for certain nothing is found in `from`‥`to` of a text in UTF-8. */
  clean(bytes: Uint8Array, from: number, to: number): boolean {
    return this.#first(bytes, from, to) === to;
  }

  /** Where in UTF-8 a detector is to be asked, at the earliest; `to`: nowhere. */
  #first(bytes: Uint8Array, from: number, to: number): number {
    const begins = this.#begins;
    let allowed = ALLOWED[0]!;
    for (let at = from; at < to; allowed = ALLOWED[bytes[at - 1]!]!) {
      at = nextInBytes(begins, bytes, at, to, allowed);
      if (at === to) return to;
      const code = bytes[at]!;
      if (CLASSES[code] === DIGIT) {
        const start = at++;
        while (at < to && CLASSES[bytes[at]!] === DIGIT) at++;
        const { asks } = this.#runs[Math.min(at - start, LONG)]!;
        if (
          asks !== 0 &&
          ((asks & ALONE) !== 0 ||
            ((asks & AFTER_LETTER) !== 0 && start > from && CLASSES[bytes[start - 1]!] === LETTER) ||
            ((asks & GROUPED) !== 0 && isGroupedBytes(bytes, at, to)))
        ) {
          return start;
        }
      } else if (code < 128) {
        const next = at + 1 < to ? bytes[at + 1]! : 0;
        const third = at + 2 < to ? bytes[at + 2]! : 0;
        const begun = this.#pairs[(code << 7) | (next < 128 ? next : 0)]!;
        if (begun !== 0 && this.#begun[begun]!.thirds[third & 127] !== 0) return at;
        at++;
      } else at++;
    }
    return to;
  }

  /** Everything found, in the order of its triggers; finds may overlap. Undefined when there is nothing (the usual case). */
  scan(text: string): Find<Tag>[] | undefined {
    return this.#walk(units.text(text));
  }

  /** The same in its code units. */
  scanUnits(text: readonly number[]): Find<Tag>[] | undefined {
    return this.#walk(units.units(text));
  }

  /** The same in `from`‥`to` of UTF-8, by offsets of bytes; UNREADABLE when it is none, or a find parts a character. */
  scanBytes(bytes: Uint8Array, from: number, to: number): Find<Tag>[] | undefined | typeof UNREADABLE {
    const first = this.#first(bytes, from, to);
    if (first === to) return undefined;
    if (!units.utf8(bytes, from, to)) return UNREADABLE;
    // All ASCII: it goes on where the look at the bytes came to.
    if (units.end - PAD === to - from) return this.#walk(units, PAD + first - from);
    const finds = this.#walk(units);
    return finds === undefined ? undefined : inBytes(finds, units.codes);
  }

  #walk({ codes, end: length }: Units, from = PAD): Find<Tag>[] | undefined {
    const begins = this.#begins;
    let finds: Find<Tag>[] | undefined;
    for (let at = from; at < length; ) {
      at = nextInUnits(begins, codes, at, length, ALLOWED[codes[at - 1]!]!);
      if (at === length) break;
      const code = codes[at]!;
      if (isDigit(code)) {
        const start = at++;
        while (isDigit(codes[at]!)) at++;
        const runs = this.#runs[Math.min(at - start, LONG)]!;
        const { asks } = runs;
        if ((asks & ALONE) !== 0) finds = this.#ask(runs.alone, start, finds);
        if ((asks & AFTER_LETTER) !== 0 && isWordLetter(codes[start - 1]!))
          finds = this.#ask(runs.afterLetter, start, finds);
        if ((asks & GROUPED) !== 0 && isGrouped(codes, at)) finds = this.#ask(runs.grouped, start, finds);
      } else if (code < 128) {
        const next = codes[at + 1]!;
        const begun = this.#begun[this.#pairs[(code << 7) | (next < 128 ? next : 0)]!]!;
        let swallowed = -1;
        if (begun.thirds[codes[at + 2]! & 127] !== 0) {
          finds = this.#ask(begun.entries, at, finds);
          swallowed = this.#swallowed;
        }
        at = swallowed > at ? swallowed : at + 1;
      } else at++;
    }
    return finds;
  }

  /** Asks each; `#swallowed` is where the scan goes on when one swallowed what it found, else -1. */
  #ask(entries: readonly Entry<Tag>[], at: number, before: Find<Tag>[] | undefined): Find<Tag>[] | undefined {
    const { codes, end } = units;
    let finds = before;
    this.#swallowed = -1;
    for (let i = 0; i < entries.length; i++) {
      const { detector, tag } = entries[i]!;
      const span = detector.find(codes, at, end);
      if (span === undefined) continue;
      const find = { start: span.start - PAD, end: span.end - PAD, tag };
      if (finds === undefined) finds = [find];
      else finds.push(find);
      if (detector.swallows) {
        this.#swallowed = span.end;
        break;
      }
    }
    return finds;
  }
}

/**
 * Where in bytes something may begin; `to`: nowhere. `allowed`: what may at `from`. Of what is not ASCII it may say too much
 * and never too little. By itself, since the loop is twice as fast with nothing else in it.
 */
function nextInBytes(begins: Uint8Array, bytes: Uint8Array, from: number, to: number, allowed: number): number {
  let may = allowed;
  let code = bytes[from]!;
  for (let at = from + 1; at < to; at++) {
    const next = bytes[at]!;
    if ((begins[((code & 127) << 7) | (next & 127)]! & may) !== 0) return at - 1;
    may = ALLOWED[code]!;
    code = next;
  }
  return (begins[(code & 127) << 7]! & may) !== 0 ? to - 1 : to;
}

/** The same in units; apart, since a loop that sees two kinds of arrays is slower on both. */
function nextInUnits(begins: Uint8Array, codes: Codes, from: number, to: number, allowed: number): number {
  let may = allowed;
  let code = codes[from]!;
  for (let at = from + 1; at < to; at++) {
    const next = codes[at]!;
    if ((begins[((code & 127) << 7) | (next & 127)]! & may) !== 0) return at - 1;
    may = ALLOWED[code]!;
    code = next;
  }
  return (begins[(code & 127) << 7]! & may) !== 0 ? to - 1 : to;
}

function isWordLetter(code: number): boolean {
  return code < 128 && CLASSES[code] === LETTER;
}

/** Offsets of units → offsets of bytes. */
function inBytes<Tag>(finds: readonly Find<Tag>[], codes: Codes): Find<Tag>[] | typeof UNREADABLE {
  const out: Find<Tag>[] = [];
  let at = PAD;
  let bytes = 0;
  for (const { start, end, tag } of finds) {
    const to = PAD + start;
    if (partsPair(codes, to) || partsPair(codes, PAD + end)) return UNREADABLE;
    // From the find before: it may have begun a little later.
    bytes += to < at ? -utf8Length(codes, to, at) : utf8Length(codes, at, to);
    at = to;
    out.push({ start: bytes, end: bytes + utf8Length(codes, at, PAD + end), tag });
  }
  return out;
}

function runsOf<Tag>(detectors: readonly Entry<Tag>[], length: number): Runs<Tag> {
  const runs: Runs<Tag> = { alone: [], afterLetter: [], grouped: [], asks: 0 };
  for (const entry of detectors) {
    const { digits } = entry.detector.triggers;
    if (digits === undefined || length < digits.least || length > (digits.most ?? LONG)) continue;
    if (digits.afterLetter) runs.afterLetter.push(entry);
    else if (digits.alone !== undefined && length >= digits.alone) runs.alone.push(entry);
    else runs.grouped.push(entry);
  }
  if (runs.alone.length > 0) runs.asks |= ALONE;
  if (runs.afterLetter.length > 0) runs.asks |= AFTER_LETTER;
  if (runs.grouped.length > 0) runs.asks |= GROUPED;
  return runs;
}

/** The pairs of characters with which a text that begins so may begin. */
function pairsOf(start: string): number[] {
  const first = start.charCodeAt(0) << 7;
  return start.length > 1 ? [first + start.charCodeAt(1)] : Array.from({ length: 128 }, (_, second) => first + second);
}

function isGrouped(codes: Codes, end: number): boolean {
  for (let at = end; at < end + APART + 1; at++) {
    const code = codes[at]!;
    if (at > end && isDigit(code)) return true;
    if (!(code > 127 || SEPARATOR[code] === 1)) return false;
  }
  return false;
}

function isGroupedBytes(bytes: Uint8Array, end: number, to: number): boolean {
  for (let at = end; at < end + APART + 1 && at < to; at++) {
    const byte = bytes[at]!;
    // A separator outside ASCII has more bytes than one.
    if (byte > 127 || (at > end && isDigit(byte))) return true;
    if (SEPARATOR[byte] === 0) return false;
  }
  return false;
}
