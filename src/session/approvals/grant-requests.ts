// Requests for access to a connection, or for masks to be lifted there, for a time: the review that they become, the grant that an approved one becomes, and
// the grant of somebody who broke the glass. Refuses to know: who may ask (policy), what a grant opens (grants.ts).

import type { Clock } from '../../core/clock.ts';
import { newGrantId, newReviewId } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import type { Alerts } from '../alerts.ts';
import { displayName, type Principal } from '../identity/principal.ts';
import type { AuditLog } from '../log/audit.ts';
import type { Lifted, Reviewers } from '../policy/types.ts';
import { bindingDigest } from './rules.ts';
import type { Grant, Review, ReviewChange, ReviewStore } from './types.ts';

/** How long a request waits for its reviewers, in ms. */
export const GRANT_REQUEST_MS = 24 * 3_600_000;

export interface GrantRequest {
  readonly principal: Principal;
  readonly connection: string;
  readonly grantMs: number;
  /** Not access is asked for: these masks are to be lifted. */
  readonly masks?: readonly Lifted[];
  readonly reviewers: Reviewers;
  readonly policy: string;
  readonly reason?: string;
  readonly waitMs?: number;
}

export function grantReview(request: GrantRequest, now: number): Review {
  const id = newReviewId();
  const { masks } = request;
  const what = masks === undefined ? 'grant' : `unmask ${JSON.stringify(masks)}`;
  return {
    id,
    kind: masks === undefined ? 'grant' : 'unmask',
    state: 'pending',
    principal: request.principal,
    connection: request.connection,
    text: '',
    digest: bindingDigest({ ...request, session: id, text: `${what} ${request.grantMs}`, exact: '' }),
    policy: request.policy,
    reviewers: request.reviewers,
    reason: request.reason,
    grantMs: request.grantMs,
    ...(masks === undefined ? {} : { masks }),
    createdAt: now,
    expiresAt: now + (request.waitMs ?? GRANT_REQUEST_MS),
    decisions: [],
  };
}

/** The grant that an approved request becomes. */
function grantOf(review: Review, now: number): Grant {
  const { issuer, subject, actor } = review.principal;
  return {
    id: newGrantId(),
    issuer,
    subject,
    ...(actor === undefined ? {} : { actor }),
    principal: displayName(review.principal),
    connection: review.connection,
    ...(review.masks === undefined ? {} : { masks: review.masks }),
    review: review.id,
    ...(review.reason === undefined ? {} : { reason: review.reason }),
    startsAt: now,
    endsAt: now + review.grantMs!,
  };
}

export function withGrant(review: Review, change: ReviewChange, now: number): ReviewChange {
  if (review.kind === 'operation' || change.state !== 'approved') return change;
  return { ...change, state: 'used', grant: grantOf(review, now) };
}

export interface GlassOptions {
  readonly reviews: ReviewStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts: Alerts;
}

/** A grant that nobody approved: on record before it counts, and told loudly. Errors: `store_failed`, `recording_failed`. */
export async function breakGlass(
  request: Omit<GrantRequest, 'reviewers' | 'waitMs'> & { readonly reason: string },
  { reviews, audit, clock, log, alerts }: GlassOptions,
): Promise<Grant> {
  const now = clock.now();
  const review = grantReview({ ...request, reviewers: { groups: [], count: 1 } }, now);
  const grant: Grant = { ...grantOf(review, now), breakGlass: true };
  const { principal, connection, reason, policy } = request;
  const until = new Date(grant.endsAt).toISOString();
  audit.append('grant', { grant: grant.id, action: 'break-glass', principal, connection, reason, policy, until });
  await reviews.add(review);
  await reviews.change(review.id, () => ({ state: 'used', decidedAt: now, outcome: 'the glass was broken', grant }));
  log.warn({ grant: grant.id, connection, principal: grant.principal, reason, until }, 'the glass was broken');
  alerts.raise({
    type: 'break-glass',
    key: grant.id,
    data: { grant: grant.id, requester: grant.principal, connection, reason, until },
  });
  return grant;
}
