// Gateways on one store: who is alive, what the dead left, ends asked for elsewhere, and what is not known while the store
// does not answer.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ourError } from '../../../src/core/errors.ts';
import type { Hold } from '../../../src/protocol/contract.ts';
import { Approvals } from '../../../src/session/approvals/approvals.ts';
import { Grants } from '../../../src/session/approvals/grants.ts';
import type { Grant, ReviewStore } from '../../../src/session/approvals/types.ts';
import { Unmasks } from '../../../src/session/approvals/unmasks.ts';
import { Fleet, GATEWAY_DEAD_MS } from '../../../src/session/fleet.ts';
import type { GatewayStore } from '../../../src/session/fleet-store.ts';
import type { GatewaySession } from '../../../src/session/session.ts';
import { alice, bob, query, World } from './world.ts';

let world: World;
let skewMs = 0;
const fleets: Fleet[] = [];
beforeEach(async () => {
  skewMs = 0;
  world = await World.open();
});
afterEach(async () => {
  for (const fleet of fleets.splice(0)) await fleet.stop();
  await world.close();
});

/** The gateways of the world's store; its clock is ahead of the machine's by `skewMs`. */
const gateways = (): GatewayStore => {
  const ahead = <T extends { skewMs: number }>(one: T) => ({ ...one, skewMs });
  const own = world.store.gateways;
  return {
    begin: async (self) => ahead(await own.begin(self)),
    beat: async (self) => ahead(await own.beat(self)),
    list: () => own.list(),
    over: (id, instance) => own.over(id, instance),
  };
};

function fleet(id: string, instance = '1', approvals = world.approvals): Fleet {
  const { audit, clock, log, registry: live } = world;
  const made = new Fleet({
    self: { id, instance, host: 'h', version: '1' },
    store: gateways(),
    sessions: world.store.sessions,
    ...{ live, approvals, audit, clock, log, shared: true },
    limit: (declared) => declared,
    lookMs: 10,
  });
  fleets.push(made);
  return made;
}

async function listed(session: GatewaySession, gateway: string): Promise<string> {
  await world.store.sessions.add({ ...session.record(), gateway });
  return session.id;
}

describe('a gateway', () => {
  it('that is silent for too long is closed by another: its reviews and sessions, not those of the living', async () => {
    const [dead, alive] = [fleet('gw-dead'), fleet('gw-alive')];
    await dead.begin();
    await alive.begin();
    const approvals = (gateway: string) =>
      new Approvals({ ...world, reviews: world.store.reviews, clock: world.clock, audit: world.audit, gateway });
    const hold = (of: Approvals) =>
      of.hold({
        ...query('x'),
        principal: alice,
        connection: 'c',
        session: 's',
        operation: 1,
        rule: 'r',
        policy: () => 'v',
        reviewers: { groups: ['dba'], count: 1 },
        waitMs: 1e6,
      });
    const [theirs, ours] = [approvals('gw-dead'), approvals('gw-alive')];
    const [left, kept] = [hold(theirs), hold(ours)];
    const [lost, live] = [await listed(world.session(), 'gw-dead'), await listed(world.session(), 'gw-alive')];
    await expect.poll(() => world.store.reviews.get(kept.id)).toBeDefined();
    // The other one goes on saying that it lives.
    const later = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 1000) {
        world.skew += 1000;
        await alive.beat();
      }
    };
    await later(GATEWAY_DEAD_MS.value - 1000);
    expect((await world.store.reviews.get(left.id))?.state).toBe('pending');
    // It starts again while the other one sees that it was dead.
    world.skew += 1500;
    const fresh = hold(theirs);
    await expect.poll(() => world.store.reviews.get(fresh.id)).toBeDefined();
    await later(2000);
    expect((await world.store.reviews.get(fresh.id))?.state).toBe('pending');
    expect(await world.store.reviews.get(left.id)).toMatchObject({
      state: 'cancelled',
      outcome: 'gateway "gw-dead" went away while it was held',
    });
    expect((await world.store.reviews.get(kept.id))?.state).toBe('pending');
    expect((await world.store.sessions.get(lost))?.state).toBe('interrupted');
    expect((await world.store.sessions.get(live))?.state).toBe('open');
    expect(world.entries.at(-1)?.fields).toMatchObject({ what: 'gateway went away', sessions: 1, reviews: 1 });
    expect(await alive.others()).toEqual([]);
    // It was only slow: what lives there is open again.
    await dead.beat();
    expect((await world.store.sessions.get(lost))?.state).toBe('open');
    expect(await alive.others()).toMatchObject([{ id: 'gw-dead', alive: true }]);
    for (const one of [theirs, ours]) one.stop();
  });

  it('does not take another for dead when it could not say itself that it lives', async () => {
    const [one, other] = [fleet('gw-one'), fleet('gw-other')];
    await one.begin();
    await other.begin();
    const id = await listed(world.session(), 'gw-other');
    // The store was away for all of them, and the other one comes back a moment later.
    world.skew += 2 * GATEWAY_DEAD_MS.value;
    await one.beat();
    expect((await world.store.sessions.get(id))?.state).toBe('open');
    await other.beat();
    for (let i = 0; i < 12; i++) {
      world.skew += GATEWAY_DEAD_MS.value / 6;
      await one.beat();
      await other.beat();
    }
    expect((await world.store.sessions.get(id))?.state).toBe('open');
  });

  it('whose clock is not the store’s does not start', async () => {
    skewMs = 2001;
    await expect(fleet('gw-late').begin()).rejects.toThrow(/2001 ms behind the store's, over 2000 ms/);
    skewMs = -5000;
    await expect(fleet('gw-early').begin()).rejects.toMatchObject({ code: 'config_invalid' });
    skewMs = 1999;
    await fleet('gw-good').begin();
  });

  it('of which there are two, because its data directory was copied, says so', async () => {
    const [first, copy] = [fleet('gw-1', 'a'), fleet('gw-1', 'b')];
    await first.begin();
    await copy.begin();
    await first.beat();
    await copy.beat();
    const told = world.logged.filter(({ message }) => message.includes('was its data directory copied'));
    expect(told).toHaveLength(1);
  });

  it('enters itself again in a store that was set back to before it began', async () => {
    const [before, now, other] = [fleet('gw-1', 'before'), fleet('gw-1', 'now'), fleet('gw-2')];
    await other.begin();
    const entered = async () => (await other.others()).map(({ instance, alive }) => ({ instance, alive }));
    // As if `now` had been there all along: it is the store that has another.
    await now.begin();
    const id = await listed(world.session(), 'gw-1');
    await before.begin();
    await now.beat();
    expect(await entered()).toEqual([{ instance: 'before', alive: true }]);
    for (let passed = 0; passed <= 2 * GATEWAY_DEAD_MS.value; passed += 1000) {
      world.skew += 1000;
      await other.beat();
    }
    // It was taken for dead, and says that it lives.
    expect(await entered()).toEqual([]);
    expect((await world.store.sessions.get(id))?.state).toBe('interrupted');
    await now.beat();
    expect(await entered()).toEqual([{ instance: 'now', alive: true }]);
    expect((await world.store.sessions.get(id))?.state).toBe('open');
    expect(world.logged.some(({ message }) => message.includes('entered again'))).toBe(true);
  });

  it('ends a session that another was asked to end, and tells one that is over', async () => {
    const [here, there] = [fleet('gw-here'), fleet('gw-there')];
    await here.begin();
    const session = world.session();
    const id = await listed(session, 'gw-here');
    here.start('https://here');
    expect(await world.store.sessions.requestKill({ session: id, by: 'bob', reason: 'enough' })).toBe(true);
    await expect.poll(() => session.signal.aborted).toBe(true);
    expect(session.signal.reason).toMatchObject({ message: 'the session was ended by bob: enough' });
    session.end({ code: 'session_killed', message: '' });
    await session.closed;
    expect(await there.kill({ session: id, by: 'bob' })).toBe(false);
    await expect(there.requireHere({ ...session.record(), gateway: 'gw-here' }, 'the recording')).rejects.toMatchObject(
      {
        message: expect.stringContaining('https://here'),
        fix: expect.stringContaining('--gateway https://here'),
      },
    );
  });
});

describe('a lifted mask', () => {
  it('that is revoked is not lifted again by a look that began before', async () => {
    const { audit, clock, log } = world;
    let grant: Grant = {
      ...{ id: 'g-1', issuer: 'corp', subject: 'alice', principal: 'alice', connection: 'c', review: 'r-1' },
      ...{ startsAt: clock.now(), endsAt: clock.now() + 60_000, masks: [{ mask: 'pii' }] as never },
    };
    const gate = Promise.withResolvers<void>();
    let looking = false;
    const unmasks = new Unmasks({ audit, clock, log, alerts: { raise() {} } });
    const store = {
      async list({ unmasking }: { unmasking?: boolean }) {
        const found = [grant];
        if (looking) await gate.promise;
        return unmasking ? found : [];
      },
      get: async () => grant,
      async revoke() {
        grant = { ...grant, revokedAt: clock.now(), revokedBy: 'bob' };
        return true;
      },
    };
    const grants = new Grants({ grants: store as never, audit, clock, log, unmasks, revoked() {}, inUse: () => [] });
    await grants.poll();
    expect(unmasks.of(alice, 'c')).toHaveLength(1);
    looking = true;
    const look = grants.poll();
    await grants.revoke('g-1', bob);
    expect(unmasks.of(alice, 'c')).toEqual([]);
    gate.resolve();
    await look;
    expect(unmasks.of(alice, 'c')).toEqual([]);
    unmasks.stop();
  });
});

describe('while the store does not answer', () => {
  const away = () => Promise.reject(ourError('store_failed', 'the store does not answer'));

  it('an approval that stands is not known to stand, until it is', async () => {
    const { audit, clock, log } = world;
    let down = false;
    const kept = world.store.reviews;
    const reviews: ReviewStore = {
      add: (review) => kept.add(review),
      get: (id) => kept.get(id),
      list: (filter) => (down ? away() : kept.list(filter)),
      glance: (filter) => (down ? away() : kept.glance(filter)),
      change: (id, decide) => kept.change(id, decide),
    };
    const shared = new Approvals({ reviews, audit, clock, log, pollMs: 20, gateway: 'gw', shared: true });
    world.approvals.stop();
    world.approvals = shared;
    await shared.restore();
    const session = world.session();
    const held = session.decide(query('review 1')).decision as Hold;
    await shared.decide(held.review, { verdict: 'approve', reviewer: bob, variant: { kind: 'time', ms: 60_000 } });
    await held.settled;
    const verdict = () => session.decide(query('review 1')).decision.verdict;
    expect(verdict()).toBe('allow');
    down = true;
    world.skew += 6000;
    expect(verdict()).toBe('hold');
    // Set back by an hour: what was known before that is not known for an hour more.
    world.skew -= 3_600_000;
    expect(verdict()).toBe('hold');
    world.skew += 3_600_000;
    down = false;
    await expect.poll(verdict).toBe('allow');
  });

  it('masks that were lifted come back, and are lifted again when it answers', async () => {
    const { audit, clock, log } = world;
    const grant: Grant = {
      ...{ id: 'g-1', issuer: 'corp', subject: 'alice', principal: 'alice', connection: 'c', review: 'r-1' },
      ...{ startsAt: clock.now(), endsAt: clock.now() + 60_000, masks: [{ mask: 'pii' }] as never },
    };
    let down = false;
    const unmasks = new Unmasks({ audit, clock, log, alerts: { raise() {} } });
    let silent = false;
    const list = async ({ unmasking }: { unmasking?: boolean } = {}) => {
      if (silent) await new Promise(() => {});
      return down ? away() : unmasking ? [grant] : [];
    };
    const grants = new Grants({
      ...{ grants: { list } as never, audit, clock, log, unmasks, shared: true },
      revoked() {},
      inUse: () => [],
    });
    await grants.poll();
    expect(unmasks.of(alice, 'c')).toHaveLength(1);
    down = true;
    await grants.poll();
    expect(unmasks.of(alice, 'c')).toHaveLength(1);
    world.skew -= 3000;
    await grants.poll();
    expect(unmasks.of(alice, 'c')).toEqual([]);
    down = false;
    await grants.poll();
    expect(unmasks.of(alice, 'c')).toHaveLength(1);
    down = true;
    world.skew += 6000;
    await grants.poll();
    expect(unmasks.of(alice, 'c')).toEqual([]);
    down = false;
    await grants.poll();
    expect(unmasks.of(alice, 'c')).toHaveLength(1);
    // One that gives no answer at all, which a look waits for much longer.
    silent = true;
    void grants.poll();
    expect(unmasks.of(alice, 'c')).toHaveLength(1);
    world.skew += 6000;
    void grants.poll();
    expect(unmasks.of(alice, 'c')).toEqual([]);
    unmasks.stop();
  });
});
