// What a shell in command mode is about to run, as facts; whether a command is part of a line that was decided already; and
// what would take the shell out of command mode. Refuses to know: how it is asked, rules.

import type { CommandUse, Facts } from '../../contract.ts';
import { commandFacts } from '../exec/facts.ts';

/** `untold`: why the line may be any other, whatever the text seems to say. */
export function lineFacts(text: string, untold?: string): Facts {
  const facts = commandFacts(whole(text));
  const opaque = facts.opaque ?? untold;
  return { ...facts, does: [...facts.does, 'command'], ...(opaque === undefined ? {} : { opaque }) };
}

/** bash reports the head of a compound command alone: its body comes command by command. */
function whole(text: string): string {
  if (/^(?:for|select) [^\n]*$/.test(text) && !/;\s*do\s/.test(text)) return `${text}\ndo :; done`;
  if (/^case [^\n]* in\s*$/.test(text)) return `${text} *) :;; esac`;
  return text;
}

const same = (a: CommandUse) => (b: CommandUse) =>
  a.program === b.program && a.words.length === b.words.length && a.words.every((word, i) => word === b.words[i]);

/** Whether the line's verdict was about this too: everything that it does is told, and is in the line. */
export function covered(line: Facts, part: Facts): boolean {
  if (part.opaque !== undefined || line.opaque !== undefined) return false;
  const { commands = [], places = [] } = line;
  return (
    (part.commands ?? []).every((use) => use.program === ':' || commands.some(same(use))) &&
    (part.places ?? []).every(({ place, written }) =>
      places.some((other) => other.place === place && other.written === written),
    )
  );
}

const options = (words: CommandUse['words']) => (words.includes('--') ? words.slice(0, words.indexOf('--')) : words);

const HOOKS =
  /__hoop|\bDEBUG\b|functrace|extdebug|debug_?before_?cmd|PROMPT_COMMAND|\bPS0\b|[+-]o\s+history\b|cmdhist|lithist|promptvars|HISTCONTROL|HISTIGNORE|HISTSIZE|\b(?:precmd|preexec)|TRAP[A-Z0-9]{2,}|err_?exit/i;

/** A function of a name that the hooks use would stand in for it. */
const USED = 'builtin|command|exec|exit|return|local|set|unset|readonly|setopt|unsetopt|emulate';
const STANDS_IN = new RegExp(`(?:^|[\\s;&|({])\\\\?(?:${USED})\\s*\\(\\s*\\)|\\bfunction\\s+[^({;]*\\b(?:${USED})\\b`);

/** Why the shell would no longer ask after this; undefined: it would, as far as the text tells. */
export function leaving(text: string, { commands = [] }: Facts, shell: string): string | undefined {
  // Words too, for quotes can take a name apart.
  const hook = HOOKS.exec(text) ?? HOOKS.exec(commands.flatMap(({ words }) => words).join(' '));
  if (hook !== null) return `it touches ${hook[0].startsWith('__') ? 'what asks' : hook[0]}`;
  const untraced = commands.some(
    ({ program, words }) =>
      program === 'set' && options(words).some((word) => word === undefined || /^\+\w*T/.test(word)),
  );
  if (untraced || /\bset\s+\+\w*T/.test(text)) return 'it takes the trap from functions';
  if (commands.some(handles)) return 'nothing is asked within a trap';
  if (STANDS_IN.test(text)) return 'it takes the name of what asks';
  if (commands.some(takesBuiltins)) return 'it takes away what asks';
  const only = shell === 'zsh' ? leavingZsh(text, commands) : undefined;
  if (only !== undefined) return only;
  if (commands.some(({ program, words }) => program === 'exec' && words.length > 0)) return 'it replaces the shell';
  return undefined;
}

/** While a handler runs the hooks' own trap is not called, or, in bash, not told what is about to run. */
function handles({ program, words }: CommandUse): boolean {
  if (program !== 'trap') return false;
  const [handler = 'not told', ...signals] = words[0] === '--' ? words.slice(1) : words;
  if (signals.length === 0 || handler === '') return false;
  if (handler === '-') return signals.includes(undefined);
  if (/^-[lpP]+$/.test(handler) && words[0] !== '--') return false;
  return true;
}

/** `enable -n unset`: a function could stand in for what the hooks take such functions away with. */
const takesBuiltins = ({ program, words }: CommandUse): boolean =>
  program === 'enable' && words.some((word) => word === undefined || /^-\w*[dfn]/.test(word));

/** zsh lets functions be taken away. */
function leavingZsh(text: string, commands: readonly CommandUse[]): string | undefined {
  for (const { program, words } of commands) {
    if (program === 'disable' || program === 'zpty') return `"${program}" takes away what asks`;
    const removes = /^(?:unfunction|unset|unhash)$/.test(program);
    if (removes && words.some((word) => word === undefined || /^-\w*m/.test(word))) {
      return 'which functions it removes is not told';
    }
  }
  return /\bfunctions\s*\[/.test(text) ? 'it makes functions by assignment' : undefined;
}
