// COPY in text format (COPY, "Text Format"): rows end with a newline, values are divided by one byte, a backslash
// escapes. A newline in a value is always escaped, so that a row ends at the first one.

import type { CopyOptions } from '../analysis.ts';
import { CopyRows, type CopyTask } from './copy-rows.ts';
import { maskText, UNCHANGED } from './values.ts';

const NEWLINE = 10;
const BACKSLASH = 92;

const ESCAPED: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** `\t` → tab, `\101` and `\x41` → A, `\,` → comma. Octal and hex are not sent by servers, and understood all the same. */
export function unescapeText(raw: string): string {
  if (!raw.includes('\\')) return raw;
  return raw.replace(/\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|([\s\S]))/g, (_, octal, hex, other) => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    return ESCAPED[other] ?? other;
  });
}

export class TextRows extends CopyRows {
  readonly #delimiter: number;
  readonly #null: string;
  /** The text of NULL can also be a value: the server does not escape one that is equal to it. */
  readonly #ambiguous: boolean;
  #header: boolean;

  constructor(options: CopyOptions, task: CopyTask) {
    super(task);
    this.#delimiter = options.delimiter.charCodeAt(0);
    this.#null = options.null;
    this.#ambiguous = this.#null !== '' && !this.#null.startsWith('\\');
    this.#header = options.header;
  }

  protected override rowEnd(buffer: Buffer, from: number, scanned: number): number {
    const at = buffer.indexOf(NEWLINE, from + scanned);
    return at < 0 ? -1 : at + 1;
  }

  protected override row(buffer: Buffer, from: number, to: number): void {
    const { masks, types, slab } = this.task;
    if (this.#header) {
      this.#header = false;
      slab.copy(buffer, from, to);
      return;
    }
    const record = this.task.sink();
    const values: (string | null)[] | undefined = record === undefined ? undefined : [];
    const end = to - 1;
    let copied = from;
    let start = from;
    let index = 0;
    let at = from;
    // A row of a relation without columns is empty, and so is one of a single empty value.
    const none = masks.length === 0 && end === from;
    while (!none) {
      const byte = at < end ? buffer[at]! : this.#delimiter;
      if (byte === BACKSLASH) {
        at += 2;
        continue;
      }
      if (byte !== this.#delimiter) {
        at++;
        continue;
      }
      const stop = Math.min(at, end);
      const mask = masks[index];
      if (mask !== null && mask !== undefined) {
        const read = this.#read(buffer, start, stop);
        // Were it left as it is, NULL '…' would show which rows have that value.
        const value = read === null && this.#ambiguous ? this.#null : read;
        const masked = value === null ? UNCHANGED : maskText(value, mask, types[index]!);
        if (masked !== UNCHANGED) {
          slab.copy(buffer, copied, start);
          slab.text(masked === null ? this.#null : this.#write(masked));
          copied = stop;
        }
        values?.push(masked === UNCHANGED ? value : masked);
      } else {
        values?.push(this.#read(buffer, start, stop));
      }
      index++;
      start = at + 1;
      at = start;
      if (stop === end) break;
    }
    this.checkCount(index);
    slab.copy(buffer, copied, to);
    if (values !== undefined) record?.(values);
  }

  #read(buffer: Buffer, from: number, to: number): string | null {
    const raw = buffer.toString('utf8', from, to);
    return raw === this.#null ? null : unescapeText(raw);
  }

  #write(value: string): string {
    let written = value;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if ((code < 14 && code > 7) || code === BACKSLASH || code === this.#delimiter) {
        written = this.#escape(value);
        break;
      }
    }
    // A text that looks like NULL or like the end of the data must not be read as that.
    return written === this.#null || written === '\\.' ? `\\${written}` : written;
  }

  #escape(value: string): string {
    let written = '';
    for (const character of value) {
      written += ESCAPES[character] ?? (character.charCodeAt(0) === this.#delimiter ? `\\${character}` : character);
    }
    return written;
  }
}
