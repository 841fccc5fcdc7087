// COPY in CSV format (COPY, "CSV Format"): rows end with a newline outside of quotes; NULL is a text without quotes.

import type { CopyOptions } from '../analysis.ts';
import { CopyRows, type CopyTask } from './copy-rows.ts';
import { maskText, UNCHANGED } from './values.ts';

const NEWLINE = 10;

export class CsvRows extends CopyRows {
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #quoteText: string;
  readonly #escapeText: string;
  readonly #delimiterText: string;
  readonly #null: string;
  #header: boolean;
  /** State of the row that is not whole: where to go on, and whether inside of quotes there. */
  #at = 0;
  #quoted = false;

  constructor(options: CopyOptions, task: CopyTask) {
    super(task);
    this.#delimiterText = options.delimiter;
    this.#delimiter = options.delimiter.charCodeAt(0);
    this.#quoteText = options.quote;
    this.#quote = options.quote.charCodeAt(0);
    this.#escapeText = options.escape;
    this.#escape = options.escape.charCodeAt(0);
    this.#null = options.null;
    this.#header = options.header;
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
    let index = 0;
    let start = from;
    const none = masks.length === 0 && end === from;
    while (!none) {
      const stop = this.#valueEnd(buffer, start, end);
      const mask = masks[index];
      if (mask !== null && mask !== undefined) {
        const value = this.#read(buffer, start, stop);
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
      if (stop === end) break;
      start = stop + 1;
    }
    this.checkCount(index);
    slab.copy(buffer, copied, to);
    if (values !== undefined) record?.(values);
  }

  #valueEnd(buffer: Buffer, start: number, end: number): number {
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

  #read(buffer: Buffer, from: number, to: number): string | null {
    const raw = buffer.toString('utf8', from, to);
    if (!raw.includes(this.#quoteText)) return raw === this.#null ? null : raw;
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

  #write(value: string): string {
    const plain =
      value !== this.#null &&
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
