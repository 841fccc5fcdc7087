import { afterEach, beforeEach, expect, it } from 'vitest';
import { grantRoutes } from '../../../src/gateway/api/grants.ts';
import type { Parts } from '../../../src/gateway/parts.ts';
import { alice, carol, World } from '../session/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(() => world.close());

it('revokes a grant however many were made since', async () => {
  const request = { principal: alice, connection: 'prod-db', policy: 'v1', grantMs: 60_000, reason: 'an incident' };
  const first = await world.approvals.breakGlass(request);
  world.skew += 1;
  for (let made = 0; made < 1000; made++) await world.approvals.breakGlass(request);
  const { approvals, clock, grants } = world;
  const routes = grantRoutes({ approvals, clock, grants } as unknown as Parts);
  const revoke = routes.find(({ path }) => path.endsWith('/revoke'))!;
  const call = { params: { id: first.id }, body: {}, caller: { principal: carol }, roles: ['admin'] };
  expect(await revoke.handle(call as never)).toMatchObject({ id: first.id, state: 'revoked' });
});
