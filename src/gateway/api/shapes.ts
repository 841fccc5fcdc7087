// Shapes that several routes share: what they validate, and what the OpenAPI document says.

import { z } from 'zod';
import type { Principal } from '../../session/identity/principal.ts';

export const principalShape = z
  .object({
    kind: z.enum(['person', 'workload', 'agent']),
    subject: z.string(),
    issuer: z.string(),
    email: z.string().optional(),
    groups: z.array(z.string()),
    actor: z.string().optional(),
    claims: z.record(z.string(), z.string()).optional(),
  })
  .describe('Who asks.');

/** As the API shows a principal: without claims, which are the owner's matter. */
export function showPrincipal(principal: Principal): z.input<typeof principalShape> {
  const { claims: _, groups, ...rest } = principal;
  return { ...rest, groups: [...groups] };
}

export const nameParams = z.object({ name: z.string().min(1).max(200) });
export const idParams = z.object({ id: z.string().min(1).max(64) });
export const okShape = z.object({ ok: z.literal(true) });
export const timeShape = z.string().describe('ISO 8601, UTC.');

export function iso(ms: number): string;
export function iso(ms: number | undefined): string | undefined;
export function iso(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
