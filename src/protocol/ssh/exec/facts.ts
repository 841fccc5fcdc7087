// A command's text as facts that policy can see: which programs its shell runs with which arguments, and which files its
// redirections read and write. Refuses to know: rules.

import type { CommandUse, Facts, PlaceUse } from '../../contract.ts';
import { Effort, HALF, JOINED, Opaque } from './cursor.ts';
import { unwrap } from './programs.ts';
import { readScript, type SimpleCommand } from './script.ts';
import { transfer } from './transfers.ts';
import { steering, steeringInEnvironment } from './variables.ts';
import type { Word } from './words.ts';

/** Commands within commands: `sudo env nice …`. */
const DEEPEST = 20;

/** `exec` as one part; what the text does not tell makes it opaque, beside what it does tell. */
export function commandFacts(text: string): Facts {
  const found = new Found();
  found.script(text, 0);
  const { commands, places, opaque } = found;
  return {
    does: ['exec', ...found.does],
    relations: [],
    functions: [],
    unbounded: false,
    programs: [...new Set(commands.map(({ program }) => program))],
    commands,
    places,
    ...(opaque === undefined ? {} : { opaque }),
  };
}

class Found {
  readonly commands: CommandUse[] = [];
  readonly places: PlaceUse[] = [];
  /** What it does beside being run. */
  readonly does = new Set<string>();
  /** The first thing that is not told; what comes after it is read all the same. */
  opaque: string | undefined;
  readonly #effort = new Effort();

  script(text: string, depth: number): void {
    if (JOINED.test(text)) this.opaque ??= 'what a sign means is told in the next line, behind a backslash';
    if (HALF.test(text)) this.opaque ??= 'a sign behind a letter outside of ASCII is a part of it in some locales';
    this.#guarded(() => {
      for (const command of readScript(text, this.#effort)) this.#guarded(() => this.#simple(command, depth));
    });
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof Opaque)) throw error;
      this.opaque ??= error.message;
    }
  }

  #simple({ assignments, words, redirections }: SimpleCommand, depth: number): void {
    const unknown = redirections.some(({ path }) => path === undefined);
    for (const { path, read, written } of redirections) {
      if (path !== undefined) this.places.push({ place: path, read, written });
    }
    this.#guarded(() => this.#run(words, depth));
    if (unknown) throw new Opaque('where a redirection goes is not told by the text');
    const steers = words.length === 0 ? steering : steeringInEnvironment;
    for (const { name } of assignments) if (steers(name)) throw new Opaque(`it sets ${name}`);
  }

  #run(words: readonly Word[], depth: number): void {
    const [first, ...rest] = words;
    if (first === undefined) return;
    if (depth > DEEPEST) throw new Opaque('it is nested too deep');
    if (first.value === undefined) {
      throw new Opaque(`which program "${first.raw.slice(0, 40)}" is, the text does not tell`);
    }
    this.commands.push({ program: first.value, words: rest.map(({ value }) => value) });
    // Behind `time` it is an option to some shells, and what comes behind it is run; `=ls` is where ls lies to zsh.
    if (/^[-=]/.test(first.value)) throw new Opaque(`which program "${first.value.slice(0, 40)}" is, shells disagree`);
    const moved = transfer(first.value, rest);
    if (moved !== undefined) {
      this.does.add(moved.does);
      this.places.push(...moved.places);
    }
    const inner = unwrap(first.value, rest);
    if (inner === undefined) return;
    if ('script' in inner) this.script(inner.script, depth + 1);
    else this.#run(inner.words, depth + 1);
  }
}
