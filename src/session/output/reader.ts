// Bytes for a terminal → characters and movements of the cursor (ECMA-48 and what xterm adds), whole sequences at a time.
// Refuses to know: what is done with them. Everything that is no movement is passed over.

export interface Sink {
  /** `start`: where in the stream its bytes are. `size` 0: the second half of the character before. */
  print(unit: number, start: number, size: number): void;
  back(count: number): void;
  forward(count: number): void;
  /** To a column, from 0, of the same row. */
  column(to: number): void;
  /** To a row and column, from 0. */
  place(row: number, column: number): void;
  insert(count: number): void;
  remove(count: number): void;
  /** Of the line, behind the cursor (0), before it (1), or all (2). */
  erase(how: number): void;
  /** Back to the beginning of the row, and not to the next. */
  carriage(): void;
  newline(): void;
  /** The cursor goes to somewhere else. */
  away(): void;
  /** Text that is not shown begins (a title, a link), or ends. */
  hidden(on: boolean): void;
  /** A byte that no text has. */
  binary(): void;
  /** Nothing is read on after the current sequence until the next `read`. */
  readonly stop: boolean;
}

const ESC = 0x1b;
/** A control sequence longer than this is none. */
const LONGEST = 256;
/** Final bytes of those that lead to another line, or move lines: CUU, CUD, CNL, CPL, VPA, VPR, IL, DL, SU, SD, SCORC, CHT, CBT. */
const AWAY = 'ABEFdeLMSTuIZ';

export class Reader {
  readonly #sink: Sink;
  /** Inside of OSC, DCS, SOS, PM or APC, up to its end. */
  #string = false;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Nothing has begun: what comes is plain text. */
  get plain(): boolean {
    return !this.#string;
  }

  /** Reads from `at` on what is whole, until the sink says stop; where it stopped. `base`: the stream's place of byte 0. */
  read(bytes: Buffer, at: number, base: number): number {
    const sink = this.#sink;
    let i = at;
    while (i < bytes.length && !sink.stop) {
      const byte = bytes[i]!;
      if (byte >= 0x20 && byte < 0x7f) {
        sink.print(byte, base + i++, 1);
        continue;
      }
      const next =
        byte === 0x0d
          ? this.#return(bytes, i)
          : byte === ESC
            ? this.#escape(bytes, i)
            : byte < 0x80
              ? this.#control(byte, i, base)
              : this.#utf8(bytes, i, base);
      if (next < 0) return i;
      i = next;
    }
    return i;
  }

  #control(byte: number, i: number, base: number): number {
    const sink = this.#sink;
    if (this.#string && (byte === 0x07 || byte === 0x18 || byte === 0x1a)) this.#end();
    else if (byte === 0x0a) sink.newline();
    else if (this.#string) return i + 1;
    else if (byte === 0x08) sink.back(1);
    else if (byte === 0x09) sink.print(byte, base + i, 1);
    else if (byte === 0x0b || byte === 0x0c) sink.away();
    else if (byte === 0) sink.binary();
    return i + 1;
  }

  #return(bytes: Buffer, i: number): number {
    if (i + 1 >= bytes.length) return -1;
    if (bytes[i + 1] !== 0x0a && !this.#string) this.#sink.carriage();
    return i + 1;
  }

  #end(): void {
    this.#string = false;
    this.#sink.hidden(false);
  }

  /** From ESC on; -1: not whole yet. */
  #escape(bytes: Buffer, i: number): number {
    if (i + 1 >= bytes.length) return -1;
    const kind = bytes[i + 1]!;
    if (this.#string) {
      // ESC ends it whatever follows; the terminator is ESC \.
      this.#end();
      return kind === 0x5c ? i + 2 : i;
    }
    if (kind === 0x5b) return this.#csi(bytes, i);
    if ([0x5d, 0x50, 0x58, 0x5e, 0x5f].includes(kind)) {
      this.#string = true;
      this.#sink.hidden(true);
      return i + 2;
    }
    let end = i + 1;
    while (end < bytes.length && bytes[end]! >= 0x20 && bytes[end]! < 0x30) end++;
    if (end >= bytes.length) return end - i > LONGEST ? i + 1 : -1;
    // Index, next line, reverse index, restored cursor, full reset.
    if (end === i + 1 && [0x44, 0x45, 0x4d, 0x38, 0x63].includes(kind)) this.#sink.away();
    return bytes[end]! >= 0x30 && bytes[end]! < 0x7f ? end + 1 : i + 1;
  }

  #csi(bytes: Buffer, i: number): number {
    let end = i + 2;
    while (end < bytes.length && bytes[end]! >= 0x20 && bytes[end]! < 0x40) end++;
    if (end - i > LONGEST) return i + 2;
    if (end >= bytes.length) return -1;
    const final = bytes[end]!;
    // Something else broke in: the sequence is over.
    if (final < 0x40 || final > 0x7e) return end;
    // Colours: most there are.
    if (final !== 0x6d) this.#move(String.fromCharCode(final), bytes.toString('latin1', i + 2, end));
    return end + 1;
  }

  #move(final: string, given: string): void {
    const sink = this.#sink;
    const [first = 0, second = 0] = given.split(';').map((one) => Number.parseInt(one, 10) || 0);
    const count = Math.max(1, first);
    if (AWAY.includes(final)) sink.away();
    else if (final === 'C' || final === 'a') sink.forward(count);
    else if (final === 'D') sink.back(count);
    else if (final === 'G' || final === '`') sink.column(count - 1);
    else if (final === 'H' || final === 'f') sink.place(count - 1, Math.max(1, second) - 1);
    else if (final === '@' && /^\d*$/.test(given)) sink.insert(count);
    else if (final === 'P') sink.remove(count);
    else if (final === 'K') sink.erase(first);
    // Another screen; the whole of this one.
    else if ((final === 'h' || final === 'l') && /^\?(47|1047|1049)$/.test(given)) sink.away();
    else if (final === 'J' && first !== 0) sink.away();
  }

  /** One character outside ASCII; what is none in UTF-8 stands for itself, byte by byte. */
  #utf8(bytes: Buffer, i: number, base: number): number {
    const lead = bytes[i]!;
    const size = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4) return this.#invalid(i, base);
    for (let k = 1; k < size; k++) {
      if (i + k >= bytes.length) return -1;
      if ((bytes[i + k]! & 0xc0) !== 0x80) return this.#invalid(i, base);
    }
    const code = bytes.toString('utf8', i, i + size).codePointAt(0)!;
    if (code === 0xfffd && !(size === 3 && lead === 0xef)) return this.#invalid(i, base);
    if (code > 0xffff) {
      this.#sink.print(0xd800 + ((code - 0x10000) >> 10), base + i, size);
      this.#sink.print(0xdc00 + ((code - 0x10000) & 0x3ff), base + i, 0);
    } else this.#sink.print(code, base + i, size);
    return i + size;
  }

  #invalid(i: number, base: number): number {
    this.#sink.print(0xfffd, base + i, 1);
    return i + 1;
  }
}
