// The gateways of one store: which there are, and which of them live.

import { z } from 'zod';
import type { Parts } from '../parts.ts';
import { type Route, route } from './route.ts';
import { iso, timeShape } from './shapes.ts';

const gatewayShape = z.object({
  id: z.string(),
  host: z.string().describe("The machine's name."),
  url: z.string(),
  version: z.string(),
  state: z.enum(['this', 'alive', 'silent', 'over']).describe('over: it stopped, or what it left was closed.'),
  startedAt: timeShape,
  seenAt: timeShape.describe("By the store's clock."),
});

export function gatewayRoutes(parts: Parts): Route[] {
  return [
    route({
      tag: 'admin',
      auth: 'auditor',
      method: 'get',
      path: '/api/v1/admin/gateways',
      summary: 'The gateways of this store that were seen in the last 30 days.',
      answer: z.object({ gateways: z.array(gatewayShape) }),
      handle: async () => ({
        gateways: (await parts.fleet.all()).map(({ id, host, url, version, state, startedAt, seenAt }) => ({
          ...{ id, host, url, version, state, startedAt: iso(startedAt), seenAt: iso(seenAt) },
        })),
      }),
    }),
  ];
}
