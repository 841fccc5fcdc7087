// One who asks without end: refused by the limit's name, and in nobody's way.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reviewRoutes } from '../../../../src/gateway/api/reviews.ts';
import type { Parts } from '../../../../src/gateway/parts.ts';
import { Approvals } from '../../../../src/session/approvals/approvals.ts';
import { alice, bob, carol, query, World } from '../world.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
  const { audit, clock, log } = world;
  world.approvals.stop();
  const limit = (declared: { name: string; unit: 'count' | 'bytes' | 'ms' | 'rows'; value: number }) => ({
    ...declared,
    value: declared.name === 'reviews_per_principal' ? 3 : declared.value,
  });
  world.approvals = new Approvals({ reviews: world.store.reviews, audit, clock, log, pollMs: 20, limit });
});
afterEach(() => world.close());

const asked = {
  ...{ principal: alice, connection: 'prod-db', policy: 'v1', grantMs: 60_000 },
  reviewers: { groups: ['dba'], count: 1 },
};

describe('reviews of one principal', () => {
  it('that are held are so many at once, and one that is decided makes room', async () => {
    const [one, other] = [world.session(), world.session()];
    const decide = (session: typeof one, text: string) => session.decide(query(text)).decision;
    const held = [decide(one, 'review 1'), decide(other, 'review 2'), decide(one, 'review 3')];
    const refused = decide(other, 'review 4');
    expect(refused).toMatchObject({ verdict: 'deny', refusal: { message: expect.stringContaining('limit') } });
    expect(refused).toMatchObject({
      refusal: { rule: 'look', message: expect.stringContaining('reviews_per_principal is 3') },
    });
    expect(decide(world.session({ principal: carol }), 'review 5').verdict).toBe('hold');
    const [first] = held;
    if (first?.verdict !== 'hold') throw new Error('it is not held');
    await world.approvals.decide(first.review, { verdict: 'approve', reviewer: bob });
    expect((await first.settled).verdict).toBe('allow');
    expect(decide(other, 'review 6').verdict).toBe('hold');
    expect(decide(other, 'review 7').verdict).toBe('deny');
  });

  it('for grants are so many at once, also of requests at the same moment', async () => {
    const wanted = await Promise.allSettled(Array.from({ length: 10 }, () => world.approvals.requestGrant(asked)));
    expect(wanted.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(3);
    await expect(
      (async () => {
        for (let i = 0; i < 4; i++) await world.approvals.requestGrant(asked);
      })(),
    ).rejects.toMatchObject({ code: 'limit_exceeded', message: expect.stringContaining('reviews_per_principal') });
    await world.approvals.requestGrant({ ...asked, principal: carol });
    world.skew += 25 * 3_600_000;
    await world.approvals.requestGrant(asked);
  });

  it('are listed for them however many of others came since', async () => {
    const { id } = await world.approvals.requestGrant(asked);
    const mine = await world.store.reviews.get(id);
    world.skew += 1;
    for (let n = 0; n < 1001; n++) {
      const principal = { ...carol, subject: `user-${n}` };
      await world.store.reviews.add({ ...mine!, id: `r-${n}`, principal, createdAt: world.clock.now() });
    }
    const parts = { approvals: world.approvals, clock: world.clock } as unknown as Parts;
    const list = reviewRoutes(parts).find(({ path }) => path === '/api/v1/reviews')!;
    const call = { query: { state: 'pending', limit: 100 }, caller: { principal: alice }, roles: [] };
    expect(await list.handle(call as never)).toMatchObject({ reviews: [{ id }] });
  });
});
