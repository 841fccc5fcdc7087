// The lexer of the shell's language (XCU 2.2, 2.3, 2.6): blanks, operators, words with their quotes and expansions, here-documents.
// Refuses to know: what words are together (script.ts).

import { Cursor, deeper, type Effort, Opaque } from './cursor.ts';
import { steering } from './variables.ts';

/** One word. `value`: its text after the removal of quotes, where the text alone gives it. */
export interface Word {
  readonly value: string | undefined;
  /** As it is written. */
  readonly raw: string;
}

export interface Redirection {
  /** Undefined: not told by the text. */
  readonly path: string | undefined;
  readonly read: boolean;
  readonly written: boolean;
}

const INDEX = 1024;
const META = new Set([' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')']);
export class Words extends Cursor {
  /** A command that is substituted. */
  readonly #inner: (text: string) => void;
  #documents: { end: string; literal: boolean; tabs: boolean }[] = [];
  /** Levels of what is read within what is read. */
  #depth: number;

  readonly #effort: Effort;

  /** `from`: where to begin, in a text that is a part of one that is being read. */
  constructor(text: string, inner: (text: string) => void, depth: number, effort: Effort, from?: number) {
    super(text, from);
    this.#inner = inner;
    this.#depth = depth;
    this.#effort = effort;
  }

  /** Blanks, continued lines and comments; with `lines` the ends of lines too. */
  blanks(lines: boolean): void {
    for (;;) {
      const character = this.text[this.at];
      if (character === ' ' || character === '\t') this.at++;
      else if (this.startsWith('\\\n')) this.at += 2;
      else if (character === '#') this.#comment();
      else if (character === '\n' && lines) this.#newline();
      else return;
    }
  }

  /** The longest of these operators, which are given longest first. */
  takeOperator(operators: readonly string[]): string | undefined {
    const found = operators.find((operator) => this.startsWith(operator));
    if (found === '\n') this.#newline();
    else if (found !== undefined) this.take(found);
    return found;
  }

  /** The plain word that stands here, without taking it: a reserved word is one only when nothing of it is quoted. */
  peekReserved(): string | undefined {
    const match = /^(?:!|\{|\}|\[\[|\]\]|[a-z]+)(?=$|[\s;&|<>()])/.exec(this.rest);
    return match?.[0];
  }

  expectReserved(word: string): void {
    this.blanks(true);
    if (this.peekReserved() !== word) throw new Opaque(`"${word}" is missing`);
    this.take(word);
  }

  takeWord(word: string): boolean {
    if (!this.startsWith(word)) return false;
    const next = this.text[this.at + word.length];
    if (next !== undefined && !META.has(next)) return false;
    this.take(word);
    return true;
  }

  /** `name=value` or `name+=value`. */
  assignment(): { name: string; value: Word } | undefined {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)(\[)?(\+?=)?/.exec(this.rest);
    if (match === null || (match[2] === undefined && match[3] === undefined)) return undefined;
    if (match[2] !== undefined) {
      // An element of an array, or a pattern: where it is assigned, its index is arithmetic.
      // One that is longer than any index is taken for one: it would be looked for again at each word.
      const index = this.text.slice(this.at, this.at + match[0].length + INDEX);
      const long = index.length === match[0].length + INDEX && !index.includes(']');
      if (long || /^[A-Za-z_][A-Za-z0-9_]*\[[^\]]*\]\+?=/.test(index)) throw new Opaque('an array is assigned to');
      return undefined;
    }
    this.take(match[0]);
    if (this.startsWith('(')) throw new Opaque('an array is assigned');
    return { name: match[1]!, value: this.word() ?? { value: '', raw: '' } };
  }

  /** `2>file`, `<file`, `<<end`, `<<<word`, `>&2`; false when none stands here. */
  redirection(into: Redirection[]): boolean {
    const match = /^(?:\d+|\{([A-Za-z_]\w*)\})?(<<<|<<-|<<|<>|<&|>>|>&|>\||&>>|&>|<|>)/.exec(this.rest);
    if (match === null) return false;
    if (match[1] !== undefined && steering(match[1])) throw new Opaque(`it sets ${match[1]}`);
    const operator = match[2]!;
    if (operator.length === 1 && this.text[this.at + match[0].length] === '(') return false;
    this.take(match[0]);
    this.blanks(false);
    if (operator === '<<' || operator === '<<-') {
      this.#document(operator === '<<-');
      return true;
    }
    const word = this.word();
    if (word === undefined) throw new Opaque('a redirection has no place to go');
    if (operator === '<<<') return true;
    if (operator.endsWith('&') && operator !== '&>' && /^(?:\d+-?|-)$/.test(word.value ?? '')) return true;
    const read = operator === '<' || operator === '<>' || operator === '<&';
    into.push({ path: word.value, read, written: operator !== '<' && operator !== '<&' });
    return true;
  }

  /** The next word; undefined when none stands here. */
  word(): Word | undefined {
    const start = this.at;
    let value: string | undefined = '';
    const add = (text: string | undefined) => {
      value = value === undefined || text === undefined ? undefined : value + text;
    };
    for (;;) {
      const character = this.text[this.at];
      if (character === undefined) break;
      if ((character === '<' || character === '>') && this.text[this.at + 1] === '(') {
        this.at += 2;
        this.#substitution();
        add(undefined);
        continue;
      }
      if (META.has(character)) break;
      if (character === "'") add(this.#single());
      else if (character === '"') add(this.#double());
      else if (character === '\\') add(this.#escaped());
      else if (character === '$') add(this.#dollar(false));
      else if (character === '`') add(this.#backquoted());
      else {
        this.at++;
        // Patterns, braces and a tilde are expanded by what the host has.
        const expands = '*?['.includes(character) || character === '{' || (character === '~' && this.at - 1 === start);
        add(expands ? undefined : character);
      }
    }
    if (this.at === start) return undefined;
    const raw = this.text.slice(start, this.at);
    this.#effort.spend(raw.length);
    // Whether a line that ends inside of quotes is where the document begins, shells disagree.
    if (this.#documents.length > 0 && raw.includes('\n')) throw new Opaque('a here-document begins in a quote');
    // A bracket alone is a program's name, not a pattern.
    return { value: raw === '[' ? raw : (value as string | undefined), raw };
  }

  // -------------------------------------------------------------------------------------------------------------------

  #comment(): void {
    const end = this.text.indexOf('\n', this.at);
    this.at = end < 0 ? this.text.length : end;
  }

  /** After the end of a line come the here-documents that it began. */
  #newline(): void {
    this.at++;
    for (const { end, literal, tabs } of this.#documents.splice(0)) {
      const lines: string[] = [];
      for (;;) {
        if (this.atEnd) throw new Opaque(`the here-document "${end}" has no end`);
        const stop = this.text.indexOf('\n', this.at);
        const line = this.text.slice(this.at, stop < 0 ? undefined : stop);
        this.at = stop < 0 ? this.text.length : stop + 1;
        if ((tabs ? line.replace(/^\t+/, '') : line) === end) break;
        lines.push(line);
      }
      if (literal) continue;
      // Joined lines may be the end, where shells look for it.
      if (lines.some((line) => line.endsWith('\\'))) throw new Opaque('lines are joined in a here-document');
      this.#expanded(lines.join('\n'));
    }
  }

  #document(tabs: boolean): void {
    const word = this.word();
    if (word?.value === undefined) throw new Opaque('the end of a here-document is not told');
    // Joined lines are no quotes.
    const literal = word.raw.replaceAll('\\\n', '') !== word.value;
    this.#documents.push({ end: word.value, literal, tabs });
  }

  /** The text of a here-document: expanded as if in double quotes, which are themselves in it. */
  #expanded(text: string): void {
    const words = new Words(text, this.#inner, deeper(this.#depth), this.#effort, 0);
    while (!words.atEnd) {
      const character = words.text[words.at];
      if (character === '\\') words.at += 2;
      else if (character === '$') words.#dollar(true);
      else if (character === '`') words.#backquoted();
      else words.at++;
    }
  }

  #single(): string {
    const end = this.text.indexOf("'", this.at + 1);
    if (end < 0) throw new Opaque('a quote is not closed');
    const text = this.text.slice(this.at + 1, end);
    this.at = end + 1;
    return text;
  }

  #escaped(): string {
    const next = this.text[this.at + 1];
    if (next === undefined) throw new Opaque('it ends in a backslash');
    this.at += 2;
    return next === '\n' ? '' : next;
  }

  #double(): string | undefined {
    this.at++;
    let value: string | undefined = '';
    const add = (text: string | undefined) => {
      value = value === undefined || text === undefined ? undefined : value + text;
    };
    for (;;) {
      const character = this.text[this.at];
      if (character === undefined) throw new Opaque('a quote is not closed');
      if (character === '"') {
        this.at++;
        return value;
      }
      if (character === '\\') {
        const next = this.text[this.at + 1] ?? '';
        if (next === '\n') this.at += 2;
        else if ('$`"\\'.includes(next) && next !== '') {
          add(next);
          this.at += 2;
        } else {
          add('\\');
          this.at++;
        }
      } else if (character === '$') add(this.#dollar(true));
      else if (character === '`') add(this.#backquoted());
      else {
        add(character);
        this.at++;
      }
    }
  }

  /** `$x`, `${x…}`, `$(…)`, `$'…'`; a lone `$` is itself. */
  #dollar(quoted: boolean): string | undefined {
    const rest = this.text.slice(this.at, this.at + 3);
    if (rest === '$((') throw new Opaque('arithmetic can run what variables hold');
    if (rest.startsWith('$(')) {
      this.at += 2;
      this.#substitution();
      return undefined;
    }
    if (rest.startsWith('$[')) throw new Opaque('arithmetic can run what variables hold');
    if (rest.startsWith('${')) {
      this.at += 2;
      this.#depth = deeper(this.#depth);
      this.#parameter(quoted);
      this.#depth -= 1;
      return undefined;
    }
    if (!quoted && rest.startsWith("$'")) return this.#ansi();
    if (!quoted && rest.startsWith('$"')) {
      this.at++;
      // Translated by what the host has.
      this.#double();
      return undefined;
    }
    const name = /^\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])/.exec(this.text.slice(this.at, this.at + 256));
    if (name === null) {
      this.at++;
      return '$';
    }
    this.at += name[0].length;
    return undefined;
  }

  /** `$'…'` (bash): what it stands for is not worked out here. */
  #ansi(): undefined {
    this.at += 2;
    for (;;) {
      const character = this.text[this.at];
      if (character === undefined) throw new Opaque('a quote is not closed');
      // To other shells it is a plain quote, which a backslash does not hide.
      if (character === '\\' && this.text[this.at + 1] === "'") throw new Opaque("shells disagree about \\' there");
      this.at++;
      if (character === "'") return undefined;
    }
  }

  /** `${name}` and `${name<operator>word}`; what computes, refers or evaluates is not read. */
  #parameter(quoted: boolean): void {
    const name = /^(?:#?(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*?$!-])|#)/.exec(this.rest);
    if (name === null) throw new Opaque('a parameter cannot be read');
    this.take(name[0]);
    const operator = /^(?::?[-=?+]|##?|%%?|\/[/#%]?|\^\^?|,,?)/.exec(this.rest);
    if (operator?.[0].endsWith('=') && steering(name[0])) throw new Opaque(`it sets ${name[0]}`);
    if (operator !== null) this.take(operator[0]);
    else if (!this.startsWith('}')) throw new Opaque('a parameter is evaluated');
    for (;;) {
      const character = this.text[this.at];
      if (character === undefined) throw new Opaque('a parameter has no end');
      if (character === '}') {
        this.at++;
        return;
      }
      // Within double quotes it depends on the operator, and on the shell, what a quote is there.
      if (quoted && (character === "'" || character === '"')) throw new Opaque('a quote in a quoted parameter');
      if (character === "'") this.#single();
      else if (character === '"') this.#double();
      else if (character === '\\') this.#escaped();
      else if (character === '$') this.#dollar(quoted);
      else if (character === '`') this.#backquoted();
      else this.at++;
    }
  }

  /** After `$(`, `<(` or `>(`: to the bracket that closes it, which only reading can find. */
  #substitution(): void {
    const start = this.at;
    // The inner text is read as a script of its own, up to where it stops at an unmatched bracket.
    const end = closing(this.text, start, deeper(this.#depth), this.#effort);
    this.#substituted(this.text.slice(start, end));
    this.at = end + 1;
  }

  /** In backquotes a backslash hides only `$`, a backquote and itself (XCU 2.6.3). */
  #backquoted(): undefined {
    this.at++;
    let inner = '';
    for (;;) {
      const character = this.text[this.at];
      if (character === undefined) throw new Opaque('a backquote is not closed');
      if (character === '`') break;
      const next = this.text[this.at + 1] ?? '';
      if (character === '\\' && next !== '' && '$`\\"'.includes(next)) {
        // Inside double quotes a backslash hides a double quote too; shells differ, so such a text is not read.
        if (next === '"') throw new Opaque('shells disagree about a backslash in backquotes');
        inner += next;
        this.at += 2;
      } else {
        inner += character;
        this.at++;
      }
    }
    this.at++;
    this.#substituted(inner);
    return undefined;
  }

  #substituted(text: string): void {
    // Whether the end of a line in it is where the document begins, shells disagree.
    if (this.#documents.length > 0 && text.includes('\n')) throw new Opaque('a here-document begins in a substitution');
    this.#inner(text);
  }
}

/** Where the bracket is that closes the one before `from`; quotes, comments and nested brackets are passed over. */
function closing(text: string, from: number, level: number, effort: Effort): number {
  const words = new Words(text, () => {}, level, effort, from);
  let depth = 0;
  for (;;) {
    words.blanks(true);
    if (words.atEnd) throw new Opaque('a substitution is not closed');
    // "case x in a) …": its bracket closes nothing.
    if (words.peekReserved() === 'case') throw new Opaque('"case" inside a substitution');
    if (words.startsWith('(')) {
      depth++;
      words.take('(');
    } else if (words.startsWith(')')) {
      if (depth === 0) return words.place;
      depth--;
      words.take(')');
    } else if (words.startsWith('<<') && !words.startsWith('<<<')) {
      throw new Opaque('a here-document inside a substitution');
    } else if (words.word() === undefined) {
      words.take(' ');
    }
  }
}
