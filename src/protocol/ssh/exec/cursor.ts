// A place in a text that is read from its beginning to its end. Refuses to know: what is read there.

/** The text cannot be read for certain. */
export class Opaque extends Error {}

/** Nested deeper, a text is no longer read: a person's command has some five levels, and each is read again for those around it. */
const DEEPEST = 20;

/** One level further in. Throws Opaque. */
export function deeper(depth: number): number {
  if (depth >= DEEPEST) throw new Opaque('it is nested too deep');
  return depth + 1;
}

/** Blanks of other alphabets: some shells in some locales divide words there. */
const STRANGE = /[^\S \t\n\r\v\f]|\u180e|\u200b|\ufeff|\0/u;

export class Cursor {
  protected readonly text: string;
  protected at = 0;

  constructor(text: string) {
    if (STRANGE.test(text)) throw new Opaque('it has a blank that shells disagree about');
    this.text = text;
  }

  get atEnd(): boolean {
    return this.at >= this.text.length;
  }

  get rest(): string {
    return this.text.slice(this.at);
  }

  startsWith(text: string): boolean {
    return this.text.startsWith(text, this.at);
  }

  take(text: string): void {
    this.at += text.length;
  }

  back(count: number): void {
    this.at -= count;
  }

  expect(text: string): void {
    if (!this.startsWith(text)) throw new Opaque(`"${text}" is missing`);
    this.take(text);
  }
}
