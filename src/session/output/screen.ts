// What a reader tells, as the line that is being written and where it ends. A line goes on in the next row where it fills one.
// Refuses to know: what is looked for in it.

import { Line } from './line.ts';
import type { Sink } from './reader.ts';

/** Characters of one line that are looked at together. */
export const WINDOW = 4096;
/** A line is looked at before something in it is overwritten, each time so many new characters have come. */
const FRESH = 8;

export interface ScreenEvents {
  /** A character; true: it is dealt with, and is none of the line's. */
  taken(unit: number, start: number, size: number): boolean;
  /** Something of the line is about to be overwritten: what it is now counts too. */
  overwriting(): void;
  /** Text that is not shown is over. */
  hidden(): void;
}

export class Screen implements Sink {
  readonly line = new Line();
  /** Text that is not shown: a title, the target of a link. */
  readonly unseen = new Line();
  readonly #events: ScreenEvents;
  #writing = this.line;
  #columns: number | undefined;
  /** The row of the line's first cell, where something told it. */
  #row: number | undefined;
  #fresh = 0;
  /** The line was read to its end. */
  ended = false;
  /** Where the next line begins. */
  #next: number | undefined = 0;
  /** A byte came that no text has. */
  notText = false;

  constructor(events: ScreenEvents) {
    this.#events = events;
  }

  get columns(): number | undefined {
    return this.#columns;
  }

  resize(columns: number | undefined): void {
    this.#columns = columns;
  }

  get full(): boolean {
    return this.line.length >= WINDOW || this.unseen.length >= WINDOW;
  }

  get stop(): boolean {
    return this.ended || this.full;
  }

  /** The line that has ended is done with. */
  begin(): void {
    this.line.clear(this.#next);
    this.#fresh = 0;
    this.ended = false;
  }

  /** Begins a line at the left, after one that was dealt with elsewhere. */
  fresh(): void {
    this.#row = undefined;
    this.#next = 0;
    this.begin();
  }

  /** Nothing is known of where it is. */
  lost(): void {
    this.hidden(false);
    this.#row = undefined;
    this.#next = undefined;
    this.begin();
  }

  print(unit: number, start: number, size: number): void {
    if (this.#events.taken(unit, start, size)) return;
    const line = this.#writing;
    if (line.cursor < line.length && line.units[line.cursor] !== unit) this.#overwriting();
    if (line.print(unit, start, size) || line.cursor === line.length) this.#fresh++;
  }

  back(count: number): void {
    this.line.back(count);
  }

  forward(count: number): void {
    if (!this.line.forward(count)) this.away();
  }

  column(to: number): void {
    const { origin } = this.line;
    if (origin === undefined || !this.line.to(this.#rowStart() + to)) this.#leave(to);
  }

  place(row: number, column: number): void {
    const at = this.line.column;
    const width = this.#columns;
    if (this.#row !== undefined && at !== undefined) {
      const here = this.#row + (width === undefined ? 0 : Math.floor(Math.max(0, at - 1) / width));
      if (row === here) {
        this.column(column);
        return;
      }
      // The next row, after one that is full: the line goes on.
      if (row === here + 1 && column === 0 && width !== undefined && at > 0 && at % width === 0) return;
    }
    this.#leave(column);
    this.#row = row;
  }

  insert(count: number): void {
    this.line.insert(count);
  }

  remove(count: number): void {
    this.#overwriting();
    this.line.remove(count);
  }

  /** What was there was there. */
  erase(): void {}

  carriage(): void {
    const { column } = this.line;
    const width = this.#columns;
    // In a row that is not the line's first the line is still the same.
    if (column !== undefined && width !== undefined && column > width) this.line.to(this.#rowStart());
    else this.#leave(0);
  }

  newline(): void {
    if (this.#writing === this.unseen) {
      this.cut();
      return;
    }
    const at = this.line.column;
    const width = this.#columns;
    // A full row: what follows in the next is the same line.
    if (width !== undefined && at !== undefined && at > 0 && at % width === 0 && this.line.length > 0) return;
    this.#leave(0);
  }

  away(): void {
    this.#leave(undefined);
  }

  hidden(on: boolean): void {
    if (!on && this.#writing === this.unseen) this.#events.hidden();
    this.unseen.clear(undefined);
    this.#writing = on ? this.unseen : this.line;
  }

  /** What is not shown goes on, as another text. */
  cut(): void {
    this.hidden(false);
    this.hidden(true);
  }

  binary(): void {
    this.notText = true;
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** The line ends here, and another begins at that column. */
  #leave(column: number | undefined): void {
    this.ended = true;
    this.#next = column;
    this.#row = undefined;
  }

  /** Cell of the first column of the cursor's row. */
  #rowStart(): number {
    const { origin, column } = this.line;
    if (origin === undefined || column === undefined) return 0;
    const width = this.#columns;
    const row = width === undefined ? 0 : Math.floor(Math.max(0, column - 1) / width);
    return row * (width ?? 0) - origin;
  }

  #overwriting(): void {
    if (this.#fresh < Math.max(FRESH, this.line.length / 64)) return;
    this.#fresh = 0;
    this.#events.overwriting();
  }
}
