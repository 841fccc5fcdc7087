// Bytes for a terminal → the lines that a person would have read, as plain text: colours and titles gone, what was overwritten or
// erased within a line gone too. Nothing of it can steer whoever's terminal shows it.
// Refuses to know: rows. What a full-screen program draws comes in the order in which it drew it.

import { Line } from './line.ts';
import { Reader, type Sink } from './reader.ts';

/** A line is told in parts of this length at the latest. */
const LONGEST = 8192;

/** Controls of eight bits, line separators, and what turns the direction of writing: the line would read as another. */
const STEERING = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

export class Transcript implements Sink {
  readonly #line = new Line();
  readonly #reader = new Reader(this);
  #rest: Buffer = Buffer.alloc(0);
  #hidden = false;
  #text = '';
  readonly stop = false;

  /** The lines that are whole now, each with its newline. */
  push(bytes: Buffer): string {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    this.#rest = Buffer.from(all.subarray(this.#reader.read(all, 0, 0)));
    return this.#take();
  }

  /** Nothing more comes: what is left. */
  end(): string {
    this.#flush();
    return this.#take();
  }

  print(unit: number): void {
    if (this.#hidden) return;
    if (this.#line.length >= LONGEST) this.#flush();
    // Of the control characters, a tab alone is text.
    if (unit >= 32 || unit === 9) this.#line.print(STEERING.test(String.fromCharCode(unit)) ? 0xfffd : unit, 0, 1);
  }

  back(count: number): void {
    this.#line.back(count);
  }

  forward(count: number): void {
    if (!this.#line.forward(count)) this.#flush();
  }

  column(to: number): void {
    if (!this.#line.to(to)) this.#flush();
  }

  place(_row: number, column: number): void {
    this.#flush();
    this.#line.to(column);
  }

  insert(count: number): void {
    this.#line.insert(count);
  }

  remove(count: number): void {
    this.#line.remove(count);
  }

  erase(how: number): void {
    const { cursor } = this.#line;
    if (how === 0) this.#line.truncate();
    else if (how === 2) {
      this.#line.clear(0);
      this.#line.to(cursor);
    }
  }

  carriage(): void {
    this.#line.to(0);
  }

  newline(): void {
    if (!this.#hidden) this.#end();
  }

  away(): void {
    this.#flush();
  }

  hidden(on: boolean): void {
    this.#hidden = on;
  }

  binary(): void {}

  // -------------------------------------------------------------------------------------------------------------------

  /** A line that has something in it. */
  #flush(): void {
    if (this.#line.text().trim() === '') this.#line.clear(0);
    else this.#end();
  }

  #end(): void {
    this.#text += `${this.#line.text().trimEnd()}\n`;
    this.#line.clear(0);
  }

  #take(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }
}
