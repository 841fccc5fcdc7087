// COPY in CSV format (COPY, "CSV Format"): rows end with a newline outside of quotes; NULL is a text without quotes.

import type { CopyOptions } from '../analysis.ts';
import { LineRows } from './copy-lines.ts';
import type { CopyTask } from './copy-rows.ts';

const NEWLINE = 10;

export class CsvRows extends LineRows {
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #quoteText: string;
  readonly #escapeText: string;
  readonly #delimiterText: string;
  /** State of the row that is not whole: where to go on, and whether inside of quotes there. */
  #at = 0;
  #quoted = false;

  constructor(options: CopyOptions, task: CopyTask) {
    super(options, task);
    this.#delimiterText = options.delimiter;
    this.#delimiter = options.delimiter.charCodeAt(0);
    this.#quoteText = options.quote;
    this.#quote = options.quote.charCodeAt(0);
    this.#escapeText = options.escape;
    this.#escape = options.escape.charCodeAt(0);
  }

  protected override rowEnd(buffer: Buffer, from: number, scanned: number): number {
    let at = from;
    let quoted = false;
    if (scanned > 0) {
      at = from + this.#at;
      quoted = this.#quoted;
    }
    for (; at < buffer.length; at++) {
      const byte = buffer[at]!;
      if (quoted && byte === this.#escape) {
        const next = buffer[at + 1];
        // What follows decides whether it escapes or ends: wait for it.
        if (next === undefined) break;
        if (next === this.#quote || next === this.#escape) {
          at++;
          continue;
        }
      }
      if (byte === this.#quote) quoted = !quoted;
      else if (byte === NEWLINE && !quoted) return at + 1;
    }
    this.#at = at - from;
    this.#quoted = quoted;
    return -1;
  }

  protected override valueEnd(buffer: Buffer, start: number, end: number): number {
    let quoted = false;
    for (let at = start; at < end; at++) {
      const byte = buffer[at]!;
      if (quoted && byte === this.#escape && at + 1 < end) {
        const next = buffer[at + 1];
        if (next === this.#quote || next === this.#escape) {
          at++;
          continue;
        }
      }
      if (byte === this.#quote) quoted = !quoted;
      else if (byte === this.#delimiter && !quoted) return at;
    }
    return end;
  }

  protected override read(buffer: Buffer, from: number, to: number): string | null {
    const raw = buffer.toString('utf8', from, to);
    if (!raw.includes(this.#quoteText)) return raw === this.nullText ? null : raw;
    let value = '';
    let quoted = false;
    for (let i = 0; i < raw.length; i++) {
      const character = raw[i]!;
      const next = raw[i + 1];
      if (quoted && character === this.#escapeText && (next === this.#quoteText || next === this.#escapeText)) {
        value += next;
        i++;
      } else if (character === this.#quoteText) {
        quoted = !quoted;
      } else {
        value += character;
      }
    }
    return value;
  }

  protected override write(value: string): string {
    const plain =
      value !== this.nullText &&
      value !== '' &&
      value !== '\\.' &&
      ![this.#delimiterText, this.#quoteText, '\n', '\r'].some((special) => value.includes(special));
    if (plain) return value;
    let quoted = this.#quoteText;
    for (const character of value) {
      if (character === this.#quoteText || character === this.#escapeText) quoted += this.#escapeText;
      quoted += character;
    }
    return quoted + this.#quoteText;
  }
}
