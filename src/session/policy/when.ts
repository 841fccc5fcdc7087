// `when` as conditions: on the facts of one statement (the same for every execution of it), and late ones on its exact text
// and the time. Deny and review match whatever may be meant; allow only what is meant for certain.

import { RE2JS } from 're2js';
import type { Facts, RelationUse } from '../../protocol/contract.ts';
import { anyOf, type Condition, listOr } from './condition.ts';
import { type ColumnPattern, columnPattern, type QualifiedPattern, qualified, qualifiedPattern } from './pattern.ts';
import type { When } from './schema.ts';
import { describeWindow, timeWindow } from './time.ts';

/** What is known only when the operation comes. */
export interface Moment {
  readonly text: string;
  readonly now: number;
}

/** Under which names a rule is filed, so that a statement meets only rules that can concern it. */
export type Filing =
  | { readonly by: 'function' | 'relation' | 'object' | 'does'; readonly names: readonly string[] }
  | { readonly by: 'all' };

export interface WhenConditions {
  readonly facts: readonly Condition<Facts>[];
  readonly late: readonly Condition<Moment>[];
  readonly filing: Filing;
}

/** `strict`: the rule allows, so that doubt speaks against a match. Patterns have been checked to be well formed. */
export function whenConditions(when: When | undefined, strict: boolean): WhenConditions {
  if (when === undefined) return { facts: [], late: [], filing: { by: 'all' } };
  const relations = when.relations?.map(wellFormed(qualifiedPattern));
  const functions = when.functions?.map(wellFormed(qualifiedPattern));
  const columns = when.columns?.map(wellFormed(columnPattern));
  const facts: (Condition<Facts> | undefined)[] = [
    when.does && wordCondition('does', when.does, (part) => part.does),
    when.objects && wordCondition('objects', when.objects, (part) => (part.object === undefined ? [] : [part.object])),
    functions && functionCondition(functions, strict),
    relations && relationCondition(relations, strict),
    columns && columnCondition(columns, strict),
    when.unbounded && flagCondition('unbounded', 'an update or delete without a condition', (part) => part.unbounded),
    when.opaque && flagCondition('opaque', 'opaque', (part) => part.opaque !== undefined),
  ];
  const late: Condition<Moment>[] = [];
  if (when.time !== undefined) late.push(timeCondition(when.time));
  if (when.text !== undefined) late.push(textCondition(when.text));
  return {
    facts: facts.filter((condition) => condition !== undefined),
    late,
    filing: filingOf(when, relations, functions),
  };
}

function wellFormed<T>(parse: (text: string) => T | undefined): (text: string) => T {
  return (text) => {
    const parsed = parse(text);
    if (parsed === undefined) throw new TypeError(`${JSON.stringify(text)} is no name pattern`);
    return parsed;
  };
}

/** The rarest of a rule's conditions that is a list of plain names. */
function filingOf(
  when: When,
  relations: readonly QualifiedPattern[] | undefined,
  functions: readonly QualifiedPattern[] | undefined,
): Filing {
  for (const [by, patterns] of [
    ['function', functions],
    ['relation', relations],
  ] as const) {
    const names = patterns?.map((pattern) => pattern.literal);
    if (names?.every((name) => name !== undefined)) return { by, names: names as string[] };
  }
  if (when.objects !== undefined) return { by: 'object', names: when.objects };
  if (when.does !== undefined) return { by: 'does', names: when.does };
  return { by: 'all' };
}

function wordCondition(
  key: string,
  words: readonly string[],
  of: (part: Facts) => readonly string[],
): Condition<Facts> {
  const wanted = new Set(words);
  return {
    key: `when.${key}`,
    wanted: anyOf(words),
    holds: (part) => of(part).some((word) => wanted.has(word)),
    seen: (part) => listOr(of(part), 'nothing'),
  };
}

function flagCondition(key: string, wanted: string, holds: (part: Facts) => boolean): Condition<Facts> {
  return {
    key: `when.${key}`,
    wanted,
    holds,
    seen: (part) => (holds(part) ? (part.opaque ?? wanted) : `not ${wanted}`),
  };
}

function functionCondition(patterns: readonly QualifiedPattern[], strict: boolean): Condition<Facts> {
  const test = strict ? 'must' : 'may';
  return {
    key: 'when.functions',
    wanted: anyOf(patterns.map((pattern) => pattern.text)),
    holds: (part) =>
      part.functions.some((name) => {
        const use = qualified(name);
        return patterns.some((pattern) => pattern[test](use));
      }),
    seen: (part) => listOr(part.functions, 'no functions'),
  };
}

const relationName = (use: RelationUse) => (use.schema === undefined ? use.name : `${use.schema}.${use.name}`);

function relationCondition(patterns: readonly QualifiedPattern[], strict: boolean): Condition<Facts> {
  return {
    key: 'when.relations',
    wanted: anyOf(patterns.map((pattern) => pattern.text)),
    holds: strict
      ? (part) =>
          part.relations.length > 0 && part.relations.every((use) => patterns.some((pattern) => pattern.must(use)))
      : (part) => part.relations.some((use) => patterns.some((pattern) => pattern.may(use))),
    seen: (part) => listOr(part.relations.map(relationName), 'no relations'),
  };
}

function columnCondition(patterns: readonly ColumnPattern[], strict: boolean): Condition<Facts> {
  const may = (use: RelationUse): boolean =>
    patterns.some(
      (pattern) => pattern.relation(use) && (use.columns === undefined || use.columns.some(pattern.column)),
    );
  const must = (use: RelationUse): boolean =>
    use.columns?.every((column) => patterns.some((pattern) => pattern.relation(use) && pattern.column(column))) ??
    false;
  return {
    key: 'when.columns',
    wanted: anyOf(patterns.map((pattern) => pattern.text)),
    holds: strict
      ? (part) => part.relations.length > 0 && part.relations.every(must)
      : (part) => part.relations.some(may),
    seen: (part) =>
      listOr(
        part.relations.flatMap((use) => (use.columns ?? ['*']).map((column) => `${relationName(use)}.${column}`)),
        'no columns',
      ),
  };
}

function textCondition(text: string): Condition<Moment> {
  const pattern = RE2JS.compile(text);
  return {
    key: 'when.text',
    wanted: `/${text}/ in the text`,
    holds: (moment) => pattern.test(moment.text),
    seen: (moment) => (pattern.test(moment.text) ? 'a match' : 'no match'),
  };
}

function timeCondition(window: NonNullable<When['time']>): Condition<Moment> {
  const inside = timeWindow(window);
  return {
    key: 'when.time',
    wanted: describeWindow(window),
    holds: (moment) => inside(moment.now),
    seen: (moment) => new Date(moment.now).toISOString(),
  };
}
