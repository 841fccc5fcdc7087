// What a principal may reach, and passwords for native clients.

import { z } from 'zod';
import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { wireName } from '../../session/identity/claims.ts';
import { displayName } from '../../session/identity/principal.ts';
import type { RecordingPolicy } from '../../session/recorder/recorder.ts';
import { findReach, type Reach, reachable, requireReach } from '../access.ts';
import type { Connection } from '../configuration.ts';
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
  recording: z
    .object({
      rows: z.int(),
      bytes: z.int(),
      durability: z.enum(['buffered', 'synced']),
      onFailure: z.enum(['end-session', 'refuse-new', 'best-effort']),
      encrypt: z.array(z.string()).optional().describe('Recordings are encrypted for these age recipients.'),
      gatewayReads: z
        .boolean()
        .optional()
        .describe('And for the gateway, whose index and exports have them in the clear.'),
    })
    .describe('How much of each result is recorded, what that survives, and what happens where it cannot be written.'),
});

const detailsShape = connectionShape.extend({
  coverage: z.array(z.string()).describe('What is inspected, refused, or passes unseen.'),
  rules: z.array(z.string()).describe('Rules that concern you here.'),
  masks: z.array(z.string()).describe('Masks that concern you here.'),
  shut: z.array(z.string()).describe('Operations that are refused as opaque, because no rule lets them through.'),
  liftable: z
    .array(z.object({ mask: z.string(), maxMs: z.int(), reviewers: z.array(z.string()), count: z.int() }))
    .describe('Masks that a review may lift for you, for so long at most.'),
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
  logKey: z.string().describe("The vkey that the gateway's log is signed with."),
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
        connections: (await reachable(parts, caller.principal)).map((found) => show(parts, found)),
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
        const { rules, masks, shut, liftable } = parts.configuration().policy.applying(caller.principal, connection);
        const native = parts.native()[connection.protocol.name];
        return {
          ...show(parts, found),
          coverage: [...connection.protocol.coverage(connection.config)],
          logKey: parts.audit.vkeys.at(-1)!,
          rules: [...rules],
          masks: [...masks],
          shut: await opaqueOf(connection, shut),
          liftable: liftable.map(({ mask, maxMs, reviewers: { groups, count } }) => ({
            ...{ mask, maxMs, count },
            reviewers: [...groups],
          })),
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

/** Of words that are opaque by nature, those that are so as the connection is configured: its shells may be decided. */
async function opaqueOf({ protocol, config }: Connection, words: readonly string[]): Promise<string[]> {
  const told = await Promise.all(
    words.map(async (does) => {
      // What needs a text to be spoken of is as opaque with any.
      const found = await protocol.analyse({ text: '', does }, config).catch(() => undefined);
      return found?.parts.every(({ opaque }) => opaque === undefined);
    }),
  );
  return words.filter((_, i) => !told[i]);
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
      protocol: z.string(),
      user: z.string().describe('The name that goes with it, where the protocol asks for one beside the connection.'),
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
        protocol: connection.protocol.name,
        user: wireName(caller.principal),
        ...(native === undefined ? {} : { native }),
      };
    },
  });
}

function show(parts: Parts, found: Reach): z.input<typeof connectionShape> {
  const { connection, access } = found;
  return {
    name: connection.name,
    protocol: connection.protocol.name,
    labels: { ...connection.labels },
    access,
    ...(access === 'granted' ? { grantUntil: iso(found.grant.endsAt) } : {}),
    described: { ...connection.protocol.describe(connection.config), ...connection.protocol.identity?.(parts) },
    recording: shownRecording(connection.recording),
  };
}

function shownRecording({ encrypt, ...recording }: RecordingPolicy) {
  if (encrypt === null) return recording;
  const { recipients, gatewayReads } = encrypt;
  return { ...recording, encrypt: recipients.map(({ text }) => text), ...(gatewayReads ? { gatewayReads } : {}) };
}
