// `when` as conditions: on the facts of one statement (the same for every execution of it), and late ones on its exact text
// and the time. Deny and review match whatever may be meant; allow only what is meant for certain.

import { RE2JS } from 're2js';
import type { Facts, PlaceUse, RelationUse } from '../../protocol/contract.ts';
import { commandConditions } from './commands.ts';
import { anyOf, type Condition, listOr } from './condition.ts';
import {
  anyGlob,
  type ColumnPattern,
  columnPattern,
  type QualifiedPattern,
  qualified,
  qualifiedPattern,
} from './pattern.ts';
import type { When } from './schema.ts';
import { describeWindow, timeWindow } from './time.ts';

/** What is known only when the operation comes. */
export interface Moment {
  readonly text: string;
  readonly now: number;
}

/** Under which names a rule is filed, so that a statement meets only rules that can concern it. */
export type Filing =
  | {
      readonly by: 'function' | 'relation';
      /** Of the names, whole. */
      readonly names: readonly string[];
      /** Of names with wildcards, the first HEAD characters. */
      readonly heads: readonly string[];
    }
  | { readonly by: 'object' | 'does'; readonly names: readonly string[] }
  | { readonly by: 'all' };

export interface WhenConditions {
  readonly facts: readonly Condition<Facts>[];
  readonly late: readonly Condition<Moment>[];
  readonly filing: Filing;
  /** Which words of a part that matches it are those that it names; undefined: it names none. */
  readonly words: (part: Facts) => readonly string[] | undefined;
  /** Which of the relations of a part that matches it is about; undefined: none. */
  readonly about: (part: Facts) => RelationUse | undefined;
}

/** `strict`: the rule allows, so that doubt speaks against a match. Patterns have been checked to be well formed. */
export function whenConditions(when: When | undefined, strict: boolean): WhenConditions {
  if (when === undefined)
    return { facts: [], late: [], filing: { by: 'all' }, about: () => undefined, words: () => undefined };
  const relations = when.relations?.map(wellFormed(qualifiedPattern));
  const functions = when.functions?.map(wellFormed(qualifiedPattern));
  const columns = when.columns?.map(wellFormed(columnPattern));
  const facts: (Condition<Facts> | undefined)[] = [
    when.does && wordCondition('does', when.does, (part) => part.does),
    when.objects && wordCondition('objects', when.objects, (part) => (part.object === undefined ? [] : [part.object])),
    functions && functionCondition(functions, strict),
    relations && relationCondition(relations, strict),
    columns && columnCondition(columns, strict),
    ...commandConditions(when, strict),
    when.places && placeCondition(when.places, strict),
    when.otherPlaces && otherPlaceCondition(when.otherPlaces),
    when.unbounded && flagCondition('unbounded', 'an update or delete without a condition', (part) => part.unbounded),
    when.opaque && flagCondition('opaque', 'opaque', (part) => part.opaque !== undefined),
  ];
  const late: Condition<Moment>[] = [];
  if (when.time !== undefined) late.push(timeCondition(when.time));
  if (when.text !== undefined) late.push(textCondition(when.text));
  return {
    facts: facts.filter((condition) => condition !== undefined),
    late,
    filing: filingOf(when, relations, functions, columns),
    about: aboutRelation(relations, columns),
    words: ({ does }) => when.does && does.filter((word) => when.does?.includes(word)),
  };
}

function aboutRelation(
  relations: readonly QualifiedPattern[] | undefined,
  columns: readonly ColumnPattern[] | undefined,
): WhenConditions['about'] {
  if (relations === undefined && columns === undefined) return () => undefined;
  return (part) =>
    part.relations.find(
      (use) =>
        (relations?.some((pattern) => pattern.may(use)) ?? true) &&
        (columns?.some((pattern) => mayUse(pattern, use)) ?? true),
    );
}

const mayUse = (pattern: ColumnPattern, use: RelationUse): boolean =>
  pattern.relation(use) && (use.columns === undefined || use.columns.some(pattern.column));

function wellFormed<T>(parse: (text: string) => T | undefined): (text: string) => T {
  return (text) => {
    const parsed = parse(text);
    if (parsed === undefined) throw new TypeError(`${JSON.stringify(text)} is no name pattern`);
    return parsed;
  };
}

/** The rarest of a rule's conditions that is a list of names, or of how names begin. */
function filingOf(
  when: When,
  relations: readonly QualifiedPattern[] | undefined,
  functions: readonly QualifiedPattern[] | undefined,
  columns: readonly ColumnPattern[] | undefined,
): Filing {
  for (const [by, patterns] of [
    ['function', functions],
    ['relation', relations],
    ['relation', columns],
  ] as const) {
    const keys = patterns?.map(({ key }) => key) ?? [undefined];
    if (keys.includes(undefined)) continue;
    const names = keys.flatMap((key) => (key !== undefined && 'name' in key ? [key.name] : []));
    const heads = keys.flatMap((key) => (key !== undefined && 'head' in key ? [key.head] : []));
    return { by, names, heads };
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

function anyPlace(patterns: readonly string[]): (use: PlaceUse) => boolean {
  const matches = anyGlob(patterns);
  return ({ place, as }) => matches(place) || (as !== undefined && matches(as));
}

function placeCondition(patterns: readonly string[], strict: boolean): Condition<Facts> {
  const matches = anyPlace(patterns);
  return {
    key: 'when.places',
    wanted: anyOf(patterns),
    holds: strict
      ? ({ places = [] }) => places.length > 0 && places.every(matches)
      : ({ places = [] }) => places.some(matches),
    seen: seenPlaces,
  };
}

/** What a command's text does not tell may be another; so may be a path with "..", whatever it begins with. */
function otherPlaceCondition(patterns: readonly string[]): Condition<Facts> {
  const matches = anyPlace(patterns);
  const untold = ({ opaque, programs }: Facts) => (programs === undefined ? undefined : opaque);
  return {
    key: 'when.otherPlaces',
    wanted: `a place other than ${anyOf(patterns)}`,
    holds: (part) =>
      part.places !== undefined &&
      (untold(part) !== undefined || part.places.some((use) => !matches(use) || use.place.split('/').includes('..'))),
    seen: (part) => untold(part) ?? seenPlaces(part),
  };
}

function seenPlaces({ places = [] }: Facts): string {
  return listOr(
    places.map(({ place }) => place),
    'no places',
  );
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
  const may = (use: RelationUse): boolean => patterns.some((pattern) => mayUse(pattern, use));
  const must = (use: RelationUse): boolean =>
    use.columns?.every((column) => patterns.some((pattern) => pattern.relation(use) && pattern.column(column))) ??
    false;
  return {
    key: 'when.columns',
    wanted: anyOf(patterns.map((pattern) => pattern.text)),
    holds: strict
      ? (part) => part.relations.some((use) => use.columns?.length !== 0) && part.relations.every(must)
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
