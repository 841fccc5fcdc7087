// What a shell in command mode is about to run, as facts; whether a command is part of a line that was decided already; and
// what would take the shell out of command mode. Refuses to know: how it is asked, rules.

import type { CommandUse, Facts } from '../../contract.ts';
import { commandFacts } from '../exec/facts.ts';

/** A line whose bytes are no text may be any other, whatever it seems to say. */
export function lineFacts(text: string, untold = false): Facts {
  const facts = commandFacts(whole(text));
  const opaque = facts.opaque ?? (untold ? 'its bytes are not UTF-8' : undefined);
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

const HOOKS =
  /__hoop|\bDEBUG\b|functrace|extdebug|debug_?before_?cmd|PROMPT_COMMAND|\bPS0\b|HISTCONTROL|HISTIGNORE|HISTSIZE|\b(?:precmd|preexec)|TRAPDEBUG|err_?exit/i;

/** Why the shell would no longer ask after this; undefined: it would, as far as the text tells. */
export function leaving(text: string, { commands = [] }: Facts): string | undefined {
  // Words too, for quotes can take a name apart.
  const hook = HOOKS.exec(text) ?? HOOKS.exec(commands.flatMap(({ words }) => words).join(' '));
  if (hook !== null) return `it touches ${hook[0].startsWith('__') ? 'what asks' : hook[0]}`;
  const untraced = commands.some(
    ({ program, words }) => program === 'set' && words.some((word = '') => /^\+\w*T/.test(word)),
  );
  if (untraced || /\bset\s+\+\w*T/.test(text)) return 'it takes the trap from functions';
  if (commands.some(({ program, words }) => program === 'exec' && words.length > 0)) return 'it replaces the shell';
  return undefined;
}
