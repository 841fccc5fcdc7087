// One pass over a text for any set of detectors: a table look-up a character, and a detector only at its triggers.
// Refuses to know: what is done with the finds.

import { type Detector, isDigit, isLetter, type Span } from './detectors/detector.ts';

/** A find with what the caller attached to the detector. */
export interface Find<Tag> extends Span {
  readonly tag: Tag;
}

interface Entry<Tag> {
  readonly detector: Detector;
  readonly tag: Tag;
}

const OTHER = 0;
const DIGIT = 1;
const LETTER = 2;
const TRIGGER = 3;

export class Scanner<Tag> {
  readonly #classes = new Uint8Array(128);
  readonly #digits: Entry<Tag>[] = [];
  /** By character code: detectors that start at that letter (of a word) or punctuation. */
  readonly #table: (Entry<Tag>[] | undefined)[] = new Array(128).fill(undefined);

  constructor(detectors: readonly Entry<Tag>[]) {
    for (let code = 0; code < 128; code++) {
      if (isDigit(code)) this.#classes[code] = DIGIT;
      else if (isLetter(code) || code === 95) this.#classes[code] = LETTER;
    }
    for (const entry of detectors) {
      const { digit, word = '', other = '' } = entry.detector.triggers;
      if (digit) this.#digits.push(entry);
      for (const character of new Set(word + other)) {
        const code = character.charCodeAt(0);
        const bucket = this.#table[code] ?? [];
        bucket.push(entry);
        this.#table[code] = bucket;
      }
      for (const character of other) this.#classes[character.charCodeAt(0)] = TRIGGER;
    }
  }

  /** Everything found, in the order of its triggers; finds may overlap. Undefined when there is nothing (the usual case). */
  scan(text: string): Find<Tag>[] | undefined {
    const classes = this.#classes;
    const length = text.length;
    let finds: Find<Tag>[] | undefined;
    let before = OTHER;
    for (let at = 0; at < length; at++) {
      const code = text.charCodeAt(at);
      const kind = code < 128 ? classes[code]! : OTHER;
      if (kind === OTHER) {
        before = OTHER;
        continue;
      }
      let entries: Entry<Tag>[] | undefined;
      if (kind === DIGIT) {
        if (before !== DIGIT) entries = this.#digits;
      } else if (kind === TRIGGER || (before !== LETTER && before !== DIGIT)) {
        entries = this.#table[code];
      }
      before = kind === TRIGGER ? OTHER : kind;
      if (entries === undefined) continue;
      for (const { detector, tag } of entries) {
        const span = detector.find(text, at);
        if (span === undefined) continue;
        finds ??= [];
        finds.push({ start: span.start, end: span.end, tag });
        if (detector.swallows && span.end > at + 1) {
          at = span.end - 1;
          before = classes[text.charCodeAt(at) & 127]!;
          break;
        }
      }
    }
    return finds;
  }
}
