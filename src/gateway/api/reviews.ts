// Reviews and grants. Everybody sees their own and those they may decide; auditors and admins see all.

import { z } from 'zod';
import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { reviewerObjection } from '../../session/approvals/rules.ts';
import type { Grant, Review } from '../../session/approvals/types.ts';
import { type Principal, principalKey } from '../../session/identity/principal.ts';
import { findReach } from '../access.ts';
import type { Parts } from '../parts.ts';
import { type Call, type Role, type Route, route } from './route.ts';
import { idParams, iso, principalShape, showPrincipal, timeShape } from './shapes.ts';

const reviewShape = z.object({
  id: z.string(),
  kind: z.enum(['operation', 'grant']),
  state: z.enum(['pending', 'approved', 'denied', 'expired', 'cancelled', 'used']),
  requester: principalShape,
  connection: z.string(),
  session: z.string().optional(),
  rule: z.string().optional(),
  message: z.string().optional(),
  text: z.string(),
  params: z.array(z.string().nullable()).optional(),
  digest: z.string().describe('SHA-256 of everything that an approval is bound to.'),
  reason: z.string().optional(),
  forMs: z.int().optional().describe('Grant: how long access is asked for.'),
  reviewers: z.object({ groups: z.array(z.string()), count: z.int() }),
  decisions: z.array(
    z.object({ by: z.string(), decision: z.enum(['approve', 'deny']), reason: z.string().optional(), at: timeShape }),
  ),
  outcome: z.string().optional(),
  createdAt: timeShape,
  expiresAt: timeShape,
});

const grantShape = z.object({
  id: z.string(),
  principal: z.object({ subject: z.string(), issuer: z.string(), actor: z.string().optional(), name: z.string() }),
  connection: z.string(),
  review: z.string(),
  state: z.enum(['active', 'ended', 'revoked']),
  from: timeShape,
  until: timeShape,
  revokedBy: z.string().optional(),
  reason: z.string().optional(),
});

const decisionBody = z.strictObject({ reason: z.string().max(1000).optional() });
const base = { tag: 'reviews', auth: 'token' } as const;

export function reviewRoutes(parts: Parts): Route[] {
  return [
    route({
      ...base,
      method: 'get',
      path: '/api/v1/reviews',
      summary: 'Reviews: your own, and those that you may decide.',
      query: z.object({
        state: z.enum(['pending', 'approved', 'denied', 'expired', 'cancelled', 'used']).optional(),
        limit: z.coerce.number().int().min(1).max(1000).default(100),
      }),
      answer: z.object({ reviews: z.array(reviewShape) }),
      async handle({ query, caller, roles }) {
        const found = await parts.approvals.list(query.state === undefined ? {} : { state: query.state });
        const seen = found.filter((review) => maySee(review, caller.principal, roles));
        return { reviews: seen.slice(0, query.limit).map(showReview) };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/reviews/watch',
      summary: 'Every change of a review that you may see, as JSON Lines; first those that are pending.',
      answer: { stream: 'application/x-ndjson' },
      handle: async (call) => ({ contentType: 'application/x-ndjson', lines: watchReviews(parts, call) }),
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/reviews/:id',
      summary: 'One review.',
      params: idParams,
      answer: reviewShape,
      handle: async ({ params, caller, roles }) => showReview(await visible(parts, params.id, caller.principal, roles)),
    }),
    decide(parts, 'approve'),
    decide(parts, 'deny'),
    ...grantRoutes(parts),
  ];
}

function decide(parts: Parts, verdict: 'approve' | 'deny'): Route {
  return route({
    ...base,
    method: 'post',
    path: `/api/v1/reviews/:id/${verdict}`,
    summary: `${verdict === 'approve' ? 'Approves' : 'Denies'} a review; never your own.`,
    params: idParams,
    body: decisionBody,
    answer: reviewShape,
    async handle({ params, body, caller, roles, reason: header }) {
      await visible(parts, params.id, caller.principal, roles);
      const reason = body.reason ?? header;
      const wish = { verdict, reviewer: caller.principal, ...(reason === undefined ? {} : { reason }) };
      return showReview(await parts.approvals.decide(params.id, wish));
    },
  });
}

function grantRoutes(parts: Parts): Route[] {
  return [
    route({
      ...base,
      method: 'post',
      path: '/api/v1/grants',
      summary: 'Asks for access to a connection for a time; the answer is the review.',
      body: z.strictObject({
        connection: z.string().min(1),
        for: z.string().describe('A duration such as 2h.'),
        reason: z.string().max(1000).optional(),
      }),
      answer: reviewShape,
      async handle({ body, caller, reason: header }) {
        const grantMs = parseDuration(body.for);
        if (!grantMs) throw userError('usage', `for is "${body.for}", expected a duration such as 2h`);
        const found = await findReach(parts, caller.principal, body.connection);
        if (found.access === 'open') {
          throw userError('conflict', `connection "${body.connection}" needs no grant`, {
            fix: `connect: hoopctl connect ${body.connection}`,
          });
        }
        const access = parts.configuration().policy.access(caller.principal, found.connection);
        if (access.access !== 'grant') throw userError('conflict', `connection "${body.connection}" needs no grant`);
        const reason = body.reason ?? header;
        const review = await parts.approvals.requestGrant({
          principal: caller.principal,
          connection: found.connection.name,
          grantMs: Math.min(grantMs, access.maxMs),
          reviewers: access.reviewers,
          policy: parts.configuration().policy.version,
          ...(reason === undefined ? {} : { reason }),
        });
        return showReview(review);
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/grants',
      summary: 'Grants: your own; all of them for auditors and admins.',
      answer: z.object({ grants: z.array(grantShape) }),
      async handle({ caller, roles }) {
        const { issuer, subject } = caller.principal;
        const grants = await parts.grants.list(roles.length > 0 ? {} : { issuer, subject });
        return { grants: grants.map((grant) => showGrant(grant, parts.clock.now())) };
      },
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/grants/:id/revoke',
      summary: 'Ends a grant and the sessions that run on it: your own, or one that you may approve; any for admins.',
      params: idParams,
      body: decisionBody,
      answer: grantShape,
      async handle({ params, body, caller, roles, reason: header }) {
        await mayRevoke(parts, params.id, caller.principal, roles);
        const grant = await parts.grants.revoke(params.id, caller.principal, body.reason ?? header);
        return showGrant(grant, parts.clock.now());
      },
    }),
  ];
}

async function mayRevoke(parts: Parts, id: string, principal: Principal, roles: readonly Role[]): Promise<void> {
  const grant = (await parts.grants.list()).find((one) => one.id === id);
  const own = grant !== undefined && `${grant.issuer}|${grant.subject}` === principalKey(principal);
  if (grant !== undefined && (own || roles.includes('admin'))) return;
  const review = grant === undefined ? undefined : await parts.approvals.get(grant.review).catch(() => undefined);
  if (review !== undefined && reviewerObjection(review, principal) === undefined) return;
  // Somebody else's grant is nobody else's business, not even that it exists.
  throw userError('not_found', `there is no grant "${id}"`, { fix: 'run "hoopctl grants ls"' });
}

function maySee(review: Review, principal: Principal, roles: readonly Role[]): boolean {
  if (roles.length > 0 || principalKey(review.principal) === principalKey(principal)) return true;
  return reviewerObjection(review, principal) === undefined;
}

async function visible(parts: Parts, id: string, principal: Principal, roles: readonly Role[]): Promise<Review> {
  const review = await parts.approvals.get(id);
  if (maySee(review, principal, roles)) return review;
  throw userError('not_found', `there is no review "${id}"`, { fix: 'run hoopctl reviews ls' });
}

async function* watchReviews(parts: Parts, { caller, roles, signal }: Call): AsyncGenerator<string> {
  const queue: Review[] = [];
  let wake: () => void = () => {};
  const stop = parts.approvals.watch((review) => {
    if (!maySee(review, caller.principal, roles)) return;
    // A watcher that does not read loses the oldest; the state of each review can be asked for at any time.
    if (queue.length >= 1000) queue.shift();
    queue.push(review);
    wake();
  });
  const aborted = () => wake();
  signal.addEventListener('abort', aborted);
  try {
    for (const review of await parts.approvals.list({ state: 'pending' })) {
      if (maySee(review, caller.principal, roles)) yield line(review);
    }
    while (!signal.aborted) {
      const review = queue.shift();
      if (review !== undefined) yield line(review);
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    stop();
    signal.removeEventListener('abort', aborted);
  }
}

function line(review: Review): string {
  return `${JSON.stringify(showReview(review))}\n`;
}

export function showReview(review: Review): z.input<typeof reviewShape> {
  const { id, kind, state, connection, session, rule, message, text, params, digest, reason, outcome } = review;
  return {
    id,
    kind,
    state,
    requester: showPrincipal(review.principal),
    connection,
    session,
    rule,
    message,
    text,
    params: params === undefined ? undefined : [...params],
    digest,
    reason,
    forMs: review.grantMs,
    reviewers: { groups: [...review.reviewers.groups], count: review.reviewers.count },
    decisions: review.decisions.map((one) => ({
      by: one.by,
      decision: one.verdict,
      reason: one.reason,
      at: iso(one.at),
    })),
    outcome,
    createdAt: iso(review.createdAt),
    expiresAt: iso(review.expiresAt),
  };
}

function showGrant(grant: Grant, now: number): z.input<typeof grantShape> {
  const { id, subject, issuer, actor, connection, review } = grant;
  const state = grant.revokedAt !== undefined ? 'revoked' : grant.endsAt <= now ? 'ended' : 'active';
  return {
    id,
    principal: { subject, issuer, actor, name: grant.principal },
    connection,
    review,
    state,
    from: iso(grant.startsAt),
    until: iso(grant.revokedAt ?? grant.endsAt),
    revokedBy: grant.revokedBy,
    reason: grant.revokedReason,
  };
}
