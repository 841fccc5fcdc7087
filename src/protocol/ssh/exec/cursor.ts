// A place in a text that is read from its beginning to its end. Refuses to know: what is read there.

import { fixedLimit } from '../../../core/limits.ts';

/** The text cannot be read for certain. */
export class Opaque extends Error {}

/** Nested deeper, a text is no longer read: a person's command has some five levels, and each is read again for those around it. */
const DEEPEST = 20;

/** One level further in. Throws Opaque. */
export function deeper(depth: number): number {
  if (depth >= DEEPEST) throw new Opaque('it is nested too deep');
  return depth + 1;
}

/**
 * What the reading of one command may be, in words, while nobody else is served: a word is read again in each nesting, and
 * a long one counts as several. The 128 KiB that a Linux host takes as a command have place for it.
 */
const WORDS = fixedLimit('ssh_command_words', 'count', 50_000);
const LONG = 32;

/** How much of a command has been read, of all texts within it together. */
export class Effort {
  #left = WORDS.value;

  /** A word of so many characters has been read. Throws Opaque. */
  spend(characters: number): void {
    this.#left -= 1 + Math.floor(characters / LONG);
    if (this.#left < 0) throw new Opaque(`it has more words than ${WORDS.name}, which is ${WORDS.value}`);
  }
}

/** Blanks of other alphabets: some shells in some locales divide words there. */
const STRANGE = /[^\S \t\n\r\v\f]|\u180e|\u200b|\ufeff|\0/u;

/**
 * A line that ends beside a sign and goes on in the next: shells join the two before they see words, so that `$` and `(` make
 * a substitution, `<` and `<` a here-document. Between blanks, and inside of plain words, it is nothing.
 */
export const JOINED: RegExp = /[^\s\w./,%\\-](?:\\\\)*\\\n(?=\S)|(?<=[^\s\\])(?:\\\\)*\\\n(?=[^\s\w./,%-])/;

/** In GBK, BIG5 and the like it may be the second half of a character: a client may set the locale, and a shell then takes it so. */
export const HALF: RegExp = /[^\0-\x7f][\\`{}]/;

export class Cursor {
  protected readonly text: string;
  protected at: number;

  /** `from`: where to begin, in a text that has been looked at before. */
  constructor(text: string, from?: number) {
    if (from === undefined && STRANGE.test(text)) throw new Opaque('it has a blank that shells disagree about');
    this.text = text;
    this.at = from ?? 0;
  }

  get atEnd(): boolean {
    return this.at >= this.text.length;
  }

  get place(): number {
    return this.at;
  }

  get rest(): string {
    return this.text.slice(this.at);
  }

  startsWith(text: string): boolean {
    return this.text.startsWith(text, this.at);
  }

  take(text: string): void {
    this.at += text.length;
  }

  back(count: number): void {
    this.at -= count;
  }

  expect(text: string): void {
    if (!this.startsWith(text)) throw new Opaque(`"${text}" is missing`);
    this.take(text);
  }
}
