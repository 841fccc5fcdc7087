import { afterEach, beforeEach, expect, it } from 'vitest';
import { adminRoutes } from '../../../src/gateway/api/admin.ts';
import type { Parts } from '../../../src/gateway/parts.ts';
import { carol, World } from '../session/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(() => world.close());

const zoe = { name: 'zoe', groups: ['dba'], password: 'long enough' };

async function call(method: string, path: string, more: object): Promise<unknown> {
  const { audit, store } = world;
  const revocations = { remove: async () => false, add: async () => {} };
  const parts = { audit, stores: store, revocations, live: world.registry } as unknown as Parts;
  const route = adminRoutes(parts).find((one) => one.method === method && one.path === `/api/v1/admin/${path}`)!;
  return route.handle({ caller: { principal: carol }, roles: ['admin'], ...more } as never);
}

it('changes nothing that cannot be put on record', async () => {
  world.auditFails = true;
  await expect(call('post', 'users', { body: zoe })).rejects.toThrow('the log is full');
  expect(await world.store.users.list()).toEqual([]);
  world.auditFails = false;
  await call('post', 'users', { body: zoe });
  world.auditFails = true;
  const params = { name: 'zoe' };
  await expect(call('post', 'users/:name/groups', { params, body: { groups: ['admins'] } })).rejects.toThrow();
  await expect(call('post', 'users/:name/password', { params, body: { password: 'another one' } })).rejects.toThrow();
  await expect(call('delete', 'users/:name', { params })).rejects.toThrow();
  expect(await world.store.users.verifyPassword('zoe', zoe.password)).toMatchObject({ groups: ['dba'] });
  await expect(call('post', 'service-accounts', { body: { name: 'ci', groups: [] } })).rejects.toThrow();
  expect(await world.store.serviceAccounts.list()).toEqual([]);
});

it('has on record what was tried and failed', async () => {
  await call('post', 'users', { body: zoe });
  await expect(call('post', 'users', { body: zoe })).rejects.toMatchObject({ code: 'conflict' });
  const said = { by: 'carol@example.com', name: 'zoe', groups: ['dba'] };
  expect(world.entries.map(({ fields }) => fields)).toEqual([
    { what: 'user added', ...said },
    { what: 'user added', ...said },
    { what: 'user added: failed', ...said, code: 'conflict' },
  ]);
});
