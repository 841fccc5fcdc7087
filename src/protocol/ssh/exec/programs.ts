// Programs that run other programs: which of their words are a command again, and which run what no text here tells.
// Refuses to know: the shell's grammar, policy.

import { Opaque } from './cursor.ts';
import { setters } from './setters.ts';
import { steering, steeringInEnvironment } from './variables.ts';
import type { Word } from './words.ts';

/** What a wrapper's words come to: a further command's words, or a script to read. */
export type Unwrapped = { readonly words: readonly Word[] } | { readonly script: string };

/** Those whose language is the one that is read here. */
const SHELLS = /^(?:sh|bash|dash|ash|zsh|ksh|mksh|rbash)$/;
const OTHER_SHELLS = /^(?:fish|csh|tcsh|busybox|toybox|rc|es|pwsh|xonsh|nu|elvish)$/;

/** Builtins that change how later words are read, or run text. */
const UNREADABLE = new Set([
  ...[
    'eval',
    '.',
    'source',
    'alias',
    'unalias',
    'hash',
    'enable',
    'bind',
    'complete',
    'compgen',
    'compopt',
    'let',
    'fc',
  ],
  ...[
    'history',
    'declare',
    'typeset',
    'mapfile',
    'readarray',
    'shopt',
    'set',
    'autoload',
    'emulate',
    'zmodload',
    'zle',
  ],
  ...['sched', 'noglob', 'nocorrect', 'repeat'],
]);

/** Options that a wrapper is known to have; one that is not listed makes it unreadable. */
interface Wrapper {
  readonly flags: string;
  /** Letters whose value is what follows the letter, or the next word. */
  readonly valued?: string;
  readonly long?: RegExp;
  /** Words of its own that come before the command. */
  readonly skip?: number;
}

const WRAPPERS: Readonly<Record<string, Wrapper>> = {
  command: { flags: 'pvV' },
  builtin: { flags: '' },
  exec: { flags: 'cl', valued: 'a' },
  nohup: { flags: '' },
  setsid: { flags: 'cfw', long: /^--(?:ctty|fork|wait)$/ },
  time: { flags: 'apqv', valued: 'fo', long: /^--(?:append|verbose|portability|quiet|format=.*|output=.*)$/ },
  nice: { flags: '0123456789', valued: 'n', long: /^--adjustment=-?\d+$/ },
  ionice: { flags: 't', valued: 'cn', long: /^--(?:ignore|class=\w+|classdata=\d+)$/ },
  chrt: { flags: 'abdfior', skip: 1 },
  timeout: {
    flags: 'v',
    valued: 'ks',
    long: /^--(?:preserve-status|foreground|verbose|signal=\w+|kill-after=\w+)$/,
    skip: 1,
  },
  stdbuf: { flags: '', valued: 'ioe', long: /^--(?:input|output|error)=\w+$/ },
  sudo: {
    flags: 'bBEHknPS',
    valued: 'Cgpu',
    long: /^--(?:non-interactive|stdin|user=.*|group=.*|preserve-env|set-home)$/,
  },
  doas: { flags: 'n', valued: 'u' },
  xargs: {
    flags: '0oprtx',
    valued: 'adEILnPs',
    long: /^--(?:null|no-run-if-empty|verbose|max-(?:args|procs|lines)=\d+)$/,
  },
  flock: {
    flags: 'enosux',
    valued: 'wE',
    long: /^--(?:shared|exclusive|nonblock|nb|close|wait=\d+|timeout=\d+)$/,
    skip: 1,
  },
};

/** The name by which a program is known: without its directory. */
export function baseName(program: string): string {
  return program.slice(program.lastIndexOf('/') + 1);
}

/** Throws Opaque where what it runs cannot be told. Undefined: it runs nothing that its words tell of. */
export function unwrap(program: string, rest: readonly Word[]): Unwrapped | undefined {
  const name = baseName(program);
  if (UNREADABLE.has(program)) throw new Opaque(`"${program}" changes what is run, or how it is read`);
  if (SHELLS.test(name)) return shell(name, rest);
  if (OTHER_SHELLS.test(name)) throw new Opaque(`"${name}" has a language of its own`);
  if (name === 'env') return environment(rest);
  if (name === 'su' || name === 'runuser') return switched(name, rest);
  if (name === 'trap') return trapped(rest);
  setters(name, rest);
  if (name === 'find') return found(rest);
  if (name === 'ssh') throw new Opaque('what it runs on another host is not read');
  if (!Object.hasOwn(WRAPPERS, name)) return undefined;
  const wrapper = WRAPPERS[name]!;
  const { words, values } = name === 'sudo' ? afterVariables(rest, wrapper) : afterOptions(name, rest, wrapper);
  if (name === 'xargs') return fed(words, values);
  const own = words.slice(0, wrapper.skip ?? 0);
  if (own.some(({ value }) => value === undefined))
    throw new Opaque(`an argument of "${name}" is not told by the text`);
  const inner = words.slice(own.length);
  if (name === 'flock' && inner[0]?.value?.startsWith('-')) {
    return { script: scriptOf(name, inner, /^(?:-c|--command)$/) };
  }
  return { words: inner };
}

/** Words after the options, and the values of those that have one. */
function afterOptions(
  name: string,
  words: readonly Word[],
  { flags, valued = '', long }: Wrapper,
): { words: readonly Word[]; values: ReadonlyMap<string, string> } {
  const values = new Map<string, string>();
  let at = 0;
  for (; at < words.length; at++) {
    const { value } = words[at]!;
    if (value === undefined) throw new Opaque(`an argument of "${name}" is not told by the text`);
    if (!value.startsWith('-') || value === '-') break;
    if (value === '--') {
      at++;
      break;
    }
    if (value.startsWith('--')) {
      if (long?.test(value) !== true) throw new Opaque(`option ${value} of "${name}" is not known`);
      continue;
    }
    for (let i = 1; i < value.length; i++) {
      const letter = value[i]!;
      if (flags.includes(letter)) continue;
      if (!valued.includes(letter)) throw new Opaque(`option -${letter} of "${name}" is not known`);
      const given = i + 1 < value.length ? value.slice(i + 1) : words[++at]?.value;
      if (given === undefined) throw new Opaque(`the value of -${letter} of "${name}" is not told by the text`);
      values.set(letter, given);
      break;
    }
  }
  return { words: words.slice(at), values };
}

/** `sudo` takes variables before the command, and options behind these. */
function afterVariables(rest: readonly Word[], wrapper: Wrapper): ReturnType<typeof afterOptions> {
  const found = afterOptions('sudo', rest, wrapper);
  const { value } = found.words[0] ?? {};
  if (value?.includes('=') !== true || value.startsWith('/')) return found;
  const variable = value.slice(0, value.indexOf('='));
  if (steeringInEnvironment(variable)) throw new Opaque(`it sets ${variable}`);
  return afterVariables(found.words.slice(1), wrapper);
}

/** What `xargs` reads goes behind its words, or wherever the text of -I stands in them. */
function fed(words: readonly Word[], values: ReadonlyMap<string, string>): Unwrapped | undefined {
  if (words.length === 0) return undefined;
  const replaced = values.get('I');
  const untold = { value: undefined, raw: 'its input' };
  const told = replaced === undefined ? words : words.map((word) => untoldWith(word, replaced));
  return { words: [...told, untold] };
}

function untoldWith(word: Word, text: string): Word {
  return word.value?.includes(text) === true ? { ...word, value: undefined } : word;
}

function shell(name: string, words: readonly Word[]): Unwrapped {
  for (let i = 0; i < words.length; i++) {
    const { value } = words[i]!;
    if (value === undefined) throw new Opaque(`an argument of "${name}" is not told by the text`);
    if (/^-[aefuvx]*c[aefuvx]*$/.test(value)) {
      const script = words[i + 1];
      if (script?.value === undefined) throw new Opaque(`what "${name} -c" runs is not told by the text`);
      // Options may follow, and the script comes after them.
      if (/^[-+]/.test(script.value)) break;
      return { script: script.value };
    }
    if (!/^-[aefuvx]+$/.test(value)) break;
  }
  throw new Opaque(`"${name}" runs a file, or what it reads`);
}

function environment(words: readonly Word[]): Unwrapped {
  for (let i = 0; i < words.length; i++) {
    const { value } = words[i]!;
    if (value === undefined) throw new Opaque('an argument of "env" is not told by the text');
    const assigned = /^([^=]*)=/.exec(value);
    if (assigned !== null && !value.startsWith('-')) {
      if (steeringInEnvironment(assigned[1]!)) throw new Opaque(`it sets ${assigned[1]}`);
      continue;
    }
    if (value === '-i' || value === '-' || value === '--' || value === '--ignore-environment') continue;
    if (value === '-u') {
      const name = words[++i]?.value;
      if (name === undefined || steering(name)) throw new Opaque('which variable "env" takes away is not harmless');
      continue;
    }
    if (value.startsWith('-')) throw new Opaque(`option ${value} of "env" is not known`);
    return { words: words.slice(i) };
  }
  return { words: [] };
}

/** `su - NAME -c SCRIPT`: another option may name another shell. */
function switched(name: string, words: readonly Word[]): Unwrapped {
  return { script: scriptOf(name, words, /^(?:-c|--command)$/, /^(?:-|-l|--login)$/) };
}

/** The script behind its option, where nothing else stands there but names and the options given. */
function scriptOf(name: string, words: readonly Word[], option: RegExp, known?: RegExp): string {
  const at = words.findIndex(({ value }) => value !== undefined && option.test(value));
  const script = at < 0 ? undefined : words[at + 1]?.value;
  if (script === undefined) throw new Opaque(`what "${name}" runs is not told by the text`);
  for (const { value } of [...words.slice(0, at), ...words.slice(at + 2)]) {
    if (value === undefined || (value.startsWith('-') && known?.test(value) !== true)) {
      throw new Opaque(`an argument of "${name}" is not known`);
    }
  }
  return script;
}

function trapped(words: readonly Word[]): Unwrapped | undefined {
  const behind = words[0]?.value === '--' ? words.slice(1) : words;
  const script = behind[0];
  if (script === undefined) return undefined;
  if (script.value === undefined) throw new Opaque('what "trap" runs is not told by the text');
  if (script.value === '-' || (behind === words && /^-[lpP]+$/.test(script.value))) return undefined;
  return { script: script.value };
}

/** `-exec` and its like run a command for each file; its arguments may be names of files, its program is told. */
function found(words: readonly Word[]): Unwrapped | undefined {
  const runs = /^-(?:exec|execdir|ok|okdir)$/;
  // A pattern may stand for a file whose name is an option.
  if (words.some(({ value, raw }) => value === undefined && raw !== '{}')) {
    throw new Opaque('an argument of "find" is not told by the text');
  }
  const at = words.findIndex(({ value }) => runs.test(value ?? ''));
  if (at < 0) return undefined;
  const next = words.slice(at + 1).map((word) => untoldWith(word, '{}'));
  if (next.some(({ value }) => runs.test(value ?? ''))) throw new Opaque('"find" runs several commands');
  return { words: next };
}
