// Sessions, live and past, and their recordings. Everybody sees their own; auditors and admins see all. Looking at
// somebody else's recording is itself on record.

import { z } from 'zod';
import { asHoopctlError, userError } from '../../core/errors.ts';
import { purgedError } from '../../session/custody/purge.ts';
import { displayName, type Principal, principalKey } from '../../session/identity/principal.ts';
import { sourceOf } from '../../session/recorder/reader.ts';
import { readRecording } from '../../session/recorder/stored.ts';
import type { SessionFilter, SessionRecord } from '../../session/records.ts';
import type { Parts } from '../parts.ts';
import { growing } from './growing.ts';
import { recordReading } from './reading.ts';
import { encryptionHere, withoutKey } from './recording-key.ts';
import { type Call, type Role, type Route, route } from './route.ts';
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
  exempt: z
    .array(
      z.object({
        mask: z.string(),
        by: z.enum(['unless', 'unmask']).describe('unmask: lifted by a review, for a time.'),
        grant: z.string().optional(),
        until: timeShape.optional(),
      }),
    )
    .optional()
    .describe('Masks that did not apply to the principal, all of the time or some of it.'),
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
    bestEffort: z.boolean().optional().describe('The session may go on where recording fails.'),
    unrecorded: z.boolean().optional().describe('It did: what is recorded is a beginning.'),
    encryption: z
      .object({
        recipients: z.array(z.string()),
        erased: z.boolean().describe('Its key was erased, by `order`: nobody can read it.'),
        lost: z.boolean().describe('Its key is not there, and nobody had it erased: a backup may have it.'),
        order: z.object({ at: timeShape, by: z.string(), reason: z.string() }).optional(),
      })
      .optional()
      .describe('Of one session alone, where its recording is here and encrypted.'),
    where: z.enum(['disk', 'both', 'object', 'nowhere']).describe('object: in object storage alone; nowhere: purged.'),
    purge: z
      .object({
        state: z.enum(['ordered', 'begun', 'erased', 'purged']),
        reason: z.string(),
        by: z.string(),
        at: timeShape,
        only: z.enum(['key']).optional(),
      })
      .optional(),
  }),
  gateway: z.string().optional().describe('The gateway that it lives or lived at, which has the recording.'),
});

const base = { tag: 'sessions', auth: 'token' } as const;
const LINES = 'application/x-ndjson';
/** How often the store is asked whether a session at another gateway has ended. */
const LOOK_MS = 2000;

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
        before: z.iso.datetime().optional().describe('Started before this moment.'),
        after: idParams.shape.id.optional().describe('A session: those that the list has behind it, for paging.'),
        since: z.iso.datetime().optional().describe('Not ended before this moment.'),
        limit: z.coerce.number().int().min(1).max(1000).default(100),
      }),
      answer: z.object({ sessions: z.array(sessionShape) }),
      async handle({ query, caller, roles }) {
        const { issuer, subject } = caller.principal;
        const behind = query.after === undefined ? undefined : await parts.stores.sessions.get(query.after);
        if (query.after !== undefined && behind === undefined)
          throw userError('not_found', `there is no session "${query.after}"`);
        const filter: SessionFilter = {
          limit: query.limit,
          ...(query.state === undefined ? {} : { state: query.state }),
          ...(query.connection === undefined ? {} : { connection: query.connection }),
          ...(query.principal === undefined ? {} : { who: query.principal }),
          ...(query.before === undefined ? {} : { before: Date.parse(query.before) }),
          ...(behind === undefined ? {} : { behind }),
          ...(query.since === undefined ? {} : { since: Date.parse(query.since) }),
          ...(mayReadAll(parts, caller.principal, roles, query.connection) ? {} : { owner: { issuer, subject } }),
        };
        const listed = await parts.stores.sessions.list(filter);
        return { sessions: listed.map((session) => showSession(asItIs(parts, session))) };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/sessions/tail',
      summary: 'What happens in all sessions, live, as JSON Lines. Auditors and admins only.',
      auth: 'auditor',
      answer: { stream: LINES },
      async handle(call) {
        recordReading(parts, call, { what: 'tail', session: 'all' });
        const live = () => parts.roles(call.caller.principal).length > 0;
        return { contentType: LINES, live, lines: tailEverywhere(parts, undefined, call.signal) };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/sessions/:id',
      summary: 'One session.',
      params: idParams,
      answer: sessionShape,
      async handle(call) {
        const found = await visible(parts, call);
        const session = showSession(found);
        const encryption = await encryptionHere(parts, found);
        return { ...session, recording: { ...session.recording, ...(encryption === undefined ? {} : { encryption }) } };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/sessions/:id/recording',
      summary: 'The recording as it was written: JSON Lines, byte for byte, of all segments, unpacked.',
      params: idParams,
      answer: { stream: LINES },
      async handle(call) {
        const session = await visible(parts, call);
        requireContent(session);
        await parts.fleet.requireHere(session, 'the recording');
        recordPlayback(parts, call, session, 'recording');
        return { contentType: LINES, lines: await begun(readRecording(parts.sink, session.id)) };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/sessions/:id/key',
      summary: 'The key of an encrypted recording, for its recipients: an age file.',
      params: idParams,
      answer: { stream: 'application/octet-stream' },
      async handle(call) {
        const session = await visible(parts, call);
        await parts.fleet.requireHere(session, 'the key of the recording');
        // What is on its way to be erased is not handed out any more, wherever it still is.
        const going = ['begun', 'erased', 'purged'].includes(session.purge?.state ?? '');
        const key = going ? undefined : await parts.sink.key(session.id);
        if (key === undefined) {
          requireContent(session);
          throw await withoutKey(parts, session);
        }
        recordPlayback(parts, call, session, 'key');
        return { contentType: 'application/octet-stream', lines: sourceOf(key) };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/sessions/:id/tail',
      summary: 'What happens in one session, live, as JSON Lines, until it ends.',
      params: idParams,
      query: z.object({
        output: z
          .stringbool()
          .default(false)
          .describe('Also what its operations put out, masked, of a session that lives at this gateway.'),
      }),
      answer: { stream: LINES },
      async handle(call) {
        const session = await visible(parts, call);
        recordPlayback(parts, call, session, 'tail');
        const { signal, query } = call;
        const here = parts.live.get(session.id) !== undefined;
        const elsewhere = () => (session.state === 'open' ? tailEverywhere(parts, session.id, signal) : over(session));
        const live = () => mayRead(parts, call, session);
        return { contentType: LINES, live, lines: here ? tail(parts, session.id, signal, query) : elsewhere() };
      },
    }),
    watch(parts),
    kill(parts),
  ];
}

function watch(parts: Parts): Route {
  return route({
    ...base,
    method: 'get',
    path: '/api/v1/sessions/:id/watch',
    summary: 'The recording as it is being written, until the session ends: JSON Lines, the lines as they are stored.',
    params: idParams,
    query: z.object({ from: z.coerce.number().int().min(0).default(0).describe('Bytes that the caller has already.') }),
    answer: { stream: LINES },
    async handle(call) {
      const { id } = call.params;
      const session = await visible(parts, call).catch((thrown: unknown) => {
        // The same whether there is one or not.
        if (asHoopctlError(thrown).code !== 'not_found' || call.roles.length > 0) throw thrown;
        throw userError('forbidden', `cannot watch session "${id}": it is none that you may read`, {
          fix: 'ask an auditor of the gateway',
        });
      });
      requireContent(session);
      await parts.fleet.requireHere(session, 'what it shows');
      recordPlayback(parts, call, session, 'watch');
      const live = () => mayRead(parts, call, session);
      return { contentType: LINES, live, lines: growing(parts, id, call.query.from, call.signal) };
    },
  });
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
      const request = { session: session.id, by, ...(reason === undefined ? {} : { reason }) };
      if (!(await parts.fleet.kill(request))) {
        throw userError('conflict', `session "${session.id}" is over already`);
      }
      return { ok: true as const };
    },
  });
}

function owns({ caller }: Pick<Call, 'caller'>, session: SessionRecord): boolean {
  return principalKey(session.principal) === principalKey(caller.principal);
}

/** What the store has of a session that lives here is some seconds old. */
function asItIs({ live }: Parts, session: SessionRecord): SessionRecord {
  return session.state === 'open' ? { ...session, ...live.get(session.id)?.record() } : session;
}

export async function visible(parts: Parts, call: Call<{ id: string }, unknown, unknown>): Promise<SessionRecord> {
  const { id } = call.params;
  const session = await parts.stores.sessions.get(id);
  // One that is somebody else's is told apart from none for nobody but those who may read it.
  if (session !== undefined && mayRead(parts, call, session)) return asItIs(parts, session);
  throw userError('not_found', `there is no session "${id}"`, { fix: 'run "hoopctl sessions ls"' });
}

/** By the roles of now. */
function mayRead(parts: Parts, call: Call, session: SessionRecord): boolean {
  return owns(call, session) || parts.reads(call.caller.principal, session.connection) !== undefined;
}

/** With its first piece at hand: what cannot even be begun is an error, not a stream that breaks off. */
async function begun(source: AsyncGenerator<Uint8Array>): Promise<AsyncGenerator<Uint8Array>> {
  const first = await source.next();
  return (async function* () {
    if (first.done !== true) yield first.value;
    yield* source;
  })();
}

function requireContent(session: SessionRecord): void {
  const { purge } = session;
  if (purge?.only === undefined && ['begun', 'purged'].includes(purge?.state ?? '')) throw purgedError(session);
}

function recordPlayback(parts: Parts, call: Call, session: SessionRecord, what: string): void {
  const { id, connection } = session;
  recordReading(parts, call, { what, session: id, connection, own: owns(call, session) });
}

/** Of the sessions at a connection, where one is asked for. */
export function mayReadAll(
  parts: Parts,
  principal: Principal,
  roles: readonly Role[],
  connection: string | undefined,
): boolean {
  return roles.length > 0 || (connection !== undefined && parts.reads(principal, connection) !== undefined);
}

async function* tail(
  parts: Parts,
  session: string,
  signal: AbortSignal,
  how: { readonly output: boolean },
): AsyncGenerator<string> {
  for await (const event of parts.events.stream(session, signal, how)) yield `${JSON.stringify(event)}\n`;
}

/** Also what happens at other gateways. Of a session there the end may be lost on the way: the store knows it. */
async function* tailEverywhere(parts: Parts, id: string | undefined, signal: AbortSignal): AsyncGenerator<string> {
  const stop = parts.relay.watch(id);
  const ended = new AbortController();
  let session: SessionRecord | undefined;
  const look = async () => {
    const now = id === undefined ? undefined : await parts.stores.sessions.get(id);
    if (now === undefined || now.state === 'open') return;
    // What is on its way comes first.
    if (session !== undefined) ended.abort();
    session = now;
  };
  const timer = setInterval(() => void look().catch(() => {}), LOOK_MS);
  try {
    let told = false;
    for await (const event of parts.events.stream(id, AbortSignal.any([signal, ended.signal]))) {
      told = event.type === 'end';
      yield `${JSON.stringify(event)}\n`;
    }
    if (!told && !signal.aborted && session !== undefined) yield* over(session);
  } finally {
    clearInterval(timer);
    stop();
  }
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
    ...(session.exempt === undefined
      ? {}
      : { exempt: session.exempt.map((one) => ({ ...one, until: iso(one.until) })) }),
    state,
    startedAt: iso(session.startedAt),
    endedAt: iso(session.endedAt),
    ...(session.endCode === undefined ? {} : { end: { code: session.endCode, message: session.endMessage ?? '' } }),
    operations,
    denied,
    gateway: session.gateway,
    fromClient: session.fromClient,
    toClient: session.toClient,
    recording: {
      bytes: session.bytes,
      lines: session.lines,
      digest: session.digest,
      sealed: session.sealed,
      where: session.purge?.state === 'purged' ? 'nowhere' : (session.stored ?? 'disk'),
      ...(session.purge === undefined ? {} : { purge: showPurge(session.purge) }),
      ...(session.bestEffort === true ? { bestEffort: true, unrecorded: session.unrecorded === true } : {}),
    },
  };
}

function showPurge({ state, reason, by, at, only }: NonNullable<SessionRecord['purge']>) {
  return { state, reason, by, at: iso(at), ...(only === undefined ? {} : { only }) };
}
