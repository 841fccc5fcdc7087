// What a refused client is told: what was refused, by which rule, what to do next. Pure text.
// Refuses to know: how a protocol says it.

import { formatDuration } from '../core/clock.ts';
import type { HoopctlError } from '../core/errors.ts';
import type { Facts, Operation, Refusal } from '../protocol/contract.ts';
import { REFUSED_BY_MASK } from './policy/predicates.ts';
import type { Charge, Matched, PolicyVerdict } from './policy/types.ts';

/**
 * What an operation does, for a person: `drop on t`, `select, update on a, b`, `query` where nothing is known. `first`: what
 * it is about, which is named before the rest.
 */
export function describeOperation(kind: string, parts: readonly Facts[], first?: Matched): string {
  const does = new Set<string>();
  const relations = new Set<string>();
  const told = parts.filter(({ via }) => via === undefined);
  for (const facts of first === undefined ? told : [first, ...told]) {
    for (const word of facts.does) does.add(word);
    for (const { schema, name, via } of facts.relations) {
      if (via === undefined) relations.add(schema === undefined ? name : `${schema}.${name}`);
    }
  }
  const what = does.size === 0 ? kind : listed(does);
  return relations.size === 0 ? what : `${what} on ${listed(relations)}`;
}

function listed(words: Set<string>): string {
  const list = [...words];
  return list.length <= 3 ? list.join(', ') : `${list.slice(0, 3).join(', ')} and ${list.length - 3} more`;
}

export function deniedByRule(
  session: string,
  operation: Pick<Operation, 'kind' | 'parts'>,
  verdict: PolicyVerdict,
): Refusal {
  const what = describeOperation(operation.kind, operation.parts, verdict.first);
  const { rule, message, next } = verdict;
  const by = rule === undefined ? 'by policy' : `by rule "${rule}"`;
  return {
    code: 'denied',
    message: `${what} is denied ${by}${verdict.way === undefined ? '' : `: ${verdict.way}`}`,
    ...(rule === undefined ? {} : { rule }),
    // The rule's own words are what to do instead: protocols say them in their hint.
    next:
      [next ?? [], message ?? []].flat().join('; ') ||
      'run something that the rule allows, or ask for the rule to be changed',
    session,
  };
}

/** A result that ends in the middle. */
export function budgetPassed(session: string, { rule, budget: { per }, then }: Charge, bound: string): Refusal {
  const message = `the result is cut: the budget of ${bound} per ${per} of rule "${rule}" is used up`;
  const later = per === 'day' ? 'ask for less, or go on tomorrow' : 'ask for less, in another session';
  const next = then === 'review' ? 'run it again: it is then held for review' : later;
  return refusedBecause(session, 'denied', message, next, rule);
}

/** A statement that selects nothing masked, and would tell of it all the same. */
export function guessRefused(session: string, { rule, message }: PolicyVerdict): Refusal {
  const next =
    'use other columns, compare with one value (=), or have the mask say what else may be done (predicates:)';
  return refusedBecause(
    session,
    'denied',
    `${REFUSED_BY_MASK}${rule ?? ''}": ${message ?? 'values could be guessed'}`,
    next,
    rule,
  );
}

/** What a command puts out is no text, and a mask would change it. */
export function outputSpoiled(session: string, masks: readonly string[]): Refusal {
  const names = masks.map((name) => `"${name}"`).join(', ');
  return refusedBecause(
    session,
    'denied',
    `the output is cut: it is no text, and mask ${names} would change what it finds in it, so that it were broken`,
    'put out text, or have the mask lifted (hoopctl request --unmask)',
  );
}

export function refusedBecause(
  session: string,
  code: Refusal['code'],
  message: string,
  next: string,
  rule?: string,
): Refusal {
  return { code, message, next, session, ...(rule === undefined ? {} : { rule }) };
}

/** Told when one of our own guards threw: nothing of why leaves the gateway (promise 3). */
export function guardFailed(session: string): Refusal {
  return refusedBecause(
    session,
    'internal',
    'the gateway could not decide on it, so it is refused',
    `report session ${session} to whoever runs the gateway; its log says why`,
  );
}

/** Told when a rule wants to know why, and the session does not say. */
export function reasonNeeded(session: string, operation: Operation, { rule = '', first }: PolicyVerdict): Refusal {
  const what = describeOperation(operation.kind, operation.parts, first);
  const next = 'connect again and say why: --reason "…" (connect, exec, psql, token)';
  return refusedBecause(session, 'denied', `${what} needs a session with a reason, by rule "${rule}"`, next, rule);
}

/** Told when so much of somebody waits that nothing more is held. */
export function notHeld(session: string, { message, fix = '' }: HoopctlError, rule: string): Refusal {
  return refusedBecause(session, 'denied', `it would be held by rule "${rule}", but ${message}`, fix, rule);
}

interface HeldWords {
  readonly review: string;
  readonly what: string;
  readonly rule: string;
  readonly message?: string;
  readonly groups: readonly string[];
  readonly count: number;
  readonly expiresAt: number;
}

/** The first lines for a client whose operation is held. The first alone says what it is and what to do. */
export function holdNotice(held: HeldWords): string[] {
  const why = held.message === undefined ? '' : `: ${held.message}`;
  const people = held.count === 1 ? 'one member' : `${held.count} different members`;
  return [
    `${held.what} is held for review ${held.review} by rule "${held.rule}"${why}; to approve: hoopctl reviews approve ${held.review}`,
    `${people} of ${held.groups.join(', ')} (not you) can approve it until ${utc(held.expiresAt)}; cancel to give up`,
  ];
}

/** A line now and then while it is held, and when one of several has approved. */
export function waitNotice(held: HeldWords, approvals: number, now: number): string {
  const left = formatDuration(Math.max(1000, Math.round((held.expiresAt - now) / 1000) * 1000));
  const so = held.count === 1 ? '' : `, ${approvals} of ${held.count} have approved`;
  return `review ${held.review} still waits${so}, ${left} left; to approve: hoopctl reviews approve ${held.review}`;
}

function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
