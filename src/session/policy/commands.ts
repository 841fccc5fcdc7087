// Conditions on the commands of a shell's text: which programs it runs, and with which arguments. What the text does not tell
// speaks for a rule that denies or asks, and against one that allows. Refuses to know: any shell's grammar.

import type { CommandUse, Facts } from '../../protocol/contract.ts';
import { anyOf, type Condition, listOr } from './condition.ts';
import { anyGlob } from './pattern.ts';
import type { When } from './schema.ts';

export function commandConditions(when: When, strict: boolean): readonly (Condition<Facts> | undefined)[] {
  const { programs, otherPrograms, arguments: listed, otherArguments } = when;
  const about = programs === undefined ? () => true : named(programs);
  return [
    programs && programCondition(programs, strict),
    otherPrograms && otherProgramCondition(otherPrograms),
    listed && argumentCondition(listed, about, strict),
    otherArguments && otherArgumentCondition(otherArguments, about),
  ];
}

const baseName = (program: string) => program.slice(program.lastIndexOf('/') + 1);

/** A bare name means a program wherever it lies. */
function named(patterns: readonly string[]): (program: string) => boolean {
  const matches = anyGlob(patterns);
  return (program) => matches(program) || matches(baseName(program));
}

/** For a rule that allows, a bare name means a program only as the search path finds it. */
function programCondition(patterns: readonly string[], strict: boolean): Condition<Facts> {
  const matches = anyGlob(patterns);
  const loosely = named(patterns);
  return {
    key: 'when.programs',
    wanted: anyOf(patterns),
    holds: ({ programs = [] }) => (strict ? programs.length > 0 && programs.every(matches) : programs.some(loosely)),
    seen: ({ programs = [] }) => listOr(programs, 'no programs'),
  };
}

/** What the text does not tell may be another. */
function otherProgramCondition(patterns: readonly string[]): Condition<Facts> {
  const matches = anyGlob(patterns);
  return {
    key: 'when.otherPrograms',
    wanted: `a program other than ${anyOf(patterns)}`,
    holds: ({ programs, opaque }) =>
      programs !== undefined && (opaque !== undefined || programs.some((program) => !matches(program))),
    seen: ({ programs = [], opaque }) => opaque ?? listOr(programs, 'no programs'),
  };
}

/** Of the programs that the rule names, where it names any. */
function argumentCondition(
  patterns: readonly string[],
  about: (program: string) => boolean,
  strict: boolean,
): Condition<Facts> {
  const matches = anyGlob(patterns);
  return {
    key: 'when.arguments',
    wanted: anyOf(patterns),
    holds: ({ commands = [], opaque }) =>
      strict
        ? opaque === undefined &&
          commands.length > 0 &&
          commands.every(({ words }) => words.every((word) => word !== undefined && matches(word)))
        : commands.some(
            ({ program, words }) => about(program) && words.some((word) => word === undefined || matches(word)),
          ),
    seen: seenArguments,
  };
}

function otherArgumentCondition(patterns: readonly string[], about: (program: string) => boolean): Condition<Facts> {
  const matches = anyGlob(patterns);
  return {
    key: 'when.otherArguments',
    wanted: `an argument other than ${anyOf(patterns)}`,
    holds: ({ commands = [] }) =>
      commands.some(
        ({ program, words }) => about(program) && words.some((word) => word === undefined || !matches(word)),
      ),
    seen: seenArguments,
  };
}

function seenArguments({ commands = [] }: Facts): string {
  return listOr(commands.map(shown), 'no arguments');
}

const shown = ({ program, words }: CommandUse): string =>
  [program, ...words.map((word) => word ?? '(not told)')].join(' ');
