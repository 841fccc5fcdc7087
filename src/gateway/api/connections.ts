// What a principal may reach, and passwords for native clients.

import { z } from 'zod';
import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { wireName } from '../../session/identity/claims.ts';
import { displayName } from '../../session/identity/principal.ts';
import { findReach, type Reach, reachable, requireReach } from '../access.ts';
import type { Parts } from '../parts.ts';
import { type Route, route } from './route.ts';
import { iso, nameParams, timeShape } from './shapes.ts';

const connectionShape = z.object({
  name: z.string(),
  protocol: z.string(),
  labels: z.record(z.string(), z.string()),
  access: z.enum(['open', 'grant', 'granted']).describe('grant: may be asked for.'),
  grantUntil: timeShape.optional(),
  described: z.record(z.string(), z.string()).describe('What a client may know: database, user to show.'),
  recording: z.object({ rows: z.int(), bytes: z.int() }).describe('How much of each result is recorded.'),
});

const detailsShape = connectionShape.extend({
  coverage: z.array(z.string()).describe('What is inspected, refused, or passes unseen.'),
  rules: z.array(z.string()).describe('Rules that concern you here.'),
  masks: z.array(z.string()).describe('Masks that concern you here.'),
  capabilities: z.record(z.string(), z.boolean()),
  grant: z
    .object({
      maxMs: z.int(),
      reviewers: z.array(z.string()).describe('Empty: nobody can approve one.'),
      count: z.int(),
      breakGlassMs: z.int().optional().describe('You may take access without approval, for so long at most.'),
    })
    .optional(),
  native: z.string().optional().describe('host:port of the native listener of its protocol.'),
});

export function connectionRoutes(parts: Parts): Route[] {
  const base = { tag: 'connections', auth: 'token' } as const;
  return [
    route({
      ...base,
      method: 'get',
      path: '/api/v1/connections',
      summary: 'Connections that you may reach or ask for.',
      answer: z.object({ connections: z.array(connectionShape) }),
      handle: async ({ caller }) => ({
        connections: (await reachable(parts, caller.principal)).map(show),
      }),
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/connections/:name',
      summary: 'One connection, with what is inspected there and which rules and masks concern you.',
      params: nameParams,
      answer: detailsShape,
      async handle({ caller, params }) {
        const found = await findReach(parts, caller.principal, params.name);
        const { connection } = found;
        const { rules, masks } = parts.configuration().policy.applying(caller.principal, connection);
        const native = parts.native()[connection.protocol.name];
        return {
          ...show(found),
          coverage: [...connection.protocol.coverage(connection.config)],
          rules: [...rules],
          masks: [...masks],
          capabilities: { ...connection.protocol.capabilities(connection.config) },
          ...(found.access === 'grant'
            ? {
                grant: {
                  maxMs: found.maxMs,
                  reviewers: [...found.reviewers.groups],
                  count: found.reviewers.count,
                  ...(found.breakGlass === undefined ? {} : { breakGlassMs: found.breakGlass.maxMs }),
                },
              }
            : {}),
          ...(native === undefined ? {} : { native }),
        };
      },
    }),
    tokenRoute(parts),
  ];
}

function tokenRoute(parts: Parts): Route {
  return route({
    method: 'post',
    path: '/api/v1/connections/:name/token',
    summary: 'A password for the native listener, good for this connection and a short time.',
    tag: 'connections',
    auth: 'token',
    params: nameParams,
    body: z.strictObject({ ttl: z.string().default('15m').describe('A duration such as 15m.') }),
    answer: z.object({
      token: z.string(),
      expiresAt: timeShape,
      user: z.string().describe('The user name to give with it.'),
      native: z.string().optional(),
    }),
    async handle({ caller, params, body, reason }) {
      const { connection } = await requireReach(parts, caller.principal, params.name);
      const ttl = parseDuration(body.ttl);
      if (ttl === undefined) throw userError('usage', `ttl is "${body.ttl}", expected a duration such as 15m`);
      const issued = await parts.tokens.issueForConnection(caller.principal, connection.name, ttl, reason);
      parts.audit.append('token', {
        what: 'issued',
        jti: issued.jti,
        connection: connection.name,
        principal: displayName(caller.principal),
        expiresAt: iso(issued.expiresAt),
      });
      const native = parts.native()[connection.protocol.name];
      return {
        token: issued.token,
        expiresAt: iso(issued.expiresAt),
        user: wireName(caller.principal),
        ...(native === undefined ? {} : { native }),
      };
    },
  });
}

function show(found: Reach): z.input<typeof connectionShape> {
  const { connection, access } = found;
  return {
    name: connection.name,
    protocol: connection.protocol.name,
    labels: { ...connection.labels },
    access,
    ...(access === 'granted' ? { grantUntil: iso(found.grant.endsAt) } : {}),
    described: { ...connection.protocol.describe(connection.config) },
    recording: { ...connection.recording },
  };
}
