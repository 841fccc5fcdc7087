import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Facts } from '../../../src/protocol/contract.ts';
import type { Alert } from '../../../src/session/alerts.ts';
import { FirstSeen, type Touch } from '../../../src/session/first-seen.ts';
import { alice, aliceAgent, bob, World } from './world.ts';

let world: World;
let alerts: Alert[];
let seen: FirstSeen;
let operation = 0;

const open = () => {
  const { store, audit, log } = world;
  return new FirstSeen({ store: store.keyValues, audit, log, alerts: { raise: (alert) => void alerts.push(alert) } });
};
beforeEach(async () => {
  world = await World.open();
  alerts = [];
  seen = open();
});
afterEach(() => world.close());

const parts = (...names: string[]): Facts[] => [
  {
    does: ['select'],
    relations: names.map((name) => ({ name, read: true, written: false })),
    functions: [],
    unbounded: false,
  },
];
const touch = (names: string[], more: Partial<Touch> = {}) => {
  operation += 1;
  const base = { session: 's-1', principal: alice, connection: 'prod-db', rule: 'watch', operation };
  seen.touch({ ...base, parts: parts(...names), ...more });
};
const relations = () => alerts.map((alert) => alert.data.relations);
/** Everything that was asked of the store is answered. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 50));

it('tells of a relation once, for each principal, agent and connection by itself, and puts it on record', async () => {
  touch(['customers', 'orders']);
  touch(['customers']);
  await expect.poll(relations).toEqual([['customers', 'orders']]);
  touch(['orders', 'payments']);
  await expect.poll(relations).toEqual([['customers', 'orders'], ['payments']]);
  touch(['orders'], { principal: aliceAgent });
  touch(['orders'], { principal: bob });
  touch(['orders'], { connection: 'other' });
  await expect.poll(() => alerts.length).toBe(5);
  expect(alerts[0]).toMatchObject({ type: 'first-seen', data: { requester: 'alice@example.com', rule: 'watch' } });
  expect(world.entries[0]).toMatchObject({ kind: 'access', fields: { what: 'first seen', session: 's-1' } });
});

it('remembers over a restart', async () => {
  touch(['customers']);
  await expect.poll(relations).toEqual([['customers']]);
  seen = open();
  touch(['customers']);
  touch(['orders']);
  await expect.poll(relations).toEqual([['customers'], ['orders']]);
});

it('is asked of the policy: only where a rule that wants it matches', async () => {
  const ask = (firstSeen: string | undefined) => {
    const session = world.session({ firstSeen: seen });
    world.policy.firstSeen = firstSeen;
    session.decide({ kind: 'query', text: 'select', exact: '', parts: parts('t') });
  };
  ask(undefined);
  await settled();
  expect(alerts).toEqual([]);
  ask('watch');
  await expect.poll(relations).toEqual([['t']]);
});

it('never fails whoever touches', async () => {
  await world.store.close();
  touch(['customers']);
  await expect.poll(() => world.logged.length).toBe(1);
  await world.start();
  seen = open();
});
