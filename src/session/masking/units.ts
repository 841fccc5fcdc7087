// A text as detectors read it: its UTF-16 code units in an array that is used again for the next one. Zeros stand before and
// behind it, as no character that a detector looks for, so that a look over its edge needs no question.
// Refuses to know: what is looked for.

export type Codes = Uint16Array<ArrayBuffer>;

/** Where a text begins; so many zeros stand behind it too, and no detector looks further over an edge. */
export const PAD = 8;
/** An array for more is not kept. */
const KEPT = 64 * 1024;
/** From here on a call into the runtime costs less than a loop. */
const LONG = 256;

export class Units {
  #codes: Codes = new Uint16Array(PAD + 1024 + PAD);
  #end = PAD;

  get codes(): Codes {
    return this.#codes;
  }

  /** Where the text ends. */
  get end(): number {
    return this.#end;
  }

  text(text: string): this {
    const { length } = text;
    const codes = this.#room(length);
    if (length < LONG) for (let i = 0; i < length; i++) codes[PAD + i] = text.charCodeAt(i);
    else Buffer.from(codes.buffer).write(text, PAD * 2, 'utf16le');
    return this.#ended(PAD + length);
  }

  /** Code units that somebody has already. */
  units(units: readonly number[]): this {
    const { length } = units;
    const codes = this.#room(length);
    for (let i = 0; i < length; i++) codes[PAD + i] = units[i]!;
    return this.#ended(PAD + length);
  }

  /** UTF-8; false when it is none, and then there is no text. A text of as many units as bytes is ASCII. */
  utf8(bytes: Uint8Array, from: number, to: number): boolean {
    const codes = this.#room(to - from);
    let n = PAD;
    let high = 0;
    for (let at = from; at < to; at++) {
      const byte = bytes[at]!;
      high |= byte;
      codes[n++] = byte;
    }
    if (high > 127) n = decode(bytes, from, to, codes);
    this.#ended(Math.max(n, PAD));
    return n >= PAD;
  }

  #room(units: number): Codes {
    const least = PAD + units + PAD;
    if (this.#codes.length < least || (this.#codes.length > KEPT && least <= KEPT)) {
      this.#codes = new Uint16Array(least > KEPT ? least : Math.min(KEPT, 2 * least));
    }
    return this.#codes;
  }

  #ended(end: number): this {
    const codes = this.#codes;
    for (let i = 0; i < PAD; i++) codes[end + i] = 0;
    this.#end = end;
    return this;
  }
}

/** RFC 3629 §3, nothing overlong, no surrogates; where the text ends, -1 for no UTF-8. */
function decode(bytes: Uint8Array, from: number, to: number, codes: Codes): number {
  let n = PAD;
  let at = from;
  while (at < to) {
    const lead = bytes[at++]!;
    if (lead < 0x80) {
      codes[n++] = lead;
      continue;
    }
    const more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || at + more > to) return -1;
    let code = lead & (0x3f >> more);
    for (let i = 0; i < more; i++) {
      const byte = bytes[at++]!;
      if ((byte & 0xc0) !== 0x80) return -1;
      code = (code << 6) | (byte & 0x3f);
    }
    if (more === 1) codes[n++] = code;
    else if (more === 2) {
      if (code < 0x800 || (code >= 0xd800 && code < 0xe000)) return -1;
      codes[n++] = code;
    } else {
      if (code < 0x10000 || code > 0x10ffff) return -1;
      codes[n++] = 0xd800 + ((code - 0x10000) >> 10);
      codes[n++] = 0xdc00 + ((code - 0x10000) & 0x3ff);
    }
  }
  return n;
}

/** How many bytes of UTF-8 the units between two indices are, none of which parts a pair. */
export function utf8Length(codes: Codes, from: number, to: number): number {
  let bytes = 0;
  for (let i = from; i < to; i++) {
    const code = codes[i]!;
    bytes += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 2 : 3;
  }
  return bytes;
}

/** Whether the index is between the two halves of a pair. */
export function partsPair(codes: Codes, at: number): boolean {
  return (codes[at]! & 0xfc00) === 0xdc00 && (codes[at - 1]! & 0xfc00) === 0xd800;
}

/** A piece that is ASCII, as a string. */
export function asciiText(codes: Codes, from: number, to: number): string {
  return Buffer.from(codes.subarray(from, to)).toString('latin1');
}

/** Whether a word of ASCII stands there. */
export function startsWith(codes: Codes, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (codes[at + i] !== word[i]) return false;
  return true;
}
