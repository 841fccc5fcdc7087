// The line that is being written, as a terminal would show it: cells, a cursor among them, and for every cell the bytes that
// put it there. Refuses to know: what is looked for in it, when its bytes go on.

/** A cell that no byte made: the cursor passed over it. */
export const NO_BYTES = -1;

const BLANK = 32;
/** Cells that one movement of the cursor makes at most; further away is another place. */
export const FARTHEST = 256;
/** Characters under one cell whose bytes are remembered. */
const DEEPEST = 64;

export class Line {
  /** UTF-16; the second half of a pair has no bytes of its own. */
  readonly units: number[] = [];
  /** Where in the stream the bytes of the cell's character begin. */
  readonly starts: number[] = [];
  readonly sizes: number[] = [];
  /** Beginnings and sizes, in turn, of the bytes of characters that were overwritten. */
  readonly under: (number[] | undefined)[] = [];
  cursor = 0;
  /** Column of the first cell, from 0; undefined: not known. */
  origin: number | undefined = 0;

  get length(): number {
    return this.units.length;
  }

  /** The cursor's column. */
  get column(): number | undefined {
    return this.origin === undefined ? undefined : this.origin + this.cursor;
  }

  /** True when it took the place of another character. */
  print(unit: number, start: number, size: number): boolean {
    const at = this.cursor++;
    if (at === this.units.length) {
      this.units.push(unit);
      this.starts.push(start);
      this.sizes.push(size);
      this.under.push(undefined);
      return false;
    }
    const changed = this.units[at] !== unit;
    if (this.starts[at] !== NO_BYTES) {
      this.under[at] ??= [];
      const under = this.under[at];
      under.push(this.starts[at]!, this.sizes[at]!);
      if (under.length > 2 * DEEPEST) under.splice(0, 2);
    }
    this.units[at] = unit;
    this.starts[at] = start;
    this.sizes[at] = size;
    return changed;
  }

  back(count: number): void {
    this.cursor = Math.max(0, this.cursor - count);
  }

  /** False: too far to be the same line still. */
  forward(count: number): boolean {
    if (count > FARTHEST) return false;
    for (let i = 0; i < count; i++) {
      if (this.cursor === this.units.length) this.print(BLANK, NO_BYTES, 0);
      else this.cursor++;
    }
    return true;
  }

  /** The cursor goes to that cell; false: it is too far from those that there are. */
  to(cell: number): boolean {
    if (cell < 0 || cell > this.units.length + FARTHEST) return false;
    if (cell <= this.units.length) {
      this.cursor = cell;
      return true;
    }
    this.cursor = this.units.length;
    return this.forward(cell - this.units.length);
  }

  insert(count: number): void {
    const room = new Array<number>(Math.min(count, FARTHEST));
    this.units.splice(this.cursor, 0, ...room.fill(BLANK));
    this.starts.splice(this.cursor, 0, ...room.fill(NO_BYTES));
    this.sizes.splice(this.cursor, 0, ...room.fill(0));
    this.under.splice(this.cursor, 0, ...new Array<undefined>(room.length).fill(undefined));
  }

  remove(count: number): void {
    for (const list of [this.units, this.starts, this.sizes, this.under]) list.splice(this.cursor, count);
  }

  /** Forgets the cells from the cursor on. */
  truncate(): void {
    this.remove(this.length);
  }

  /** Forgets the first cells. */
  drop(count: number): void {
    for (const list of [this.units, this.starts, this.sizes, this.under]) list.splice(0, count);
    this.cursor = Math.max(0, this.cursor - count);
    if (this.origin !== undefined) this.origin += count;
  }

  clear(origin: number | undefined): void {
    if (this.length > 0) for (const list of [this.units, this.starts, this.sizes, this.under]) list.length = 0;
    this.cursor = 0;
    this.origin = origin;
  }

  text(): string {
    return String.fromCharCode(...this.units);
  }
}
