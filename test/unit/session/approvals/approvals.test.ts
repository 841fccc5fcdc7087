import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Approvals, type Held, type HoldRequest } from '../../../../src/session/approvals/approvals.ts';
import type { ReviewStore } from '../../../../src/session/approvals/types.ts';
import { alice, aliceAgent, bob, carol, World } from '../world.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(() => world.close());

const request = (changes: Partial<HoldRequest> = {}): HoldRequest => ({
  principal: alice,
  connection: 'prod-db',
  session: 's-1',
  operation: 1,
  policy: () => world.policy.version,
  text: 'delete from t',
  params: ['1'],
  exact: 'int4',
  rule: 'look',
  reviewers: { groups: ['dba'], count: 1 },
  waitMs: 60_000,
  ...changes,
});

const stateOf = async (held: Held) => (await world.approvals.get(held.id)).state;

describe('a held operation', () => {
  it('runs once it is approved, and is used up by that', async () => {
    const held = world.approvals.hold(request());
    await world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob, reason: 'fine' });
    expect(await held.settled).toEqual({ state: 'used', by: ['bob@example.com'] });
    expect(await world.approvals.get(held.id)).toMatchObject({
      state: 'used',
      text: 'delete from t',
      params: ['1'],
      decisions: [{ verdict: 'approve', person: 'corp|bob', by: 'bob@example.com', reason: 'fine' }],
    });
    for (const verdict of ['approve', 'deny'] as const) {
      await expect(world.approvals.decide(held.id, { verdict, reviewer: carol })).rejects.toMatchObject({
        code: 'conflict',
      });
    }
  });

  it('does not run when it is denied, and says by whom and why', async () => {
    const held = world.approvals.hold(request());
    await world.approvals.decide(held.id, { verdict: 'deny', reviewer: bob, reason: 'not today' });
    expect(await held.settled).toMatchObject({
      state: 'denied',
      message: `review ${held.id} denied by bob@example.com: not today`,
    });
  });

  it('waits for the second of two people', async () => {
    const held = world.approvals.hold(request({ reviewers: { groups: ['dba'], count: 2 } }));
    let settled = false;
    void held.settled.then(() => {
      settled = true;
    });
    await world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob });
    await expect(world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob })).rejects.toThrow(/twice/);
    expect(settled).toBe(false);
    await world.approvals.decide(held.id, { verdict: 'approve', reviewer: carol });
    expect(await held.settled).toMatchObject({ state: 'used', by: ['bob@example.com', 'carol@example.com'] });
  });

  it('expires at its moment, which an earlier approval of one of two does not move', async () => {
    const held = world.approvals.hold(request({ waitMs: 1500, reviewers: { groups: ['dba'], count: 2 } }));
    await world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob });
    expect(await held.settled).toMatchObject({ state: 'expired', next: expect.any(String) });
    await expect.poll(() => stateOf(held)).toBe('expired');
    await expect(world.approvals.decide(held.id, { verdict: 'approve', reviewer: carol })).rejects.toThrow(/expired/);
  });

  it('is cancelled by the client, at once, and cannot be approved then', async () => {
    const held = world.approvals.hold(request());
    held.cancel('the client cancelled');
    held.cancel('again');
    expect(await held.settled).toMatchObject({
      state: 'cancelled',
      message: `review ${held.id} cancelled: the client cancelled`,
    });
    await expect.poll(() => stateOf(held)).toBe('cancelled');
    await expect(world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob })).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  it('does not run when the policy changed before the approval', async () => {
    let policy = 'v1';
    const held = world.approvals.hold(request({ policy: () => policy }));
    policy = 'v2';
    await world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob });
    expect(await held.settled).toMatchObject({
      state: 'cancelled',
      message: expect.stringContaining('another version of the policy'),
    });
    await expect.poll(() => stateOf(held)).toBe('cancelled');
  });

  it('is not opened when that cannot be put on record', () => {
    world.auditFails = true;
    expect(() => world.approvals.hold(request())).toThrow(/the log is full/);
    world.auditFails = false;
  });

  it('is not approved when that cannot be put on record', async () => {
    const held = world.approvals.hold(request());
    await expect.poll(() => world.store.reviews.get(held.id)).toBeDefined();
    world.auditFails = true;
    await expect(world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob })).rejects.toThrow();
    world.auditFails = false;
    expect(await world.approvals.get(held.id)).toMatchObject({ state: 'pending', decisions: [] });
  });

  it('does not run when the store fails', async () => {
    const reviews = { ...world.store.reviews, add: () => Promise.reject(new Error('disk gone')) };
    const broken = new Approvals({ ...world, reviews: reviews as never, audit: world.audit, clock: world.clock });
    expect(await broken.hold(request()).settled).toMatchObject({ state: 'cancelled' });
    broken.stop();
  });

  it('is decided by another process on the same store', async () => {
    const other = await import('../../../../src/store/index.ts').then(({ openStore }) =>
      openStore({ directory: world.directory, clock: world.clock }),
    );
    const { audit, clock, log } = world;
    const theirs = new Approvals({ reviews: other.reviews, audit, clock, log });
    const held = world.approvals.hold(request());
    await expect.poll(() => other.reviews.get(held.id)).toBeDefined();
    await theirs.decide(held.id, { verdict: 'approve', reviewer: bob });
    expect(await held.settled).toMatchObject({ state: 'used' });
    await other.close();
  });

  it('is not read again and again while it waits, however large it is', async () => {
    const { store, audit, clock, log } = world;
    let glances = 0;
    const read: string[] = [];
    const reviews: ReviewStore = {
      add: (review) => store.reviews.add(review),
      change: (id, decide) => store.reviews.change(id, decide),
      get: (id) => {
        read.push(id);
        return store.reviews.get(id);
      },
      list: (filter) => {
        read.push('list');
        return store.reviews.list(filter);
      },
      glance: (filter) => {
        glances += 1;
        return store.reviews.glance(filter);
      },
    };
    const waiting = new Approvals({ reviews, audit, clock, log, pollMs: 10 });
    const held = waiting.hold(request());
    await expect.poll(() => glances).toBeGreaterThan(3);
    expect(read).toEqual([]);
    await world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob });
    expect(await held.settled).toMatchObject({ state: 'used' });
    expect(read).toEqual([held.id]);
    waiting.stop();
  });

  it('has each word on record: asked, decided, used', async () => {
    const held = world.approvals.hold(request());
    await world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob });
    await held.settled;
    const states = world.entries.filter((entry) => entry.fields.review === held.id).map((entry) => entry.fields.state);
    expect(states).toEqual(['pending', 'approved', 'used']);
  });
});

describe('races', () => {
  it('are settled by the store: many at once approve and deny, one outcome', async () => {
    for (let round = 0; round < 10; round++) {
      const held = world.approvals.hold(request());
      await expect.poll(() => world.store.reviews.get(held.id)).toBeDefined();
      const words = await Promise.allSettled([
        world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob }),
        world.approvals.decide(held.id, { verdict: 'deny', reviewer: carol }),
        world.approvals.decide(held.id, { verdict: 'approve', reviewer: carol }),
      ]);
      const result = await held.settled;
      const review = await world.approvals.get(held.id);
      expect(review.state).toBe(result.state);
      expect(['used', 'denied']).toContain(result.state);
      expect(words.some((word) => word.status === 'rejected')).toBe(true);
    }
  });

  it('count two people who approve at the same moment in two processes', async () => {
    const { openStore } = await import('../../../../src/store/index.ts');
    const other = await openStore({ directory: world.directory, clock: world.clock });
    const theirs = new Approvals({ ...world, reviews: other.reviews, audit: world.audit, clock: world.clock });
    for (let round = 0; round < 10; round++) {
      const held = world.approvals.hold(request({ reviewers: { groups: ['dba'], count: 2 } }));
      await expect.poll(() => other.reviews.get(held.id)).toBeDefined();
      await Promise.all([
        world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob }),
        theirs.decide(held.id, { verdict: 'approve', reviewer: carol }),
      ]);
      expect(await held.settled).toMatchObject({ state: 'used' });
    }
    await other.close();
  });
});

describe('watching', () => {
  it('sees reviews come and go', async () => {
    const seen: string[] = [];
    const stop = world.approvals.watch((review) => void seen.push(review.state));
    const held = world.approvals.hold(request());
    await expect.poll(() => seen).toContain('pending');
    await world.approvals.decide(held.id, { verdict: 'approve', reviewer: bob });
    await expect.poll(() => seen).toContain('used');
    stop();
  });

  it('closes at start what a dead session waited for, and leaves requests for grants', async () => {
    const held = world.approvals.hold(request());
    await expect.poll(() => world.store.reviews.get(held.id)).toBeDefined();
    const grant = await world.approvals.requestGrant({
      principal: alice,
      connection: 'prod-db',
      grantMs: 1000,
      reviewers: { groups: ['dba'], count: 1 },
      policy: 'v1',
    });
    const { audit, clock, log } = world;
    const restarted = new Approvals({ reviews: world.store.reviews, audit, clock, log });
    expect(await restarted.closeOrphans()).toBe(1);
    expect(await stateOf(held)).toBe('cancelled');
    expect((await world.approvals.get(grant.id)).state).toBe('pending');
  });

  it('shows as expired what nobody waited for any more', async () => {
    const { id } = await world.approvals.requestGrant({
      principal: alice,
      connection: 'prod-db',
      grantMs: 1000,
      reviewers: { groups: ['dba'], count: 1 },
      policy: 'v1',
      waitMs: 10,
    });
    world.skew = 11;
    expect((await world.approvals.list()).find((review) => review.id === id)?.state).toBe('expired');
  });
});

describe('a grant', () => {
  const ask = (principal = alice, grantMs = 60_000) =>
    world.approvals.requestGrant({
      principal,
      connection: 'prod-db',
      grantMs,
      reviewers: { groups: ['dba'], count: 1 },
      policy: 'v1',
      reason: 'incident 7',
    });

  it('begins with the approval and ends at its absolute end', async () => {
    const review = await ask();
    expect(await world.grants.active(alice, 'prod-db')).toBeUndefined();
    await expect(world.approvals.decide(review.id, { verdict: 'approve', reviewer: alice })).rejects.toMatchObject({
      code: 'forbidden',
    });
    expect((await world.approvals.decide(review.id, { verdict: 'approve', reviewer: bob })).state).toBe('used');
    const grant = await world.grants.active(alice, 'prod-db');
    expect(grant).toMatchObject({ review: review.id, connection: 'prod-db', subject: 'alice' });
    expect(grant!.endsAt - grant!.startsAt).toBe(60_000);
    world.skew = 59_000;
    expect((await world.grants.active(alice, 'prod-db'))?.endsAt).toBe(grant!.endsAt);
    world.skew = 61_000;
    expect(await world.grants.active(alice, 'prod-db')).toBeUndefined();
  });

  it('is for this principal, with this agent or none, and this connection', async () => {
    const review = await ask(aliceAgent);
    await world.approvals.decide(review.id, { verdict: 'approve', reviewer: bob });
    expect(await world.grants.active(aliceAgent, 'prod-db')).toBeDefined();
    for (const other of [alice, { ...aliceAgent, actor: 'gpt' }, { ...aliceAgent, issuer: 'local' }, bob]) {
      expect(await world.grants.active(other, 'prod-db')).toBeUndefined();
    }
    expect(await world.grants.active(aliceAgent, 'other-db')).toBeUndefined();
  });

  it('ends when it is revoked, once, and says so to whoever cuts sessions', async () => {
    const review = await ask();
    await world.approvals.decide(review.id, { verdict: 'approve', reviewer: bob });
    const grant = (await world.grants.active(alice, 'prod-db'))!;
    const session = world.session({ grant });
    await world.grants.revoke(grant.id, carol, 'over');
    expect(session.signal.reason).toMatchObject({ code: 'grant_ended', message: 'the grant was revoked' });
    expect(await world.grants.active(alice, 'prod-db')).toBeUndefined();
    await expect(world.grants.revoke(grant.id, carol)).rejects.toMatchObject({ code: 'conflict' });
    await expect(world.grants.revoke('g-none', carol)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('that another process revokes cuts sessions here too', async () => {
    const review = await ask();
    await world.approvals.decide(review.id, { verdict: 'approve', reviewer: bob });
    const grant = (await world.grants.active(alice, 'prod-db'))!;
    const session = world.session({ grant });
    world.grants.start();
    await world.store.grants.revoke(grant.id, 'carol', undefined, world.clock.now());
    await expect.poll(() => session.signal.aborted).toBe(true);
  });

  it('is made once, though two approve at the same moment', async () => {
    const review = await ask();
    await Promise.allSettled([
      world.approvals.decide(review.id, { verdict: 'approve', reviewer: bob }),
      world.approvals.decide(review.id, { verdict: 'approve', reviewer: carol }),
    ]);
    expect(await world.store.grants.list()).toHaveLength(1);
  });
});
