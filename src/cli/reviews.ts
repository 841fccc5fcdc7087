// Waiting for a review, and its picture for people.

import { formatDuration } from '../core/clock.ts';
import { peerError, userError } from '../core/errors.ts';
import { route } from './api.ts';
import type { Context } from './context.ts';
import { readingOf, valueLines } from './operation-text.ts';
import { nameOf, type ReviewItem } from './shapes.ts';
import { facts, localTime, printable, relativeTime } from './text.ts';

const POLL_MS = 1000;

/** The review once it is decided. Errors: review_denied, review_expired (also when `waitMs` passed). */
export async function settledReview(context: Context, review: ReviewItem, waitMs: number): Promise<ReviewItem> {
  const api = await context.api();
  const deadline = performance.now() + waitMs;
  let current = review;
  while (current.state === 'pending') {
    if (performance.now() > deadline) {
      throw userError('review_expired', `nobody decided on '${review.id}' within ${formatDuration(waitMs)}`, {
        fix: `it is still open: see 'hoopctl reviews show ${review.id}'`,
      });
    }
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, Math.min(POLL_MS, Math.max(0, deadline - performance.now()) + 1));
      context.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(context.signal.reason);
      });
    });
    current = await api.call<ReviewItem>(route`reviews/${review.id}`, { signal: context.signal });
  }
  if (current.state === 'denied') {
    const why = current.decisions?.findLast((decision) => decision.reason !== undefined);
    throw userError(
      'review_denied',
      `'${review.id}' was denied${why === undefined ? '' : ` by ${why.by}: ${why.reason}`}`,
      {
        fix: 'talk to the reviewers, then ask again',
      },
    );
  }
  if (current.state === 'expired') throw userError('review_expired', `'${review.id}' expired before anybody decided`);
  if (current.state === 'cancelled') throw peerError('review_cancelled', `'${review.id}' was cancelled`);
  return current;
}

/** For how much an approval stands, in words; undefined: for once. */
export function standingText({ standing }: ReviewItem): string | undefined {
  if (standing === undefined) return undefined;
  const what = standing.kind === 'session' ? 'for this shape in this session' : 'for this statement';
  return `${what} until ${localTime(standing.until)}`;
}

/** What the statement touches, a line each; empty where it is not known. */
export function touchesLines({ touches }: ReviewItem): readonly (readonly [string, string | undefined])[] {
  if (touches === undefined) return [];
  return [
    ['does', touches.does.join(', ')],
    ['reads', touches.reads.join(', ')],
    ['writes', touches.writes.join(', ')],
    ['calls', touches.functions.join(', ')],
    ['but', touches.opaque === undefined ? undefined : `that may not be all: ${touches.opaque}`],
  ];
}

/** Everything a reviewer has to know before deciding, but the statement itself. */
export function factsOf(review: ReviewItem, now: number): readonly (readonly [string, string])[] {
  const { reviewers } = review;
  const at = (time: string | number) => `${localTime(time)} (${relativeTime(time, now)})`;
  const all: readonly (readonly [string, string | undefined])[] = [
    ['review', review.id],
    ['state', review.outcome === undefined ? review.state : `${review.state}: ${review.outcome}`],
    ['kind', review.kind],
    ['who', nameOf(review.requester)],
    ['groups', review.requester?.groups?.join(', ')],
    ['connection', review.connection],
    ['reason', review.reason],
    ['lifts', review.masks === undefined ? undefined : `mask ${review.masks.join(', ')}`],
    [
      review.masks === undefined ? 'access for' : 'for',
      review.forMs === undefined ? undefined : formatDuration(review.forMs),
    ],
    ['rule', review.message === undefined ? review.rule : `${review.rule}: ${review.message}`],
    ['session', review.session],
    ['asked', at(review.createdAt)],
    ['ends', review.expiresAt === undefined ? undefined : at(review.expiresAt)],
    [
      'reviewers',
      reviewers === undefined || reviewers.groups.length === 0
        ? undefined
        : `${reviewers.count} of ${reviewers.groups.join(', ')}${reviewers.reason ? ', with a reason' : ''}`,
    ],
    ...(review.decisions ?? []).map((one) => [one.decision, decisionText(one)] as const),
    ['stands', standingText(review)],
    ...touchesLines(review),
  ];
  return all.filter((pair): pair is readonly [string, string] => pair[1] !== undefined && pair[1] !== '');
}

/** The same with the statement, as text. */
export function reviewText(review: ReviewItem, now: number): string {
  const head = facts(factsOf(review, now));
  if (!review.text) return head;
  const shape =
    review.shape === undefined || review.shape === review.text ? '' : `shape\n    ${printable(review.shape)}\n`;
  const indent = (text: string): string => text.replace(/^/gm, '    ');
  const reading = readingOf(review.text, review.bytes);
  const values = valueLines(review.params, review.forms).join('\n');
  const below = values === '' ? '' : `values\n${indent(values)}\n`;
  const heading = `statement${reading === '' ? '' : ` ${reading}`}`;
  return `${head}${heading}\n${indent(printable(review.text))}\n${below}${shape}`;
}

function decisionText({ by, at, variant, reason }: NonNullable<ReviewItem['decisions']>[number]): string {
  const what = variant === undefined ? '' : variant === 'session' ? ' for the session' : ` for ${variant}`;
  return `by ${by} ${localTime(at)}${what}${reason ? `: ${reason}` : ''}`;
}
