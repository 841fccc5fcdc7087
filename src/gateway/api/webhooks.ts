// Webhooks: what is on its way, what was given up, and trying that again. Never a URL or a body: URLs may be secrets.

import { z } from 'zod';
import { userError } from '../../core/errors.ts';
import { displayName } from '../../session/identity/principal.ts';
import type { Parts } from '../parts.ts';
import { type Route, route } from './route.ts';
import { idParams, iso, timeShape } from './shapes.ts';

const webhookShape = z.object({
  name: z.string(),
  format: z.string(),
  events: z.array(z.string()),
  pending: z.int(),
  dead: z.int().describe('Given up.'),
});

const deliveryShape = z.object({
  id: z.string().describe('webhook-id: the same at every attempt.'),
  webhook: z.string(),
  event: z.string(),
  state: z.enum(['pending', 'dead']),
  attempts: z.int(),
  createdAt: timeShape,
  nextAt: timeShape.optional(),
  error: z.string().optional().describe('Why the last attempt failed.'),
});

export function webhookRoutes(parts: Parts): Route[] {
  const { deliveries } = parts.stores;
  const base = { tag: 'admin', auth: 'admin' } as const;
  const retry = async (by: string, which: { id?: string; webhook?: string }) => {
    const retried = await parts.webhooks.retry(which);
    parts.audit.append('admin', { what: 'webhook messages tried again', by, ...which, retried });
    return retried;
  };
  return [
    route({
      ...base,
      method: 'get',
      path: '/api/v1/admin/webhooks',
      summary: 'Webhooks, and the messages to them that are not delivered.',
      query: z.object({
        state: z.enum(['pending', 'dead']).optional(),
        limit: z.coerce.number().int().min(1).max(1000).default(100),
      }),
      answer: z.object({ webhooks: z.array(webhookShape), deliveries: z.array(deliveryShape) }),
      async handle({ query }) {
        const counts = await deliveries.count();
        const count = (name: string, state: string) =>
          counts.find((one) => one.webhook === name && one.state === state)?.count ?? 0;
        const { state, limit } = query;
        const found = await deliveries.list({ limit, ...(state === undefined ? {} : { state }) });
        return {
          webhooks: parts.configuration().webhooks.map(({ name, format, events }) => ({
            ...{ name, format, events: [...events] },
            ...{ pending: count(name, 'pending'), dead: count(name, 'dead') },
          })),
          deliveries: found.map(({ id, webhook, event, state, attempts, createdAt, nextAt, error }) => ({
            ...{ id, webhook, event, state, attempts, error, createdAt: iso(createdAt) },
            ...(state === 'pending' ? { nextAt: iso(nextAt) } : {}),
          })),
        };
      },
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/admin/webhooks/retry',
      summary: 'Tries everything that was given up again, of one webhook or of all.',
      body: z.strictObject({ webhook: z.string().optional() }),
      answer: z.object({ retried: z.int() }),
      handle: async ({ body, caller }) => ({ retried: await retry(displayName(caller.principal), body) }),
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/admin/webhooks/deliveries/:id/retry',
      summary: 'Tries one message that was given up again.',
      params: idParams,
      answer: z.object({ retried: z.int() }),
      async handle({ params, caller }) {
        const retried = await retry(displayName(caller.principal), { id: params.id });
        if (retried === 0) throw userError('not_found', `there is no message "${params.id}" that was given up`);
        return { retried };
      },
    }),
  ];
}
