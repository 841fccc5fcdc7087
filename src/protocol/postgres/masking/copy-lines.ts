// The walk that COPY's two formats of lines share: values between delimiters, an optional header, NULL as a text. What a
// value looks like between them is the format's. Refuses to know: quotes, escapes.

import { isRead } from '../../contract.ts';
import type { CopyOptions } from '../analysis.ts';
import { CopyRows, type CopyTask } from './copy-rows.ts';
import { maskText, UNCHANGED } from './values.ts';

export abstract class LineRows extends CopyRows {
  protected readonly nullText: string;
  #header: boolean;

  constructor(options: CopyOptions, task: CopyTask) {
    super(task);
    this.nullText = options.null;
    this.#header = options.header;
  }

  /** The index of the delimiter after the value that begins at `start`, or `end`. */
  protected abstract valueEnd(buffer: Buffer, start: number, end: number): number;
  /** The value, unescaped; null is NULL. */
  protected abstract read(buffer: Buffer, from: number, to: number): string | null;
  /** What a mask is given. */
  protected maskable(read: string | null): string | null {
    return read;
  }
  protected abstract write(value: string): string;

  /** For the recording. */
  #shown(buffer: Buffer, from: number, to: number): string | null {
    const read = this.read(buffer, from, to);
    return read === null || isRead(read, buffer, from, to) ? read : `\\x${buffer.toString('hex', from, to)}`;
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
    // A row of a relation without columns is empty, and so is one of a single empty value.
    const none = masks.length === 0 && end === from;
    while (!none) {
      const stop = this.valueEnd(buffer, start, end);
      const mask = masks[index];
      if (mask !== null && mask !== undefined) {
        const read = this.read(buffer, start, stop);
        const value = this.maskable(read);
        const masked = value === null ? UNCHANGED : maskText(value, mask, types[index]!);
        if (masked !== UNCHANGED) {
          slab.copy(buffer, copied, start);
          slab.text(masked === null ? this.nullText : this.write(masked));
          copied = stop;
        }
        values?.push(masked === UNCHANGED ? value : masked);
      } else {
        values?.push(this.#shown(buffer, start, stop));
      }
      index++;
      if (stop === end) break;
      start = stop + 1;
    }
    this.checkCount(index);
    slab.copy(buffer, copied, to);
    if (values !== undefined) record?.(values);
  }
}
