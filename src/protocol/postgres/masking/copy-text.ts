// COPY in text format (COPY, "Text Format"): rows end with a newline, values are divided by one byte, a backslash
// escapes. A newline in a value is always escaped, so that a row ends at the first one.

import type { CopyOptions } from '../analysis.ts';
import { LineRows } from './copy-lines.ts';
import type { CopyTask } from './copy-rows.ts';

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

export class TextRows extends LineRows {
  readonly #delimiter: number;
  /** The text of NULL can also be a value: the server does not escape one that is equal to it. */
  readonly #ambiguous: boolean;

  constructor(options: CopyOptions, task: CopyTask) {
    super(options, task);
    this.#delimiter = options.delimiter.charCodeAt(0);
    this.#ambiguous = this.nullText !== '' && !this.nullText.startsWith('\\');
  }

  protected override rowEnd(buffer: Buffer, from: number, scanned: number): number {
    const at = buffer.indexOf(NEWLINE, from + scanned);
    return at < 0 ? -1 : at + 1;
  }

  protected override valueEnd(buffer: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = buffer[at]!;
      if (byte === BACKSLASH) at++;
      else if (byte === this.#delimiter) return at;
    }
    return end;
  }

  // Were NULL's text left as it is, NULL '…' would show which rows have that value.
  protected override maskable(read: string | null): string | null {
    return read === null && this.#ambiguous ? this.nullText : read;
  }

  protected override read(buffer: Buffer, from: number, to: number): string | null {
    const raw = buffer.toString('utf8', from, to);
    return raw === this.nullText ? null : unescapeText(raw);
  }

  protected override write(value: string): string {
    let written = value;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if ((code < 14 && code > 7) || code === BACKSLASH || code === this.#delimiter) {
        written = this.#escape(value);
        break;
      }
    }
    // A text that looks like NULL or like the end of the data must not be read as that.
    return written === this.nullText || written === '\\.' ? `\\${written}` : written;
  }

  #escape(value: string): string {
    let written = '';
    for (const character of value) {
      written += ESCAPES[character] ?? (character.charCodeAt(0) === this.#delimiter ? `\\${character}` : character);
    }
    return written;
  }
}
