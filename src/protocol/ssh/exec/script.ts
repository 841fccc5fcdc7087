// What a shell would run, read from a command's text by the grammar of POSIX (XCU 2.10) with bash's common additions. Nothing is
// expanded: a word whose value the text does not give has none here. What cannot be read for certain throws Opaque.
// Refuses to know: what programs do with their arguments.

import { deeper, type Effort, Opaque } from './cursor.ts';
import { steering } from './variables.ts';
import { type Redirection, type Word, Words } from './words.ts';

/** One simple command: what it assigns, its words (the first is the program) and its redirections. */
export interface SimpleCommand {
  readonly assignments: readonly { readonly name: string; readonly value: Word }[];
  readonly words: readonly Word[];
  readonly redirections: readonly Redirection[];
}

/** Words that end what the caller reads. */
type Ends = ReadonlySet<string>;

const NONE: Ends = new Set();
const RESERVED = new Set([
  'if',
  'for',
  'while',
  'until',
  'case',
  'select',
  '{',
  '!',
  'time',
  'coproc',
  'function',
  '[[',
]);
/** Only at the place that expects them; anywhere else bash refuses the text. */
const CLOSERS = new Set(['then', 'else', 'elif', 'fi', 'do', 'done', 'esac', '}', 'in', ']]']);

const isMore = (value = '') => value.includes('=') || RESERVED.has(value) || CLOSERS.has(value);

/** Every simple command of the text, also those in substitutions. Throws Opaque. */
export function readScript(text: string, effort: Effort, depth = 0): readonly SimpleCommand[] {
  const found: SimpleCommand[] = [];
  const inside = (inner: string) => {
    // One by one: there may be more than a call takes arguments.
    for (const command of readScript(inner, effort, deeper(depth))) found.push(command);
  };
  const words = new Words(text, inside, depth, effort, depth === 0 ? undefined : 0);
  const script = new Script(words, found);
  script.list(NONE);
  if (!words.atEnd) throw new Opaque(`"${words.rest.slice(0, 20)}" has no place there`);
  return found;
}

class Script {
  readonly #words: Words;
  readonly #found: SimpleCommand[];
  #depth = 0;

  constructor(words: Words, found: SimpleCommand[]) {
    this.#words = words;
    this.#found = found;
  }

  /** Commands up to one of `ends` in the place of a command, or to the end of what can be a list. */
  list(ends: Ends): void {
    for (;;) {
      this.#words.blanks(true);
      if (this.#words.atEnd || this.#words.startsWith(')') || this.#words.startsWith(';;')) return;
      const reserved = this.#words.peekReserved();
      if (reserved !== undefined && ends.has(reserved)) return;
      this.#pipeline();
      this.#words.blanks(false);
      const operator = this.#words.takeOperator(['&&', '||', ';;', '|&', ';', '&', '|', '\n']);
      if (operator === ';;') {
        this.#words.back(2);
        return;
      }
      if (operator === undefined) return;
    }
  }

  #pipeline(): void {
    this.#words.blanks(false);
    let reserved = this.#words.peekReserved();
    while (reserved === '!' || reserved === 'time' || reserved === 'coproc') {
      this.#words.take(reserved);
      this.#words.blanks(false);
      if (reserved === 'time') {
        this.#words.takeWord('-p');
        // To some shells it is a program.
        this.#found.push({ assignments: [], words: [{ value: 'time', raw: 'time' }], redirections: [] });
      }
      this.#words.blanks(false);
      reserved = this.#words.peekReserved();
    }
    this.#command();
  }

  #command(): void {
    this.#depth = deeper(this.#depth);
    this.#oneCommand();
    this.#depth -= 1;
  }

  #oneCommand(): void {
    const words = this.#words;
    if (words.startsWith('((')) throw new Opaque('arithmetic can run what variables hold');
    if (words.startsWith('(')) {
      words.take('(');
      this.list(NONE);
      words.expect(')');
      this.#redirections();
      return;
    }
    const reserved = words.peekReserved();
    if (reserved === undefined || !(RESERVED.has(reserved) || CLOSERS.has(reserved))) {
      this.#simple();
      return;
    }
    if (CLOSERS.has(reserved)) throw new Opaque(`"${reserved}" has no place there`);
    words.take(reserved);
    this.#compound(reserved);
    this.#redirections();
  }

  #compound(reserved: string): void {
    const words = this.#words;
    switch (reserved) {
      case '{':
        this.#until('}');
        return;
      case 'if':
        this.#if();
        return;
      case 'while':
      case 'until':
        this.#until('do');
        this.#until('done');
        return;
      case 'for':
      case 'select':
        this.#for();
        return;
      case 'case':
        this.#case();
        return;
      case '[[':
        throw new Opaque('[[ … ]] is not read: use [ … ]');
      case 'function': {
        words.blanks(false);
        words.word();
        words.blanks(false);
        this.#definition(words.startsWith('('));
        return;
      }
    }
  }

  /** What follows a function's name: its brackets, and the command that it is. */
  #definition(brackets: boolean): void {
    const words = this.#words;
    if (brackets) {
      words.take('(');
      words.blanks(false);
      words.expect(')');
    }
    words.blanks(true);
    this.#command();
  }

  #until(end: string): void {
    this.list(new Set([end]));
    this.#words.expectReserved(end);
  }

  #if(): void {
    for (;;) {
      this.#until('then');
      this.list(new Set(['else', 'elif', 'fi']));
      const next = this.#words.peekReserved();
      if (next === undefined) throw new Opaque('"if" has no end');
      this.#words.take(next);
      if (next === 'else') this.#until('fi');
      if (next !== 'elif') return;
    }
  }

  #for(): void {
    const words = this.#words;
    words.blanks(false);
    if (words.startsWith('((')) throw new Opaque('arithmetic can run what variables hold');
    const name = words.word();
    if (name?.value === undefined) throw new Opaque('"for" has no name');
    if (steering(name.value)) throw new Opaque(`it sets ${name.value}`);
    words.blanks(true);
    if (words.takeWord('in')) {
      for (;;) {
        words.blanks(false);
        if (words.word() === undefined) break;
      }
    }
    words.blanks(false);
    words.takeOperator([';', '\n']);
    words.blanks(true);
    if (words.peekReserved() === '{') {
      words.take('{');
      this.#until('}');
      return;
    }
    words.expectReserved('do');
    this.#until('done');
  }

  #case(): void {
    const words = this.#words;
    words.blanks(false);
    words.word();
    words.blanks(true);
    words.expectReserved('in');
    for (;;) {
      words.blanks(true);
      if (words.peekReserved() === 'esac') break;
      if (words.startsWith('(')) words.take('(');
      for (;;) {
        words.blanks(false);
        if (words.word() === undefined) throw new Opaque('"case" has no pattern');
        words.blanks(false);
        if (words.takeOperator(['|']) === undefined) break;
      }
      words.expect(')');
      this.list(new Set(['esac']));
      words.blanks(true);
      if (words.takeOperator([';;&', ';&', ';;']) === undefined) break;
    }
    words.blanks(true);
    words.expectReserved('esac');
  }

  #simple(): void {
    const words = this.#words;
    const assignments: { name: string; value: Word }[] = [];
    const list: Word[] = [];
    const redirections: Redirection[] = [];
    let both = false;
    for (;;) {
      words.blanks(false);
      if (words.startsWith('&>')) both = true;
      if (words.redirection(redirections)) continue;
      const assigned = list.length === 0 ? words.assignment() : undefined;
      if (assigned !== undefined) {
        assignments.push(assigned);
        continue;
      }
      const word = words.word();
      if (word === undefined) break;
      // To a shell that does not know `&>` it ends a command, and another one begins behind the file.
      if (both && list.length > 0) throw new Opaque('shells disagree about what stands behind "&>"');
      list.push(word);
      // name() { … }
      if (list.length === 1 && assignments.length === 0) {
        words.blanks(false);
        if (words.startsWith('(')) {
          this.#definition(true);
          return;
        }
      }
    }
    if (assignments.length + list.length + redirections.length === 0) {
      throw new Opaque(
        words.atEnd ? 'a command is missing at the end' : `"${words.rest.slice(0, 20)}" has no place there`,
      );
    }
    // Shells join it before they look whether it is more than a word.
    if (list[0]?.raw.includes('\\\n') && isMore(list[0].value)) throw new Opaque('a word is told over several lines');
    this.#found.push({ assignments, words: list, redirections });
  }

  #redirections(): void {
    const redirections: Redirection[] = [];
    do this.#words.blanks(false);
    while (this.#words.redirection(redirections));
    if (redirections.length > 0) this.#found.push({ assignments: [], words: [], redirections });
  }
}
