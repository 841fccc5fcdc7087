// Sessions, live and past, and their recordings. Everybody sees their own; auditors and admins see all. Looking at
// somebody else's recording is itself on record.

import { z } from 'zod';
import { userError } from '../../core/errors.ts';
import { displayName, principalKey } from '../../session/identity/principal.ts';
import type { SessionFilter, SessionRecord } from '../../session/records.ts';
import type { Parts } from '../parts.ts';
import { type Call, type Route, route } from './route.ts';
import { idParams, iso, okShape, principalShape, showPrincipal, timeShape } from './shapes.ts';

const sessionShape = z.object({
  id: z.string(),
  principal: principalShape,
  connection: z.string(),
  protocol: z.string(),
  client: z.string().describe("The client's address."),
  via: z.string().optional(),
  reason: z.string().optional(),
  grant: z.string().optional(),
  state: z.enum(['open', 'ended', 'interrupted']),
  startedAt: timeShape,
  endedAt: timeShape.optional(),
  end: z.object({ code: z.string(), message: z.string() }).optional(),
  operations: z.int(),
  denied: z.int(),
  fromClient: z.int().describe('Bytes.'),
  toClient: z.int().describe('Bytes.'),
  recording: z.object({
    bytes: z.int(),
    lines: z.int().optional(),
    digest: z.string().optional().describe('SHA-256 of the last line: names the whole.'),
    sealed: z.boolean(),
  }),
});

const base = { tag: 'sessions', auth: 'token' } as const;
const LINES = 'application/x-ndjson';

export function sessionRoutes(parts: Parts): Route[] {
  return [
    route({
      ...base,
      method: 'get',
      path: '/api/v1/sessions',
      summary: 'Sessions, newest first: your own; everybody’s for auditors and admins.',
      query: z.object({
        state: z.enum(['open', 'ended', 'interrupted']).optional(),
        connection: z.string().optional(),
        principal: z.string().optional().describe('Subject or e-mail.'),
        before: z.iso.datetime().optional().describe('Started before this moment: for paging.'),
        limit: z.coerce.number().int().min(1).max(1000).default(100),
      }),
      answer: z.object({ sessions: z.array(sessionShape) }),
      async handle({ query, caller, roles }) {
        const { issuer, subject } = caller.principal;
        const filter: SessionFilter = {
          limit: query.limit,
          ...(query.state === undefined ? {} : { state: query.state }),
          ...(query.connection === undefined ? {} : { connection: query.connection }),
          ...(query.principal === undefined ? {} : { who: query.principal }),
          ...(query.before === undefined ? {} : { before: Date.parse(query.before) }),
          ...(roles.length > 0 ? {} : { owner: { issuer, subject } }),
        };
        return { sessions: (await parts.stores.sessions.list(filter)).map(showSession) };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/sessions/tail',
      summary: 'What happens in all sessions, live, as JSON Lines. Auditors and admins only.',
      auth: 'auditor',
      answer: { stream: LINES },
      async handle({ caller, signal }) {
        parts.audit.append('playback', { what: 'tail', session: 'all', by: displayName(caller.principal) });
        return { contentType: LINES, lines: tail(parts, undefined, signal) };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/sessions/:id',
      summary: 'One session.',
      params: idParams,
      answer: sessionShape,
      handle: async (call) => showSession(await visible(parts, call)),
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/sessions/:id/recording',
      summary: 'The recording as stored: JSON Lines, byte for byte.',
      params: idParams,
      answer: { stream: LINES },
      async handle(call) {
        const session = await visible(parts, call);
        recordPlayback(parts, call, session, 'recording');
        return { contentType: LINES, lines: parts.sink.read(session.id) };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/sessions/:id/tail',
      summary: 'What happens in one session, live, as JSON Lines, until it ends.',
      params: idParams,
      answer: { stream: LINES },
      async handle(call) {
        const session = await visible(parts, call);
        recordPlayback(parts, call, session, 'tail');
        const live = parts.live.get(session.id) !== undefined;
        return { contentType: LINES, lines: live ? tail(parts, session.id, call.signal) : over(session) };
      },
    }),
    kill(parts),
  ];
}

function kill(parts: Parts): Route {
  return route({
    ...base,
    method: 'post',
    path: '/api/v1/sessions/:id/kill',
    summary: 'Ends a session at once: your own; any for admins.',
    params: idParams,
    body: z.strictObject({ reason: z.string().max(500).optional() }),
    answer: okShape,
    async handle(call) {
      const session = await visible(parts, call);
      const { caller, roles, body } = call;
      if (!owns(call, session) && !roles.includes('admin')) {
        throw userError('forbidden', `cannot end session "${session.id}": it is somebody else's`, {
          fix: 'ask an admin of the gateway',
        });
      }
      const by = displayName(caller.principal);
      const reason = body.reason ?? call.reason;
      parts.audit.append('session', { what: 'killed', session: session.id, by, reason });
      if (!parts.live.kill(session.id, by, reason)) {
        throw userError('conflict', `session "${session.id}" is over already`);
      }
      return { ok: true as const };
    },
  });
}

function owns({ caller }: Pick<Call, 'caller'>, session: SessionRecord): boolean {
  return principalKey(session.principal) === principalKey(caller.principal);
}

async function visible(parts: Parts, call: Call<{ id: string }, unknown, unknown>): Promise<SessionRecord> {
  const { id } = call.params;
  const session = await parts.stores.sessions.get(id);
  // One that is somebody else's is told apart from none for nobody but auditors and admins.
  if (session !== undefined && (owns(call, session) || call.roles.length > 0)) return session;
  throw userError('not_found', `there is no session "${id}"`, { fix: 'run "hoopctl sessions ls"' });
}

function recordPlayback(parts: Parts, call: Call, session: SessionRecord, what: string): void {
  if (owns(call, session)) return;
  parts.audit.append('playback', { what, session: session.id, by: displayName(call.caller.principal) });
}

async function* tail(parts: Parts, session: string | undefined, signal: AbortSignal): AsyncGenerator<string> {
  for await (const event of parts.events.stream(session, signal)) yield `${JSON.stringify(event)}\n`;
}

async function* over(session: SessionRecord): AsyncGenerator<string> {
  const { id, endCode, endMessage, endedAt } = session;
  yield `${JSON.stringify({ type: 'end', session: id, code: endCode, message: endMessage, at: endedAt })}\n`;
}

function showSession(session: SessionRecord): z.input<typeof sessionShape> {
  const { id, connection, protocol, client, via, reason, grant, state, operations, denied } = session;
  return {
    id,
    principal: showPrincipal(session.principal),
    connection,
    protocol,
    client,
    via,
    reason,
    grant,
    state,
    startedAt: iso(session.startedAt),
    endedAt: iso(session.endedAt),
    ...(session.endCode === undefined ? {} : { end: { code: session.endCode, message: session.endMessage ?? '' } }),
    operations,
    denied,
    fromClient: session.fromClient,
    toClient: session.toClient,
    recording: { bytes: session.bytes, lines: session.lines, digest: session.digest, sealed: session.sealed },
  };
}
