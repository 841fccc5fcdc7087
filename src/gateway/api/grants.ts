// Grants of access, and of masks lifted: asked for, taken by breaking the glass, listed, revoked. Everybody sees their own; auditors and admins see all.

import { z } from 'zod';
import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { reviewerObjection } from '../../session/approvals/rules.ts';
import type { Grant } from '../../session/approvals/types.ts';
import { type Principal, principalKey } from '../../session/identity/principal.ts';
import { findReach, requireReach } from '../access.ts';
import type { Parts } from '../parts.ts';
import { reasonText, reviewShape, showReview } from './reviews.ts';
import { type Role, type Route, route } from './route.ts';
import { idParams, iso, timeShape } from './shapes.ts';

const base = { tag: 'grants', auth: 'token' } as const;

const grantShape = z.object({
  id: z.string(),
  principal: z.object({ subject: z.string(), issuer: z.string(), actor: z.string().optional(), name: z.string() }),
  connection: z.string(),
  review: z.string(),
  masks: z.array(z.string()).optional().describe('No access: these masks are lifted in the sessions there.'),
  state: z.enum(['active', 'ended', 'revoked']),
  breakGlass: z.literal(true).optional().describe('Nobody approved it.'),
  from: timeShape,
  until: timeShape,
  reason: z.string().optional().describe('Why it was asked for.'),
  revokedBy: z.string().optional(),
  revokedReason: z.string().optional(),
});

export function grantRoutes(parts: Parts): Route[] {
  return [
    route({
      ...base,
      method: 'post',
      path: '/api/v1/grants',
      summary:
        'Asks for access to a connection, or for masks to be lifted there, for a time; the answer is the review. breakGlass takes access without approval.',
      body: z.strictObject({
        connection: z.string().min(1),
        for: z.string().describe('A duration such as 2h.'),
        reason: reasonText,
        unmask: z
          .array(z.string().min(1).max(200))
          .min(1)
          .max(20)
          .optional()
          .describe('Not access: these masks (by name, or by a column of theirs) are to be lifted.'),
        breakGlass: z
          .boolean()
          .optional()
          .describe('Without approval, where policy lets you: on record, and told loudly.'),
      }),
      answer: reviewShape.extend({ grant: grantShape.optional() }),
      async handle({ body, caller, reason: header }) {
        const grantMs = parseDuration(body.for);
        if (!grantMs) throw userError('usage', `for is "${body.for}", expected a duration such as 2h`);
        const reason = (body.reason ?? header)?.trim() || undefined;
        if (body.unmask !== undefined) {
          if (body.breakGlass === true) throw userError('usage', 'unmask and breakGlass exclude each other');
          return requestUnmask(parts, caller.principal, { ...body, unmask: body.unmask, grantMs, reason });
        }
        const found = await findReach(parts, caller.principal, body.connection);
        if (found.access === 'open') {
          throw userError('conflict', `connection "${body.connection}" needs no grant`, {
            fix: `connect: hoopctl connect ${body.connection}`,
          });
        }
        const access = parts.configuration().policy.access(caller.principal, found.connection);
        if (access.access !== 'grant') throw userError('conflict', `connection "${body.connection}" needs no grant`);
        const { name } = found.connection;
        const asked = { principal: caller.principal, connection: name, policy: parts.configuration().policy.version };
        if (body.breakGlass === true) return breakGlass(parts, { ...asked, grantMs, reason }, access.breakGlass);
        if (access.reviewers.groups.length === 0) {
          throw userError('forbidden', `nobody can approve access of yours to "${name}"`, {
            fix: `in an emergency: hoopctl request ${name} --break-glass --reason "…"`,
          });
        }
        if (access.reason === 'required' && reason === undefined) throw noReason(`access to "${name}"`, name);
        const review = await parts.approvals.requestGrant({
          ...asked,
          grantMs: Math.min(grantMs, access.maxMs),
          reviewers: access.reviewers,
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
      body: z.strictObject({ reason: reasonText }),
      answer: grantShape,
      async handle({ params, body, caller, roles, reason: header }) {
        await mayRevoke(parts, params.id, caller.principal, roles);
        const grant = await parts.grants.revoke(params.id, caller.principal, body.reason ?? header);
        return showGrant(grant, parts.clock.now());
      },
    }),
  ];
}

function noReason(what: string, words: string): Error {
  return userError('usage', `${what} needs a reason`, { fix: `say why: hoopctl request ${words} --reason "…"` });
}

/** Masks to be lifted, for whoever has access already. */
async function requestUnmask(
  parts: Parts,
  principal: Principal,
  asked: { connection: string; unmask: readonly string[]; grantMs: number; reason: string | undefined },
) {
  const { grantMs, reason } = asked;
  const { connection } = await requireReach(parts, principal, asked.connection);
  const { policy } = parts.configuration();
  const { masks, maxMs, reviewers, reason: needed } = policy.unmasking(principal, connection, asked.unmask);
  if (needed === 'required' && reason === undefined) {
    throw noReason('lifting these masks', `${connection.name} --unmask ${asked.unmask.join(',')}`);
  }
  const review = await parts.approvals.requestGrant({
    ...{ principal, connection: connection.name, policy: policy.version, masks, reviewers },
    grantMs: Math.min(grantMs, maxMs),
    ...(reason === undefined ? {} : { reason }),
  });
  return showReview(review);
}

async function breakGlass(
  parts: Parts,
  {
    reason,
    grantMs,
    ...asked
  }: { principal: Principal; connection: string; policy: string } & {
    grantMs: number;
    reason: string | undefined;
  },
  allowed: { readonly maxMs: number } | undefined,
) {
  const { connection } = asked;
  if (allowed === undefined) {
    throw userError('forbidden', `you may not break the glass of "${connection}"`, {
      fix: `ask for access: hoopctl request ${connection} --reason "…"`,
    });
  }
  if (reason === undefined) throw noReason(`access to "${connection}"`, `${connection} --break-glass`);
  const grant = await parts.approvals.breakGlass({ ...asked, grantMs: Math.min(grantMs, allowed.maxMs), reason });
  return {
    ...showReview(await parts.approvals.get(grant.review)),
    grant: showGrant(grant, parts.clock.now()),
  };
}

async function mayRevoke(parts: Parts, id: string, principal: Principal, roles: readonly Role[]): Promise<void> {
  const grant = await parts.grants.get(id);
  const own = grant !== undefined && `${grant.issuer}|${grant.subject}` === principalKey(principal);
  if (grant !== undefined && (own || roles.includes('admin'))) return;
  const review = grant === undefined ? undefined : await parts.approvals.get(grant.review).catch(() => undefined);
  if (review !== undefined && reviewerObjection(review, principal) === undefined) return;
  // Somebody else's grant is nobody else's business, not even that it exists.
  throw userError('not_found', `there is no grant "${id}"`, { fix: 'run "hoopctl grants ls"' });
}

function showGrant(grant: Grant, now: number): z.input<typeof grantShape> {
  const { id, subject, issuer, actor, connection, review, masks } = grant;
  const state = grant.revokedAt !== undefined ? 'revoked' : grant.endsAt <= now ? 'ended' : 'active';
  return {
    id,
    principal: { subject, issuer, actor, name: grant.principal },
    connection,
    review,
    ...(masks === undefined ? {} : { masks: masks.map(({ mask }) => mask) }),
    state,
    ...(grant.breakGlass === true ? { breakGlass: true as const } : {}),
    from: iso(grant.startsAt),
    until: iso(grant.revokedAt ?? grant.endsAt),
    reason: grant.reason,
    revokedBy: grant.revokedBy,
    revokedReason: grant.revokedReason,
  };
}
