// What a review allows: pure functions from a review and a wish to the change, or the error that says why not.
// Refuses to know: stores, timers, who waits.

import { hash } from 'node:crypto';
import { formatDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import type { Operation } from '../../protocol/contract.ts';
import { displayName, type Principal, principalKey } from '../identity/principal.ts';
import type { Review, ReviewChange, ReviewDecision, Standing, Variant } from './types.ts';

/** The longest that an approval may stand, in ms. */
export const MAX_STANDING_MS = 24 * 3_600_000;

/** What will run: as it is shown, and whatever else decides what it does, in its protocol's own words. */
export interface Exactly extends Pick<Operation, 'text' | 'bytes' | 'params' | 'forms'> {
  /** Left out: nobody knows (a review of before), so that it is the same as nothing. */
  readonly exact?: string;
}

/** Its parts, kept apart. */
export function exactly({ text, bytes, params, forms, exact }: Exactly): readonly unknown[] {
  return [text, bytes ?? null, params ?? null, forms ?? null, exact ?? null];
}

/** Everything that an approval is for: change one of them and it is for something else (promise 5). */
export interface Binding extends Exactly {
  readonly principal: Principal;
  readonly connection: string;
  readonly session: string;
  readonly policy: string;
  readonly exact: string;
}

/** SHA-256 of the binding, hex. JSON keeps the parts apart: no text can pass for another text and a parameter. */
export function bindingDigest(binding: Binding): string {
  const { principal, connection, session, policy } = binding;
  const parts = [
    principal.issuer,
    principal.subject,
    principal.actor ?? null,
    connection,
    session,
    policy,
    ...exactly(binding),
  ];
  return hash('sha256', JSON.stringify(parts), 'hex');
}

/** Whether two are the same person: by issuer and subject, or by e-mail where both have one. */
function samePerson(a: { person: string; email?: string }, b: { person: string; email?: string }): boolean {
  if (a.person === b.person) return true;
  return a.email !== undefined && b.email !== undefined && a.email.toLowerCase() === b.email.toLowerCase();
}

function personOf(principal: Principal): { person: string; email?: string } {
  return { person: principalKey(principal), email: principal.email };
}

/** Why this principal may not decide this review at all; undefined when it may. */
export function reviewerObjection(review: Review, reviewer: Principal): string | undefined {
  if (reviewer.kind === 'agent') return 'an agent cannot decide a review, only a person or a workload in its own name';
  if (samePerson(personOf(reviewer), personOf(review.principal))) return 'nobody decides on their own request';
  const { groups } = review.reviewers;
  if (!reviewer.groups.some((group) => groups.includes(group))) {
    return groups.length === 0 ? 'no group may decide it' : `only members of ${groups.join(', ')} may decide it`;
  }
  return undefined;
}

export interface Wish {
  readonly verdict: 'approve' | 'deny';
  readonly reviewer: Principal;
  readonly reason?: string;
  /** What an approval is for; left out: once. */
  readonly variant?: Variant;
  readonly now: number;
}

/**
 * What a reviewer's word changes. Deny wins, also over an approval that was not used yet, and takes back one that still
 * stands. Approvals count by distinct people. Errors: `forbidden`, `conflict`, `usage`.
 */
export function decideReview(review: Review, wish: Wish): ReviewChange {
  const { reviewer, now } = wish;
  const objection = reviewerObjection(review, reviewer);
  if (objection !== undefined) {
    throw userError('forbidden', `cannot ${wish.verdict} review "${review.id}": ${objection}`, {
      fix: review.reviewers.groups.length > 0 ? `ask a member of ${review.reviewers.groups.join(', ')}` : undefined,
    });
  }
  const { standing } = review;
  const takesBack =
    wish.verdict === 'deny' && review.state === 'used' && standing !== undefined && now < standing.until;
  const open = review.state === 'pending' || (review.state === 'approved' && wish.verdict === 'deny');
  if (!open && !takesBack) throw alreadyOver(review, wish.verdict);
  if (!takesBack && now >= review.expiresAt) throw alreadyOver({ ...review, state: 'expired' }, wish.verdict);
  checkWish(review, wish);
  const me = personOf(reviewer);
  const variant = wish.variant ?? { kind: 'once' };
  const decision: ReviewDecision = {
    verdict: wish.verdict,
    ...me,
    by: displayName(reviewer),
    ...(wish.reason === undefined ? {} : { reason: wish.reason }),
    ...(wish.verdict === 'deny' || variant.kind === 'once' ? {} : { variant }),
    at: now,
  };
  if (wish.verdict === 'deny') {
    const why = wish.reason === undefined ? '' : `: ${wish.reason}`;
    const word = takesBack ? 'taken back' : 'denied';
    return { decision, state: 'denied', decidedAt: now, outcome: `${word} by ${decision.by}${why}` };
  }
  if (review.decisions.some((earlier) => samePerson(earlier, me))) {
    throw userError('conflict', `cannot approve review "${review.id}" twice: you have approved it already`, {
      fix: `${missing(review)} more distinct ${missing(review) === 1 ? 'person has' : 'people have'} to approve it`,
    });
  }
  if (missing(review) > 1) return { decision };
  const stands = standingOf([...review.decisions, decision], now);
  return { decision, state: 'approved', decidedAt: now, ...(stands === undefined ? {} : { standing: stands }) };
}

/** What is wrong with the words of one who may decide. */
function checkWish(review: Review, { verdict, reason, variant = { kind: 'once' } }: Wish): void {
  const cannot = (what: string, fix: string) =>
    userError('usage', `cannot ${verdict} review "${review.id}" ${what}`, { fix });
  if (review.reviewers.reason === 'required' && (reason ?? '').trim() === '') {
    throw cannot('without a reason', `say why: hoopctl reviews ${verdict} ${review.id} --reason "…"`);
  }
  if (verdict === 'deny' || variant.kind === 'once') return;
  if (review.kind !== 'operation') throw cannot('for more than was asked', 'approve it as it is');
  if (variant.kind === 'session' && review.shape === undefined) {
    throw cannot(
      'for the session: its constants cannot be told from the rest of it',
      'approve it once, or this very statement for a time',
    );
  }
  if (variant.kind === 'time' && !(variant.ms > 0 && variant.ms <= MAX_STANDING_MS)) {
    throw cannot(
      `for ${formatDuration(variant.ms)}: expected more than nothing and at most ${formatDuration(MAX_STANDING_MS)}`,
      'name a shorter time',
    );
  }
}

/** For how much the approvals are together: as far as all of them go. Those that do not agree are for once. */
function standingOf(decisions: readonly ReviewDecision[], now: number): Standing | undefined {
  const approvals = decisions.filter((one) => one.verdict === 'approve');
  const variants = approvals.map((one): Variant => one.variant ?? { kind: 'once' });
  const kind = variants[0]?.kind;
  if (kind === undefined || kind === 'once' || variants.some((one) => one.kind !== kind)) return undefined;
  const times = variants.map((one) => (one.kind === 'time' ? one.ms : MAX_STANDING_MS));
  return { kind, until: now + Math.min(...times) };
}

/** How many approvals of distinct people are still to come. */
export function missing(review: Review): number {
  const people: ReviewDecision[] = [];
  for (const decision of review.decisions) {
    if (decision.verdict === 'approve' && !people.some((one) => samePerson(one, decision))) people.push(decision);
  }
  return Math.max(0, Math.max(1, review.reviewers.count) - people.length);
}

function alreadyOver(review: Review, verdict: string): Error {
  return userError('conflict', `cannot ${verdict} review "${review.id}": it is ${review.state}`, {
    fix: review.state === 'approved' ? 'nothing to do' : 'it has to be asked for again',
  });
}

/** A request for a grant waits for a day: what it asks for may be given no more, or by others. */
export function otherPolicy(id: string, why: string): Error {
  return userError('conflict', `cannot approve review "${id}": the policy has changed since it was asked, ${why}`, {
    fix: 'deny it, and have it asked for again',
  });
}

/**
 * Takes an approved review for the one operation that it is for. Errors: `review_cancelled` (the policy or anything else
 * that it is bound to is not the same), `review_expired`, `review_denied`, `conflict` (not approved, or used already).
 */
export function takeReview(review: Review, binding: Binding, now: number): ReviewChange {
  if (review.state === 'approved' && review.policy !== binding.policy) {
    throw userError('review_cancelled', `review "${review.id}" was for another version of the policy`, {
      fix: 'run it again: the policy in force now decides',
    });
  }
  if (bindingDigest(binding) !== review.digest) {
    throw userError('review_cancelled', `review "${review.id}" is for another operation`, {
      fix: 'run exactly what was approved, or ask for a new review',
    });
  }
  if (review.state === 'denied') throw userError('review_denied', review.outcome ?? `review "${review.id}" was denied`);
  if (review.state === 'expired' || now >= review.expiresAt) {
    throw userError('review_expired', `review "${review.id}" expired before it was used`);
  }
  if (review.state !== 'approved') throw alreadyOver(review, 'use');
  return { state: 'used' };
}

/** Ends a review that nobody can use any more; undefined when it has ended already. */
export function endReview(
  review: Review,
  state: 'expired' | 'cancelled',
  outcome: string,
  now: number,
): ReviewChange | undefined {
  if (review.state !== 'pending' && review.state !== 'approved') return undefined;
  return { state, outcome, decidedAt: review.decidedAt ?? now };
}
