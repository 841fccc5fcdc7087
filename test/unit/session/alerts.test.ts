// What a session's parts raise as alerts, and what never is in one.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Alert } from '../../../src/session/alerts.ts';
import { Approvals } from '../../../src/session/approvals/approvals.ts';
import type { GatewaySession } from '../../../src/session/session.ts';
import { alice, bob, query, World } from './world.ts';

let world: World;
let alerts: Alert[];
let session: GatewaySession;

beforeEach(async () => {
  world = await World.open();
  alerts = [];
  const raise = (alert: Alert) => void alerts.push(alert);
  const { store, audit, clock, log } = world;
  world.approvals.stop();
  world.approvals = new Approvals({ reviews: store.reviews, audit, clock, log, alerts: { raise }, pollMs: 20 });
  session = world.session({ alerts: { raise }, reason: 'ticket 7' });
});
afterEach(() => world.close());

const SECRET = '4111111111111111';
const types = () => alerts.map((alert) => alert.type);

describe('alerts', () => {
  it('tell of a held operation and how it came out, once each', async () => {
    const { decision } = session.decide({ ...query(`review '${SECRET}'`, [SECRET]), shape: 'review ?' });
    if (decision.verdict !== 'hold') throw new Error('expected a hold');
    await expect.poll(types).toEqual(['review.pending']);
    await world.approvals.decide(decision.review, { verdict: 'approve', reviewer: bob, reason: 'fine' });
    await decision.settled;
    expect(types()).toEqual(['review.pending', 'review.decided']);
    expect(alerts[0]!.data).toMatchObject({ requester: 'alice@example.com', reason: 'ticket 7', shape: 'review ?' });
    expect(alerts[1]!.data).toMatchObject({
      state: 'approved',
      decisions: [{ by: 'bob@example.com', reason: 'fine' }],
    });
    expect(new Set(alerts.map((alert) => alert.key)).size).toBe(2);
  });

  it('tell of one that was given up, or that nobody decided', async () => {
    const { decision } = session.decide(query('review me'));
    if (decision.verdict !== 'hold') throw new Error('expected a hold');
    decision.cancel('Ctrl-C');
    await expect.poll(types).toEqual(['review.pending', 'review.decided']);
    expect(alerts[1]!.data).toMatchObject({ state: 'cancelled' });
  });

  it('tell of a refusal by a rule, not of one by a failure of ours', () => {
    session.decide(query(`deny '${SECRET}'`, [SECRET]));
    session.decide(query('throw'));
    expect(types()).toEqual(['operation.denied']);
    expect(alerts[0]).toMatchObject({ throttle: expect.any(String), data: { rule: 'no', session: session.id } });
  });

  it('tell of the end of a session, and of a record that fails', async () => {
    world.files.room = 0;
    session.decide(query('select 1'));
    session.recorded(() => {});
    await expect.poll(types).toContain('recording.failed');
    world.files.room = undefined;
    session.end({ code: 'client_closed', message: '' });
    await session.closed;
    expect(alerts.at(-1)).toMatchObject({ type: 'session.ended', data: { code: 'recording_failed', operations: 1 } });
  });

  it('tell of access that begins, by approval and without', async () => {
    const asked = { principal: alice, connection: 'prod-db', policy: 'v1', grantMs: 60_000, reason: 'fire' };
    const review = await world.approvals.requestGrant({ ...asked, reviewers: { groups: ['dba'], count: 1 } });
    await world.approvals.decide(review.id, { verdict: 'approve', reviewer: bob });
    await world.approvals.breakGlass(asked);
    expect(types()).toEqual(['review.pending', 'review.decided', 'grant.started', 'break-glass']);
    expect(alerts[2]!.data).toMatchObject({ by: ['bob@example.com'], until: expect.any(String) });
  });

  it('never hold a text or a value', async () => {
    session.decide({ ...query(`review '${SECRET}'`, [SECRET]), shape: 'review ?' });
    session.decide(query(`deny '${SECRET}'`, [SECRET]));
    session.end({ code: 'client_closed', message: '' });
    await session.closed;
    await expect.poll(types).toContain('session.ended');
    expect(JSON.stringify(alerts)).not.toContain(SECRET);
  });
});
