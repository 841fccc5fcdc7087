// Bytes for a terminal → the lines that a person would have read, as plain text: colours and titles gone, what was overwritten or
// erased within a line gone too, and what is put where titles are told as what it is. Nothing of it can steer whoever's terminal shows it.
// Refuses to know: rows. What a full-screen program draws comes in the order in which it drew it.

import { Line } from './line.ts';
import { Reader, type Sink } from './reader.ts';

/** A line is told in parts of this length at the latest. */
const LONGEST = 8192;

/** A title, or where a link leads, has at most so many characters. */
const TITLE = 256;

/** Controls of eight bits, line separators, and what turns the direction of writing: the line would read as another. */
const STEERING = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

export class Transcript implements Sink {
  readonly #line = new Line();
  readonly #reader = new Reader(this);
  #rest: Buffer = Buffer.alloc(0);
  #hidden = false;
  /** What is in a string that a terminal does not show. */
  #unseen = '';
  /** It is no title. */
  #telling = false;
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
    this.hidden(false);
    return this.#take();
  }

  print(unit: number): void {
    // Of the control characters, a tab alone is text.
    if (unit < 32 && unit !== 9) return;
    const tamed = STEERING.test(String.fromCharCode(unit)) ? 0xfffd : unit;
    if (this.#hidden) {
      this.#unseen += String.fromCharCode(tamed);
      if (this.#unseen.length >= LONGEST) this.#tell();
      return;
    }
    if (this.#line.length >= LONGEST) this.#flush();
    this.#line.print(tamed, 0, 1);
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
    if (this.#hidden) this.#tell();
    else this.#end();
  }

  away(): void {
    this.#flush();
  }

  hidden(on: boolean): void {
    // A last line of what was told in lines, however long it is.
    if (!on && (this.#unseen.length > TITLE || this.#telling)) this.#tell();
    this.#hidden = on;
    this.#telling = false;
    this.#unseen = '';
  }

  binary(): void {}

  // -------------------------------------------------------------------------------------------------------------------

  /** A line that has something in it. */
  #flush(): void {
    if (this.#line.text().trim() === '') this.#line.clear(0);
    else this.#end();
  }

  /** Whoever looks has to know what was put out so that nobody would see it. */
  #tell(): void {
    this.#flush();
    if (this.#unseen !== '') this.#text += `(not shown) ${this.#unseen}\n`;
    this.#telling = true;
    this.#unseen = '';
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
