// Credentials of protocols' own for keys that users hold, good at the native listeners in place of a token.

import { z } from 'zod';
import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { loadProtocol } from '../../protocol/index.ts';
import { displayName } from '../../session/identity/principal.ts';
import type { Parts } from '../parts.ts';
import { type Route, route } from './route.ts';
import { iso, timeShape } from './shapes.ts';

export function certificateRoutes(parts: Parts): Route[] {
  return [
    route({
      method: 'post',
      path: '/api/v1/certificates/:protocol',
      summary: 'A certificate for a key of yours, good at the native listener of the protocol for a short time.',
      tag: 'identity',
      auth: 'token',
      params: z.object({ protocol: z.string().max(64) }),
      body: z.strictObject({
        publicKey: z.string().max(16 * 1024),
        ttl: z.string().default('10m').describe('A duration such as 10m.'),
      }),
      answer: z.object({
        certificate: z.string(),
        expiresAt: timeShape,
        identity: z.record(z.string(), z.string()).describe('What the gateway is known by in the protocol.'),
        native: z.string().optional().describe('host:port of the native listener.'),
      }),
      async handle({ caller: { principal }, params, body, reason }) {
        const protocol = await loadProtocol(params.protocol);
        if (protocol?.certify === undefined) {
          throw userError('not_supported', `there are no certificates for "${params.protocol}"`);
        }
        const ttl = parseDuration(body.ttl);
        if (ttl === undefined) throw userError('usage', `ttl is "${body.ttl}", expected a duration such as 10m`);
        const from = parts.clock.now();
        const certificate = await protocol.certify(
          {
            publicKey: body.publicKey,
            name: principal.subject,
            label: displayName(principal),
            from,
            until: from + ttl,
            assertion: async (key) => {
              const issued = await parts.tokens.issueForKey(principal, key, ttl, reason);
              const shown = {
                jti: issued.jti,
                key,
                principal: displayName(principal),
                expiresAt: iso(issued.expiresAt),
              };
              parts.audit.append('token', { what: 'issued', ...shown });
              return issued.token;
            },
          },
          parts,
        );
        const native = parts.native()[protocol.name];
        return {
          certificate,
          expiresAt: iso(from + ttl),
          identity: { ...protocol.identity?.(parts) },
          ...(native === undefined ? {} : { native }),
        };
      },
    }),
  ];
}
