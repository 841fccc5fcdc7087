// Lines that are noted and not encoded yet: they get number, chain and hash a few together, when they are written.
// Refuses to know: what they say, when that is.

/** A line before it has its number and its place in the chain; members as `encodeFields` makes them. */
export interface NotedLine {
  /** When, ms since 1970. */
  readonly at: number;
  readonly kind: string;
  readonly fields: string;
  /** Those that are hidden where the recording is encrypted. */
  readonly secret: string;
}

/** How many wait at most, and their UTF-16 units: more would not be quicker. */
const LINES = 64;
const UNITS = 16 * 1024;

export class NotedLines {
  #lines: NotedLine[] = [];
  #units = 0;

  get empty(): boolean {
    return this.#lines.length === 0;
  }

  /** Take them now. */
  get full(): boolean {
    return this.#lines.length >= LINES || this.#units > UNITS;
  }

  add(line: NotedLine): void {
    this.#lines.push(line);
    this.#units += line.fields.length + line.secret.length;
  }

  /** All of them, in order; none are left. */
  take(): readonly NotedLine[] {
    const lines = this.#lines;
    this.#lines = [];
    this.#units = 0;
    return lines;
  }
}
