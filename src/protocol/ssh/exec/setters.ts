// Builtins that set variables which their arguments name. A name with an index is computed, and a computation can run what
// variables hold. Refuses to know: which other programs there are.

import { Opaque } from './cursor.ts';
import { steering, steeringInEnvironment } from './variables.ts';
import type { Word } from './words.ts';

const NAMING = new Set(['export', 'readonly', 'local', 'read', 'unset', 'getopts']);

/** Throws Opaque where what is set, or computed, is not told or steers. */
export function setters(name: string, words: readonly Word[]): void {
  if (name === 'printf' || name === 'wait') into(name, words);
  else if (name === 'test' || name === '[') tested(name, words);
  else if (NAMING.has(name)) named(name, words);
}

/** `printf -v NAME`, `wait -p NAME`: what is not told could be the option. */
function into(name: string, words: readonly Word[]): void {
  const option = name === 'printf' ? /^-.*v/ : /^-.*p/;
  const looked = name === 'printf' ? words.slice(0, 1) : words;
  for (const { value, raw } of looked) {
    if (value === undefined ? !NUMBERS.has(raw) : option.test(value)) throw new Opaque(`"${name}" may set a variable`);
  }
}

/** Never more than one word, and never an operator. */
const NUMBERS = new Set(['$?', '$#', '$!', '$$']);
/** One word, whatever stands in it. */
const QUOTED = /^"(?:[^"\\@*]|\\.)*"$/s;

/**
 * `test -v NAME[…]` computes. A word that is not told may be that operator, or several words: then only the shapes are
 * read in which it can be neither.
 */
function tested(name: string, words: readonly Word[]): void {
  const option = words.find(({ value }) => value !== undefined && /^-[vR]/.test(value));
  if (option !== undefined) throw new Opaque(`"${name} ${option.value}" computes`);
  const untold = words.filter(({ value, raw }) => value === undefined && !NUMBERS.has(raw));
  if (untold.length === 0) return;
  const inner = name === '[' ? words.slice(0, -1) : words;
  const [first, second, third, ...more] = inner[0]?.value === '!' ? inner.slice(1) : inner;
  const unary = /^-[a-zA-Z]$/.test(first?.value ?? '') && second !== undefined && third === undefined;
  const binary = /^(?:!?=|==|-[a-z]{2})$/.test(second?.value ?? '') && third !== undefined && more.length === 0;
  if ((unary || binary) && untold.every(({ raw }) => QUOTED.test(raw))) return;
  throw new Opaque(`what "${name}" tests is not told by the text`);
}

function named(name: string, words: readonly Word[]): void {
  const steers = name === 'export' ? steeringInEnvironment : steering;
  for (const { value } of words) {
    if (value === undefined) throw new Opaque(`what "${name}" sets is not told by the text`);
    if (value.startsWith('-')) {
      if (name === 'local') throw new Opaque(`option ${value} of "local" changes what an assignment does`);
      continue;
    }
    const variable = value.split('=')[0]!;
    if (variable.includes('[')) throw new Opaque(`"${name}" sets an element of an array`);
    if (steers(variable)) throw new Opaque(`"${name}" sets ${variable}`);
  }
}
