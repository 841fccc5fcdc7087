// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are of the language of the shell.
// Random texts for a shell: made by its grammar, then damaged here and there. Refuses to know: who runs or reads them.

import type { Random } from '../../../support/random.ts';

/** Names of the programs that the texts run; a shell finds no others. */
export const PROGRAMS: readonly string[] = Array.from({ length: 8 }, (_, i) => `a${i}`);

const WRAPPERS = [
  'command', 'exec', 'nohup', 'env', 'env -i', 'nice', 'nice -n 5', 'timeout 5', 'timeout -k 1 5', 'setsid', 'xargs',
  'xargs -n 1', 'xargs -I X', 'xargs -0I a0', 'stdbuf -oL', 'sh -c', 'bash -c', 'env sh -c', 'builtin', 'eval', 'time',
  'find . -maxdepth 0 -exec', 'trap --', 'exec -a a0', 'exec -ca a0', 'command -p', 'flock lock', 'flock lock -c',
]; // biome-ignore format: a list of words

const PIECES = [
  "'", '"', '`', '\\', '\\\\', '$', '$(', ')', '(', '${', '}', '{', '$((', '))', ';', '&', '|', '\n', ' ', '#', '<<E\n', '\nE\n', '<', '>',
  '<(', '<<<', "$'", '$"', "\\'", '\\"', '\\\n', '=', '!', '[', ']', '[[', ']]', '*', '?', '~', ':-', '\t', '\r', ',', '..', 'E', 'in', 'do',
  'done', 'if', 'then', 'fi', 'case', 'esac', ';;', '()', 'a0', 'a1', '$x', '${x:-', '${#x}', '-c', '-', '--', '1', '2>&1', '&>', '|&', '<<-E\n',
  "<<'E'\n", '\\$', '\\`', 'x=', 'eval ', '. ', '@', '%', '+', '^',
]; // biome-ignore format: a list of words

export class Scripts {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Damaged half the time: by a piece put in, taken out, or put elsewhere. */
  next(): string {
    let text = this.#list(3);
    const damages = Math.max(0, this.#random.below(8) - 3);
    for (let i = 0; i < damages; i++) text = this.#damaged(text);
    return text;
  }

  #damaged(text: string): string {
    const { below, pick } = this.#random;
    const at = below(text.length + 1);
    const end = Math.min(text.length, at + below(3));
    const way = below(4);
    if (way === 0) return text.slice(0, at) + text.slice(end);
    if (way === 1) return text.slice(0, at) + pick(PIECES) + text.slice(end);
    return text.slice(0, at) + pick(PIECES) + text.slice(at);
  }

  #list(depth: number): string {
    const { below, pick } = this.#random;
    const parts = Array.from({ length: 1 + below(3) }, () => this.#command(depth - 1));
    return parts.reduce((all, part) => `${all}${pick(['; ', ' && ', ' || ', ' | ', '\n', ' & ', ';', ' |& '])}${part}`);
  }

  #command(depth: number): string {
    const { below, pick } = this.#random;
    if (depth <= 0) return this.#simple(depth);
    const inner = () => this.#list(depth - 1);
    switch (below(16)) {
      case 0:
        return `(${inner()})`;
      case 1:
        return `{ ${inner()}; }`;
      case 2:
        return `if ${inner()}; then ${inner()}; else ${inner()}; fi`;
      case 3:
        return `for x in ${this.#word(depth)} a3; do ${inner()}; done`;
      case 4:
        return `until ${pick(PROGRAMS)}; do ${inner()}; done`;
      case 5:
        return `case ${this.#word(depth)} in a*|b) ${inner()};; *) ${inner()};; esac`;
      case 6:
        return `${pick(['f()', 'function f'])} { ${inner()}; }\nf`;
      case 7:
        return `! ${this.#simple(depth)}`;
      case 8: {
        const mark = pick(["'E'", 'E', '-E', "-'E'", '"E"']);
        return `cat <<${mark}\n${this.#word(depth)} ${pick(PIECES)}\n${pick(['', '\t'])}E\n${this.#simple(depth)}`;
      }
      default:
        return this.#simple(depth);
    }
  }

  #simple(depth: number): string {
    const { below, pick } = this.#random;
    const words = Array.from({ length: below(3) }, () => this.#word(depth));
    const first = below(6) === 0 ? this.#word(depth) : this.#spelt(pick(PROGRAMS));
    const assigned = below(8) === 0 ? `${pick(['x', 'y', 'PATH', 'X', 'A'])}=${this.#word(depth)} ` : '';
    const redirected = below(8) === 0 ? pick([' > out', ' 2>&1', ' < /dev/null', ' >> out', ' <<< a1', ' &> out']) : '';
    if (below(5) === 0) return `${assigned}${pick(WRAPPERS)} ${this.#wrapped(depth, first, words)}${redirected}`;
    return `${assigned}${[first, ...words].join(' ')}${redirected}`;
  }

  #wrapped(depth: number, first: string, words: readonly string[]): string {
    const { below, pick } = this.#random;
    if (below(2) === 0) return [first, ...words].join(' ');
    const quote = pick(["'", '"']);
    return `${quote}${this.#list(depth - 1)}${quote} ${pick(['', 'EXIT', 'x', ';', '{}'])}`;
  }

  /** A name with quotes that change nothing. */
  #spelt(name: string): string {
    const { pick } = this.#random;
    const [a, b] = [name[0]!, name.slice(1)];
    return pick([
      name,
      name,
      name,
      name,
      `${a}\\${b}`,
      `'${a}'${b}`,
      `"${name}"`,
      `${a}""${b}`,
      `\\${name}`,
      `${a}\\\n${b}`,
    ]);
  }

  #word(depth: number): string {
    const { below, pick } = this.#random;
    switch (below(depth > 0 ? 14 : 8)) {
      case 0:
        return `'${pick(PIECES)}${pick(PROGRAMS)}'`;
      case 1:
        return `"${pick(PIECES)} ${pick(PROGRAMS)}"`;
      case 2:
        return pick(['$x', '"$x"', '$1', '$?', '"$@"', '${x}', '"${x}"']);
      case 3:
        return `${pick(['${x:-', '"${x:-', '${x#', '"${x%'])}${pick(PIECES)}}`;
      case 8:
        return `$(${this.#list(depth - 1)})`;
      case 9:
        return `"$(${this.#list(depth - 1)})"`;
      case 10:
        return `\`${this.#list(depth - 2)}\``;
      case 11:
        return `\${x:-$(${this.#list(depth - 1)})}`;
      case 12:
        return `<(${this.#list(depth - 1)})`;
      default:
        return pick([...PROGRAMS, 'x', 'b c', '1', '#x', 'x#', '~', '*', '{a1,a2}', "$'a1'", '\\;', '-x']);
    }
  }
}
