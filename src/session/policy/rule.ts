// One rule of the document, made ready: conditions to test, and what follows when they hold.

import { formatDuration, parseDuration } from '../../core/clock.ts';
import type { Principal } from '../identity/principal.ts';
import type { Condition } from './condition.ts';
import { type Lift, liftOf } from './danger.ts';
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
  /** It holds only once this is used up. */
  readonly charge: Charge | undefined;
  /** Only in a session that was opened without a reason. */
  readonly reasonMissing: boolean;
  /** Only for a statement that uses something of the connection's dangerous set. */
  readonly dangerous: boolean;
  /** What a matching allow or review rule lifts off the built-in refusals. */
  readonly lift: Lift | undefined;
  /**
   * Whether a statement could do what the rule is about without the rule seeing it, when its text does not tell what it
   * does. Not so for a rule that is about every statement, or about opaque ones only.
   */
  readonly dodgeable: boolean;
}

function budgetOf({ rows, bytes, statements, time, per }: NonNullable<When['budget']>): Budget {
  return {
    ...(rows === undefined ? {} : { rows }),
    ...(bytes === undefined ? {} : { bytes }),
    ...(statements === undefined ? {} : { statements }),
    ...(time === undefined ? {} : { timeMs: parseDuration(time) ?? 0 }),
    per,
  };
}

export function describeBudget({ rows, bytes, statements, timeMs, per }: Budget): string {
  const bounds = [
    rows === undefined ? [] : [`${rows} rows`],
    bytes === undefined ? [] : [`${bytes} bytes`],
    statements === undefined ? [] : [`${statements} statements`],
    timeMs === undefined ? [] : [`${formatDuration(timeMs)} of time`],
  ].flat();
  return `${bounds.join(', ')} per ${per}`;
}

export function compileRule(rule: Rule): CompiledRule {
  const { when, then } = rule;
  const conditions = whenConditions(when, then === 'allow');
  const charge = when?.budget === undefined ? undefined : { rule: rule.name, budget: budgetOf(when.budget) };
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
    reasonMissing: when?.reasonMissing ?? false,
    dangerous: when?.dangerous ?? false,
    lift: then === 'deny' ? undefined : liftOf(when),
    dodgeable: then !== 'allow' && about.some((key) => !['opaque', 'time', 'reasonMissing', 'budget'].includes(key)),
  };
}
