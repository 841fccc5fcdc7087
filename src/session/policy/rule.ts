// One rule of the document, made ready: conditions to test, and what follows when they hold.

import { RE2JS } from 're2js';
import { formatDuration, parseDuration } from '../../core/clock.ts';
import type { Particular, ResultColumn, Vocabulary } from '../../protocol/contract.ts';
import type { Principal } from '../identity/principal.ts';
import type { Condition } from './condition.ts';
import { type Lift, liftOf } from './danger.ts';
import { columnPattern } from './pattern.ts';
import type { Rule, When } from './schema.ts';
import type { Budget, Charge, ConnectionRef, Reviewers } from './types.ts';
import { type WhenConditions, whenConditions } from './when.ts';
import { toConditions, whoConditions } from './who.ts';

export const DEFAULT_WAIT_MS = 10 * 60_000;

/** Names of the built-in refusals; no rule may have one. */
export const OPAQUE = 'opaque';
export const DANGEROUS = 'dangerous';
/** The name given to a refusal for want of an access line. */
export const ACCESS = 'access';

export const RESERVED_NAMES: readonly string[] = [OPAQUE, DANGEROUS, ACCESS];

export interface CompiledRule extends WhenConditions {
  readonly name: string;
  readonly then: Rule['then'];
  readonly message: string | undefined;
  readonly reviewers: Reviewers | undefined;
  readonly waitMs: number;
  /** Review only: the session has to have a reason. */
  readonly reason: 'required' | undefined;
  /** What is touched for the first time is told. */
  readonly firstSeen: boolean;
  readonly who: readonly Condition<Principal>[];
  readonly to: readonly Condition<ConnectionRef>[];
  /** Whether any operation of a protocol with this vocabulary can match it. */
  readonly canHold: (vocabulary: Vocabulary) => boolean;
  /** It holds only once this is used up. */
  readonly charge: Charge | undefined;
  /** Only in a session that was opened without a reason. */
  readonly reasonMissing: boolean;
  /** Only for a statement that uses something of the connection's dangerous set. */
  readonly dangerous: boolean;
  /** It is about lines of this kind that an operation puts out, not about the operation. */
  readonly output: RE2JS | undefined;
  /** What a matching allow or review rule lifts off the built-in refusals. */
  readonly lift: Lift | undefined;
  /**
   * Whether a statement could do what the rule is about without the rule seeing it, when its text does not tell what it
   * does. Not so for a rule that is about every statement, or about opaque ones only.
   */
  readonly dodgeable: boolean;
  /** Whether it forbids or holds by what a statement reaches, which its text need not name. */
  readonly reaching: boolean;
}

function budgetOf({ rows, bytes, statements, time, distinct, per }: NonNullable<When['budget']>): Budget {
  return {
    ...(rows === undefined ? {} : { rows }),
    ...(bytes === undefined ? {} : { bytes }),
    ...(statements === undefined ? {} : { statements }),
    ...(time === undefined ? {} : { timeMs: parseDuration(time) ?? 0 }),
    ...(distinct === undefined ? {} : { distinct: { ...distinct, covers: covering(distinct.column) } }),
    per,
  };
}

/** What is not proven to come from elsewhere may come from it. */
function covering(column: string): (of: ResultColumn) => boolean {
  const pattern = columnPattern(column);
  return ({ origins }) =>
    pattern === undefined ||
    origins === undefined ||
    origins.some(
      ({ schema, relation, column: name }) => pattern.column(name) && pattern.relation({ schema, name: relation }),
    );
}

export function describeBudget({ rows, bytes, statements, timeMs, distinct, per }: Budget): string {
  const bounds = [
    rows === undefined ? [] : [`${rows} rows`],
    bytes === undefined ? [] : [`${bytes} bytes`],
    statements === undefined ? [] : [`${statements} statements`],
    distinct === undefined ? [] : [`${distinct.max} distinct values of ${distinct.column}`],
    timeMs === undefined ? [] : [`${formatDuration(timeMs)} of time`],
  ].flat();
  return `${bounds.join(', ')} per ${per}`;
}

/** Which facts a condition needs an operation to have. */
export const NEEDED: readonly (readonly [keyof When, Particular])[] = [
  ['relations', 'relations'],
  ['columns', 'relations'],
  ['functions', 'functions'],
  ['unbounded', 'unbounded'],
  ['programs', 'programs'],
  ['otherPrograms', 'programs'],
  ['arguments', 'programs'],
  ['otherArguments', 'programs'],
  ['places', 'places'],
  ['otherPlaces', 'places'],
];

/** Whether any operation of a protocol can match it: nothing can dodge a rule that is about another protocol's words. */
export function canHold(when: When | undefined, { does, objects, has, dangerous }: Vocabulary): boolean {
  if (when === undefined) return true;
  const lists = [...dangerous.functions, ...dangerous.does, ...dangerous.objects];
  return (
    (when.does?.some((word) => Object.hasOwn(does, word)) ?? true) &&
    (when.objects?.some((word) => objects.includes(word)) ?? true) &&
    (when.dangerous !== true || lists.length > 0) &&
    NEEDED.every(([key, particular]) => !when[key] || (has?.includes(particular) ?? true))
  );
}

/** Conditions that hold whatever a text hides. */
const UNDODGED = ['opaque', 'time', 'reasonMissing', 'budget', 'output'];

export function compileRule(rule: Rule): CompiledRule {
  const { when, then } = rule;
  const conditions = whenConditions(when, then === 'allow');
  const charge =
    when?.budget === undefined || then === 'allow'
      ? undefined
      : { rule: rule.name, then, budget: budgetOf(when.budget) };
  const about = Object.entries(when ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key]) => key);
  return {
    ...conditions,
    name: rule.name,
    then,
    message:
      rule.message ?? (charge === undefined ? undefined : `the budget of ${describeBudget(charge.budget)} is used up`),
    charge,
    reviewers: rule.reviewers,
    waitMs: (rule.wait === undefined ? undefined : parseDuration(rule.wait)) ?? DEFAULT_WAIT_MS,
    reason: rule.reason,
    firstSeen: rule.alert === 'first-seen',
    who: whoConditions(rule.who),
    to: toConditions(rule.to),
    canHold: (vocabulary) => canHold(when, vocabulary),
    reasonMissing: when?.reasonMissing ?? false,
    dangerous: when?.dangerous ?? false,
    output: when?.output === undefined ? undefined : RE2JS.compile(when.output),
    lift: then === 'deny' ? undefined : liftOf(when),
    reaching: then !== 'allow' && about.some((key) => ['relations', 'columns', 'functions'].includes(key)),
    dodgeable: then !== 'allow' && about.some((key) => !UNDODGED.includes(key)),
  };
}
