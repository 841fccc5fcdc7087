// Reviews. Everybody sees their own and those they may decide; auditors and admins see all.

import { z } from 'zod';
import { formatDuration, parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { reviewerObjection } from '../../session/approvals/rules.ts';
import type { Review, Variant } from '../../session/approvals/types.ts';
import { type Principal, principalKey } from '../../session/identity/principal.ts';
import type { Parts } from '../parts.ts';
import { type Call, isPlain, type Role, type Route, route } from './route.ts';
import { idParams, iso, principalShape, showPrincipal, timeShape } from './shapes.ts';

export const reviewShape = z.object({
  id: z.string(),
  kind: z.enum(['operation', 'grant', 'unmask']),
  state: z.enum(['pending', 'approved', 'denied', 'expired', 'cancelled', 'used']),
  requester: principalShape,
  connection: z.string(),
  session: z.string().optional(),
  rule: z.string().optional(),
  message: z.string().optional(),
  text: z.string(),
  bytes: z
    .string()
    .optional()
    .describe(
      'Of a text that shows bytes as \\xNN and a backslash doubled, because they are not UTF-8: these bytes, base64.',
    ),
  params: z.array(z.string().nullable()).optional(),
  forms: z
    .array(z.string().nullable())
    .optional()
    .describe('How each of params is to be read where it is not plain text: "binary" (shown as hex), a declared type.'),
  digest: z.string().describe('SHA-256 of everything that an approval is bound to.'),
  reason: z.string().optional(),
  masks: z.array(z.string()).optional().describe('Unmask: which masks are to be lifted.'),
  forMs: z.int().optional().describe('Grant, unmask: for how long it is asked.'),
  shape: z
    .string()
    .optional()
    .describe('The statement with its constants taken out; where there is one, approve forSession is possible.'),
  touches: z
    .object({
      does: z.array(z.string()),
      reads: z.array(z.string()),
      writes: z.array(z.string()),
      functions: z.array(z.string()),
      opaque: z.string().optional().describe('Why that may not be all.'),
    })
    .optional(),
  reviewers: z.object({
    groups: z.array(z.string()),
    count: z.int(),
    reason: z.literal('required').optional(),
  }),
  decisions: z.array(
    z.object({
      by: z.string(),
      decision: z.enum(['approve', 'deny']),
      reason: z.string().optional(),
      variant: z.string().optional().describe('session, or a duration: what the approval is for beside this once.'),
      at: timeShape,
    }),
  ),
  standing: z
    .object({ kind: z.enum(['session', 'time']), until: timeShape })
    .optional()
    .describe('The approval is for more than once, until then; a deny takes it back.'),
  outcome: z.string().optional(),
  createdAt: timeShape,
  expiresAt: timeShape,
});

/** What others read, in a log that goes to systems of theirs. */
export const reasonText = z.string().max(1000).refine(isPlain, 'expected a text without control characters').optional();
const denyBody = z.strictObject({ reason: reasonText });
const approveBody = denyBody.extend({
  for: z.string().optional().describe('A duration such as 15m: this very statement again and again, until then.'),
  forSession: z.boolean().optional().describe('Every statement of this shape, in this session.'),
});
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
        const of = query.state === undefined ? {} : { state: query.state };
        // One's own are asked for by themselves: however much of others is newer.
        const requester = principalKey(caller.principal);
        const own = roles.length > 0 ? [] : await parts.approvals.list({ ...of, requester });
        const found = [...own, ...(await parts.approvals.list(of))];
        const seen = new Map(found.map((review) => [review.id, review]));
        const shown = [...seen.values()]
          .filter((review) => maySee(review, caller.principal, roles))
          .sort((a, b) => b.createdAt - a.createdAt);
        return { reviews: shown.slice(0, query.limit).map(showReview) };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/reviews/watch',
      summary: 'Every change of a review that you may see, as JSON Lines; first those that are pending.',
      answer: { stream: 'application/x-ndjson' },
      handle: async (call) => ({
        contentType: 'application/x-ndjson',
        // Whatever they are by then: which reviews are told is decided for each.
        live: () => true,
        lines: watchReviews(parts, call),
      }),
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
  ];
}

function decide(parts: Parts, verdict: 'approve' | 'deny'): Route {
  return route({
    ...base,
    method: 'post',
    path: `/api/v1/reviews/:id/${verdict}`,
    summary: `${verdict === 'approve' ? 'Approves' : 'Denies'} a review; never your own.`,
    params: idParams,
    body: verdict === 'approve' ? approveBody : denyBody,
    answer: reviewShape,
    async handle({ params, body, caller, roles, reason: header }) {
      await visible(parts, params.id, caller.principal, roles);
      const variant = variantOf(body);
      const reason = body.reason ?? header;
      const said = { ...(reason === undefined ? {} : { reason }), ...(variant === undefined ? {} : { variant }) };
      const wish = { verdict, reviewer: caller.principal, ...said };
      return showReview(await parts.approvals.decide(params.id, wish));
    },
  });
}

function variantOf(body: { reason?: string; for?: string; forSession?: boolean }): Variant | undefined {
  if (body.for === undefined) return body.forSession === true ? { kind: 'session' } : undefined;
  if (body.forSession === true) throw userError('usage', 'for and forSession exclude each other');
  const ms = parseDuration(body.for);
  if (ms === undefined) throw userError('usage', `for is "${body.for}", expected a duration such as 15m`);
  return { kind: 'time', ms };
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

async function* watchReviews(parts: Parts, { caller, signal }: Call): AsyncGenerator<string> {
  const queue: Review[] = [];
  let wake: () => void = () => {};
  const { principal } = caller;
  const may = (review: Review) => maySee(review, principal, parts.roles(principal));
  const stop = parts.approvals.watch((review) => {
    if (!may(review)) return;
    // A watcher that does not read loses the oldest; the state of each review can be asked for at any time.
    if (queue.length >= 1000) queue.shift();
    queue.push(review);
    wake();
  });
  const aborted = () => wake();
  signal.addEventListener('abort', aborted);
  try {
    for (const review of await parts.approvals.list({ state: 'pending' })) {
      if (may(review)) yield line(review);
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
  const { id, kind, state, connection, session, rule, message, text, bytes, digest, reason, outcome } = review;
  const { params, forms } = review;
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
    bytes,
    params: params === undefined ? undefined : [...params],
    forms: forms === undefined ? undefined : [...forms],
    digest,
    reason,
    masks: review.masks?.map(({ mask }) => mask),
    forMs: review.grantMs,
    shape: review.shape,
    touches: review.touches && {
      does: [...review.touches.does],
      reads: [...review.touches.reads],
      writes: [...review.touches.writes],
      functions: [...review.touches.functions],
      opaque: review.touches.opaque,
    },
    reviewers: { ...review.reviewers, groups: [...review.reviewers.groups] },
    decisions: review.decisions.map(({ by, verdict, reason, variant, at }) => ({
      by,
      decision: verdict,
      reason,
      variant: variant?.kind === 'time' ? formatDuration(variant.ms) : variant?.kind,
      at: iso(at),
    })),
    standing: review.standing && { kind: review.standing.kind, until: iso(review.standing.until) },
    outcome,
    createdAt: iso(review.createdAt),
    expiresAt: iso(review.expiresAt),
  };
}
