// A shell's recording at some moment of it: forwards, back, to where a text comes to stand on its screen.
// Refuses to know: time, keys, what a terminal is drawn on.

import type { Scene } from '../session/output/scenes.ts';
import { terminalSize } from '../session/output/terminal-size.ts';
import { type Emulator, newEmulator } from './emulator.ts';

/** What stood on the screen for so long can be found, ms. */
const SEEN_MS = 20;
/** And so can what scrolled by: so many characters are looked through together. */
const TOGETHER_CHARS = 4096;

export class Screening {
  readonly scenes: readonly Scene[];
  readonly screen: Emulator;
  #shown = 0;

  static async open(scenes: readonly Scene[]): Promise<Screening> {
    return new Screening(scenes, await newEmulator(terminalSize({})));
  }

  private constructor(scenes: readonly Scene[], screen: Emulator) {
    this.scenes = scenes;
    this.screen = screen;
  }

  /** So many scenes are shown. Back means from the beginning, as a terminal cannot forget. */
  async to(count: number): Promise<void> {
    if (count < this.#shown) {
      this.screen.reset();
      this.#shown = 0;
    }
    await this.screen.show(this.scenes.slice(this.#shown, count));
    this.#shown = count;
  }

  /** How many are shown when the text newly stands there, after that many and from the beginning again; undefined: never. */
  async find(text: string, after: number): Promise<number | undefined> {
    const wanted = text.toLowerCase();
    if (wanted === '') return undefined;
    const scout = new Scout(await newEmulator(terminalSize({})), wanted);
    try {
      return (await this.#search(scout, after, this.scenes.length)) ?? (await this.#search(scout, 0, after));
    } finally {
      scout.screen.dispose();
    }
  }

  async #search(scout: Scout, from: number, to: number): Promise<number | undefined> {
    await scout.begin(this.scenes.slice(0, from));
    for (let at = from; at < to; ) {
      const end = Math.min(to, groupEnd(this.scenes, at));
      // Where it stands there still, with all that was drawn around it.
      if (await scout.comes(this.scenes.slice(at, end))) return scout.there ? end : this.#closer(scout, at, end);
      at = end;
    }
    return undefined;
  }

  /** In which of a group it comes; where it is none alone (it was drawn and gone), all of it. */
  async #closer(scout: Scout, from: number, to: number): Promise<number> {
    await scout.begin(this.scenes.slice(0, from));
    for (let at = from; at < to; at++) if (await scout.comes([this.scenes[at]!])) return at + 1;
    return to;
  }
}

/** The scenes that nobody saw apart. */
function groupEnd(scenes: readonly Scene[], from: number): number {
  let chars = scenes[from]!.text.length;
  let at = from + 1;
  while (at < scenes.length && scenes[at]!.at - scenes[at - 1]!.at < SEEN_MS) {
    chars += scenes[at]!.text.length;
    if (chars > TOGETHER_CHARS) break;
    at++;
  }
  return at;
}

/** Looks for a text on a screen of its own. */
class Scout {
  readonly screen: Emulator;
  readonly #wanted: string;
  #before = new Set<string>();

  constructor(screen: Emulator, wanted: string) {
    this.screen = screen;
    this.#wanted = wanted;
  }

  async begin(scenes: readonly Scene[]): Promise<void> {
    this.screen.reset();
    await this.screen.show(scenes);
    this.#before = this.#lines(0);
  }

  /** Whether a line has the text after these that had it not before. */
  async comes(scenes: readonly Scene[]): Promise<boolean> {
    const { fed, size } = this.screen;
    await this.screen.show(scenes);
    const chars = scenes.reduce((sum, { text }) => sum + text.length, 0);
    const now = this.#lines(this.screen.fed - fed + Math.ceil(chars / size.columns));
    const before = [...this.#before];
    this.#before = this.#lines(0);
    // One that is being written on is the same.
    const same = (line: string) => before.some((old) => line.startsWith(old) || old.startsWith(line));
    return [...now].some((line) => !same(line));
  }

  /** Whether it is on the screen. */
  get there(): boolean {
    return this.#before.size > 0;
  }

  #lines(above: number): Set<string> {
    return new Set(this.screen.texts(above).filter((line) => line.toLowerCase().includes(this.#wanted)));
  }
}
