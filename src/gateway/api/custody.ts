// Removing recordings for good, and forbidding it: purges and legal holds. For admins; auditors may look.

import { z } from 'zod';
import { userError } from '../../core/errors.ts';
import type { HoldKind } from '../../session/custody/store.ts';
import { displayName } from '../../session/identity/principal.ts';
import type { Parts } from '../parts.ts';
import { isPlain, type Route, route } from './route.ts';
import { visible } from './sessions.ts';
import { idParams, iso, okShape, timeShape } from './shapes.ts';

const base = { tag: 'admin', auth: 'admin' } as const;
const text = z.string().trim().min(1).max(500).refine(isPlain, 'expected a text without control characters');
const reason = text;
const kind = z.enum(['session', 'connection', 'principal']);

const holdShape = z.object({
  id: z.string(),
  kind,
  value: z.string().describe("A session's id, a connection's name, a principal's subject or e-mail address."),
  reason: z.string(),
  by: z.string(),
  at: timeShape,
  releasedAt: timeShape.optional(),
  releasedBy: z.string().optional(),
});

export function custodyRoutes(parts: Parts): Route[] {
  return [purge(parts), ...holdRoutes(parts)];
}

function purge(parts: Parts): Route {
  return route({
    ...base,
    method: 'post',
    path: '/api/v1/sessions/:id/purge',
    summary: "Removes a session's recording everywhere; the log keeps a tombstone.",
    params: idParams,
    body: z.strictObject({
      reason,
      only: z.enum(['key']).optional().describe('Of an encrypted one: its key alone.'),
    }),
    answer: z.object({
      purged: z.boolean().describe('False: something is in the way, or another gateway has it; it is tried again.'),
      why: z.string().optional(),
    }),
    async handle(call) {
      const session = await visible(parts, call);
      const by = displayName(call.caller.principal);
      const order = { by, ...call.body };
      parts.audit.append('admin', { what: 'purge ordered', session: session.id, ...order });
      await parts.custodian.purge(session, order);
      const after = await parts.stores.sessions.get(session.id);
      const why = parts.custodian.waits(session.id);
      return {
        purged: ['purged', 'erased'].includes(after?.purge?.state ?? ''),
        ...(why === undefined ? {} : { why }),
      };
    },
  });
}

/** Who mistypes a name would believe to hold what is then removed. Principals are not known before they come. */
async function requireKnown({ stores, configuration }: Parts, { kind, value }: Held): Promise<void> {
  if (kind === 'session' && (await stores.sessions.get(value)) === undefined) {
    throw userError('not_found', `there is no session "${value}": nothing was held`, {
      fix: 'run "hoopctl sessions ls"',
    });
  }
  if (kind !== 'connection' || configuration().connections.has(value)) return;
  if ((await stores.sessions.list({ connection: value, limit: 1 })).length === 0) {
    throw userError('not_found', `no connection is or was called "${value}": nothing was held`, {
      fix: 'run "hoopctl ls"',
    });
  }
}

interface Held {
  readonly kind: HoldKind;
  readonly value: string;
}

/** False for a principal of whom there is no session: one to come, an agent by its name, or one that is written wrong. */
async function isKnown({ stores }: Parts, { kind, value }: Held): Promise<boolean> {
  if (kind !== 'principal') return true;
  for (const who of new Set([value, value.toLowerCase()])) {
    if ((await stores.sessions.list({ who, limit: 1 })).length > 0) return true;
  }
  return false;
}

function holdRoutes(parts: Parts): Route[] {
  const { custodian } = parts;
  const show = (hold: Awaited<ReturnType<typeof custodian.holds>>[number]) => ({
    ...hold,
    at: iso(hold.at),
    releasedAt: iso(hold.releasedAt),
  });
  return [
    route({
      ...base,
      auth: 'auditor',
      method: 'get',
      path: '/api/v1/admin/holds',
      summary: 'Legal holds.',
      query: z.object({ all: z.enum(['true', 'false']).default('false').describe('Those that were released too.') }),
      answer: z.object({ holds: z.array(holdShape) }),
      handle: async ({ query }) => ({ holds: (await custodian.holds(query.all === 'true')).map(show) }),
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/admin/holds',
      summary: 'Forbids to remove recordings, those that are still to come too, until it is released.',
      body: z.strictObject({ kind, value: text, reason }),
      answer: z.object({
        hold: holdShape,
        late: z.array(z.string()).describe('Sessions whose recordings are being removed already.'),
        known: z.boolean().describe('False: a principal of whom, as subject or e-mail address, there is no session.'),
      }),
      async handle({ body, caller }) {
        await requireKnown(parts, body);
        const { hold, late } = await custodian.hold({ ...body, by: displayName(caller.principal) });
        return { hold: show(hold), late, known: await isKnown(parts, body) };
      },
    }),
    route({
      ...base,
      method: 'delete',
      path: '/api/v1/admin/holds/:id',
      summary: 'Releases a legal hold.',
      params: idParams,
      answer: okShape,
      async handle({ params, caller }) {
        const released = await custodian.release(params.id, displayName(caller.principal));
        if (released === undefined) throw userError('not_found', `there is no hold "${params.id}"`);
        return { ok: true as const };
      },
    }),
  ];
}
