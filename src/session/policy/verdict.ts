// Many rules that match, one verdict: deny, then review, then allow; the order of the rules never matters.

import type { CompiledRule } from './rule.ts';
import type { PolicyVerdict, Reviewers } from './types.ts';

/** A built-in refusal that applies. */
export interface Refused {
  readonly name: string;
  readonly message: string;
}

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** Among equals the first by name speaks; a rule of the document before a built-in refusal. */
export function combine(matched: readonly CompiledRule[], refused: readonly Refused[]): PolicyVerdict {
  const rules = [...matched].sort(byName);
  const guards = [...refused].sort(byName);
  const names = [...new Set([...rules, ...guards].map((rule) => rule.name))].sort();
  const denier = rules.find((rule) => rule.then === 'deny') ?? guards[0];
  if (denier !== undefined) {
    return Object.freeze({
      verdict: 'deny',
      rule: denier.name,
      ...(denier.message === undefined ? {} : { message: denier.message }),
      matched: names,
    });
  }
  const reviews = rules.filter((rule) => rule.then === 'review');
  if (reviews.length > 0) return Object.freeze(review(reviews, names));
  const allowed = rules[0];
  return Object.freeze({ verdict: 'allow', ...(allowed === undefined ? {} : { rule: allowed.name }), matched: names });
}

/** The rule that asks for the most people speaks; what the others ask for has to be met too; the shortest wait holds. */
function review(reviews: readonly CompiledRule[], matched: readonly string[]): PolicyVerdict {
  const ranked = [...reviews].sort(
    (a, b) => b.reviewers!.count - a.reviewers!.count || a.waitMs - b.waitMs || byName(a, b),
  );
  const first = ranked[0]!;
  const further = new Map<string, Reviewers>();
  for (const { reviewers } of ranked.slice(1)) further.set(reviewersKey(reviewers!), reviewers!);
  further.delete(reviewersKey(first.reviewers!));
  return {
    verdict: 'review',
    rule: first.name,
    ...(first.message === undefined ? {} : { message: first.message }),
    reviewers: first.reviewers!,
    ...(further.size === 0 ? {} : { alsoReviewers: [...further.values()] }),
    waitMs: Math.min(...ranked.map((rule) => rule.waitMs)),
    matched,
  };
}

function reviewersKey(reviewers: Reviewers): string {
  return JSON.stringify([[...reviewers.groups].sort(), reviewers.count]);
}
