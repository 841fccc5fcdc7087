// Many rules that match, one verdict: deny, then review, then allow; the order of the rules never matters.

import type { CompiledRule } from './rule.ts';
import type { PolicyVerdict, Reviewers } from './types.ts';

/** A built-in refusal that applies. */
export interface Refused {
  readonly name: string;
  readonly message: string;
  /** What to write in the policy to allow it. */
  readonly next: string;
}

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** What of a rule a verdict needs. */
export type Ruling = Pick<CompiledRule, 'name' | 'then' | 'message' | 'reviewers' | 'waitMs' | 'reason'> &
  Partial<Pick<CompiledRule, 'firstSeen'>>;

/** Among equals the first by name speaks; a rule of the document before a built-in refusal. */

export function combine(matched: readonly Ruling[], refused: readonly Refused[]): PolicyVerdict {
  const verdict = strictest(matched, refused);
  const watcher = [...matched].sort(byName).find((rule) => rule.firstSeen);
  return Object.freeze(watcher === undefined ? verdict : { ...verdict, firstSeen: watcher.name });
}

function strictest(matched: readonly Ruling[], refused: readonly Refused[]): PolicyVerdict {
  const rules = [...matched].sort(byName);
  const guards = [...refused].sort(byName);
  const names = [...new Set([...rules, ...guards].map((rule) => rule.name))].sort();
  const denier = rules.find((rule) => rule.then === 'deny') ?? guards[0];
  if (denier !== undefined) {
    return {
      verdict: 'deny',
      rule: denier.name,
      ...(denier.message === undefined ? {} : { message: denier.message }),
      ...('next' in denier ? { next: denier.next } : {}),
      matched: names,
    };
  }
  const reviews = rules.filter((rule) => rule.then === 'review');
  if (reviews.length > 0) return review(reviews, names);
  const allowed = rules[0];
  return { verdict: 'allow', ...(allowed === undefined ? {} : { rule: allowed.name }), matched: names };
}

/**
 * One review has to satisfy every rule that asks for one: people of the groups that all of them name, as many as the most
 * demanding wants, within the shortest wait, with the reasons that any of them wants. Without a common group nobody could
 * approve for all: refused.
 */
function review(reviews: readonly Ruling[], matched: readonly string[]): PolicyVerdict {
  const ranked = [...reviews].sort(
    (a, b) => b.reviewers!.count - a.reviewers!.count || a.waitMs - b.waitMs || byName(a, b),
  );
  const first = ranked[0]!;
  const reviewers = reviewersForAll(ranked.map((rule) => rule.reviewers!));
  if (reviewers === undefined) {
    const names = reviews.map((rule) => `"${rule.name}"`).join(' and ');
    const message = `the rules ${names} hold it for review, and no group may approve for all of them`;
    return { verdict: 'deny', rule: first.name, message, matched };
  }
  return {
    verdict: 'review',
    rule: first.name,
    ...(first.message === undefined ? {} : { message: first.message }),
    reviewers,
    waitMs: Math.min(...ranked.map((rule) => rule.waitMs)),
    ...(ranked.some((rule) => rule.reason !== undefined) ? { reason: 'required' as const } : {}),
    matched,
  };
}

/**
 * Who may decide for all at once: people of the groups that all of them name, as many as the most demanding wants, with a
 * reason where any wants one. Undefined where there is no such group.
 */
export function reviewersForAll(all: readonly Reviewers[]): Reviewers | undefined {
  const groups = common(all.map((one) => one.groups));
  if (groups.length === 0) return undefined;
  return {
    groups,
    count: Math.max(...all.map(({ count }) => count)),
    ...(all.some(({ reason }) => reason !== undefined) ? { reason: 'required' as const } : {}),
  };
}

/** What is in every list, in the order of the alphabet. */
function common(lists: readonly (readonly string[])[]): readonly string[] {
  const [first = [], ...others] = lists;
  return [...new Set(first)].filter((item) => others.every((list) => list.includes(item))).sort();
}
