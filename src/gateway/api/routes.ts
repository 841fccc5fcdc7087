// Every route of the HTTP API.

import { z } from 'zod';
import type { Parts } from '../parts.ts';
import { adminRoutes } from './admin.ts';
import { certificateRoutes } from './certificates.ts';
import { connectionRoutes } from './connections.ts';
import { credentialRoutes } from './credentials.ts';
import { custodyRoutes } from './custody.ts';
import { exportRoutes } from './exports.ts';
import { gatewayRoutes } from './gateways.ts';
import { grantRoutes } from './grants.ts';
import { identityRoutes } from './identity.ts';
import { logRoutes } from './log.ts';
import { reportRoutes } from './reports.ts';
import { reviewRoutes } from './reviews.ts';
import { type Route, route } from './route.ts';
import { searchRoutes } from './search.ts';
import { sessionRoutes } from './sessions.ts';
import { webhookRoutes } from './webhooks.ts';

export function apiRoutes(
  parts: Parts,
  ready: () => Promise<{ ready: boolean; details: Readonly<Record<string, unknown>> }>,
): Route[] {
  return [
    ...identityRoutes(parts),
    ...certificateRoutes(parts),
    ...connectionRoutes(parts),
    ...searchRoutes(parts),
    ...sessionRoutes(parts),
    ...logRoutes(parts),
    ...reviewRoutes(parts),
    ...grantRoutes(parts),
    ...adminRoutes(parts),
    ...credentialRoutes(parts),
    ...custodyRoutes(parts),
    ...webhookRoutes(parts),
    ...gatewayRoutes(parts),
    ...exportRoutes(parts),
    ...reportRoutes(parts),
    ...healthRoutes(ready),
  ];
}

function healthRoutes(ready: () => Promise<{ ready: boolean; details: Readonly<Record<string, unknown>> }>): Route[] {
  const base = { method: 'get', tag: 'health', auth: 'none' } as const;
  return [
    route({
      ...base,
      path: '/healthz',
      summary: 'Whether the process answers.',
      answer: z.object({ ok: z.literal(true) }),
      handle: async () => ({ ok: true as const }),
    }),
    route({
      ...base,
      path: '/readyz',
      summary: 'Whether sessions can be opened: 503 while it stops or its store does not answer.',
      answer: z.object({ ready: z.boolean() }).catchall(z.unknown()),
      async handle({ raw }) {
        const state = await ready();
        raw.status(state.ready ? 200 : 503);
        return { ready: state.ready, ...state.details };
      },
    }),
  ];
}
