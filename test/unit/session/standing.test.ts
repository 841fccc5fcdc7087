// Approvals that are for more than once, through a session: what they cover, and every single thing that they do not.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Hold, Operation } from '../../../src/protocol/contract.ts';
import { Approvals } from '../../../src/session/approvals/approvals.ts';
import { StandingApprovals } from '../../../src/session/approvals/standing.ts';
import type { Variant } from '../../../src/session/approvals/types.ts';
import type { GatewaySession } from '../../../src/session/session.ts';
import { openStore } from '../../../src/store/index.ts';
import { alice, aliceAgent, bob, carol, FakePolicy, query, World } from './world.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  vi.useRealTimers();
  await world.close();
});

const shaped = (text: string, params?: string[]): Operation => ({
  ...query(text, params),
  shape: text.replace(/\d+/g, '?'),
});
const FOR_15M: Variant = { kind: 'time', ms: 15 * 60_000 };

function hold(session: GatewaySession, operation: Operation): Hold {
  const { decision } = session.decide(operation);
  if (decision.verdict !== 'hold') throw new Error(`expected a hold, got ${decision.verdict}`);
  return decision;
}

async function approved(session: GatewaySession, operation: Operation, variant: Variant): Promise<string> {
  const held = hold(session, operation);
  await world.approvals.decide(held.review, { verdict: 'approve', reviewer: bob, variant });
  expect((await held.settled).verdict).toBe('allow');
  return held.review;
}

const verdict = (session: GatewaySession, operation: Operation) => session.decide(operation).decision.verdict;

describe('an approval of what is executed by name', () => {
  const executing = (executes: string): Operation => ({ ...query('review execute p'), executes });

  it('shows the text that was prepared, and is for that text', async () => {
    const session = world.session();
    const held = hold(session, executing('prepare p as delete from t'));
    const review = await world.approvals.get(held.review);
    expect(review.text).toBe('review execute p\n/* executes: */ prepare p as delete from t');
    held.cancel('enough');
    await held.settled;
    await approved(session, executing('prepare p as delete from t'), FOR_15M);
    expect(verdict(session, executing('prepare p as delete from t'))).toBe('allow');
    expect(verdict(session, executing('prepare p as delete from other'))).toBe('hold');
    expect(verdict(session, query('review execute p'))).toBe('hold');
  });
});

describe('an approval for the session', () => {
  it('covers the shape with other constants, and names the review in the record', async () => {
    const session = world.session();
    const review = await approved(session, shaped('review 1'), { kind: 'session' });
    expect(session.decide(shaped('review 2')).decision).toEqual({ verdict: 'allow', rule: 'look', review });
    session.end({ code: 'client_closed', message: '' });
    await session.closed;
    const intents = (await world.lines(session.id)).filter((line) => line.kind === 'intent');
    expect(intents[1]).toMatchObject({ verdict: 'allow', rule: 'look', review, standing: 'session' });
    expect(world.entries.find(({ fields }) => fields.verdict === 'approve')?.fields).toMatchObject({
      review,
      standing: { kind: 'session' },
    });
  });

  it('covers no other shape, session, principal, actor, connection, policy or rule', async () => {
    const session = world.session();
    await approved(session, shaped('review 1'), { kind: 'session' });
    expect(verdict(session, shaped('review 1 also'))).toBe('hold');
    expect(verdict(session, query('review 1'))).toBe('hold');
    expect(verdict(world.session(), shaped('review 1'))).toBe('hold');
    expect(world.approvals.standing(wanted(session))).toBeDefined();
    expect(world.approvals.standing({ ...wanted(session), principal: carol })).toBeUndefined();
    expect(world.approvals.standing({ ...wanted(session), principal: aliceAgent })).toBeUndefined();
    expect(world.approvals.standing({ ...wanted(session), connection: 'other' })).toBeUndefined();
    expect(world.approvals.standing({ ...wanted(session), rules: ['look', 'closer'] })).toBeUndefined();
    world.policy = new FakePolicy('v2');
    expect(verdict(session, shaped('review 1'))).toBe('hold');
  });

  it('is refused where the statement has no shape', async () => {
    const session = world.session();
    const held = hold(session, query('review 1'));
    const wish = { verdict: 'approve', reviewer: bob, variant: { kind: 'session' } } as const;
    await expect(world.approvals.decide(held.review, wish)).rejects.toMatchObject({ code: 'usage' });
    held.cancel('enough');
    await held.settled;
  });
});

const wanted = (session: GatewaySession) => ({
  principal: alice,
  connection: 'prod-db',
  session: session.id,
  policy: 'v1',
  rules: ['look'],
  text: 'review 9',
  exact: '',
  shape: 'review ?',
});

const asked = { principal: alice, connection: 'prod-db', session: 's-9', policy: 'v1', rules: ['look'] };

describe('an approval for a time', () => {
  it('covers the very statement in any session of the principal, until its end, which is absolute', async () => {
    await approved(world.session(), shaped('review 1', ['a']), FOR_15M);
    const other = world.session();
    expect(verdict(other, shaped('review 1', ['a']))).toBe('allow');
    world.skew = 14 * 60_000;
    expect(verdict(other, shaped('review 1', ['a']))).toBe('allow');
    world.skew = 15 * 60_000 + 1000;
    expect(verdict(other, shaped('review 1', ['a']))).toBe('hold');
  });

  it.each([
    ['another byte', shaped('review 1 ', ['a'])],
    ['another value', shaped('review 1', ['b'])],
    ['no values', shaped('review 1')],
  ])('does not cover %s', async (_, operation) => {
    await approved(world.session(), shaped('review 1', ['a']), FOR_15M);
    expect(verdict(world.session(), operation)).toBe('hold');
  });

  it('does not cover an agent of the same person', async () => {
    await approved(world.session(), shaped('review 1'), FOR_15M);
    expect(verdict(world.session({ principal: aliceAgent }), shaped('review 1'))).toBe('hold');
  });

  it('ends at once with a deny, though it was used', async () => {
    const session = world.session();
    const review = await approved(session, shaped('review 1'), FOR_15M);
    const denied = await world.approvals.decide(review, { verdict: 'deny', reviewer: carol, reason: 'enough' });
    expect(denied).toMatchObject({ state: 'denied', outcome: 'taken back by carol@example.com: enough' });
    expect(verdict(session, shaped('review 1'))).toBe('hold');
  });

  it('is for what is shown, how it is to be read, and what else decides what runs; one of before the update for nothing', async () => {
    const of = (more: Partial<Operation>): Operation => ({ ...query('review 1', ['\\x41']), ...more });
    await approved(world.session(), of({ exact: 'text' }), FOR_15M);
    expect(verdict(world.session(), of({ exact: 'text' }))).toBe('allow');
    expect(verdict(world.session(), of({ exact: 'binary' }))).toBe('hold');
    expect(verdict(world.session(), of({ exact: 'text', forms: ['binary'] }))).toBe('hold');
    expect(verdict(world.session(), of({ exact: 'text', bytes: '/w==' }))).toBe('hold');
    const [review] = await world.approvals.list({ standingAt: world.clock.now() });
    const standing = new StandingApprovals();
    const asked = { ...review!, session: 's-9', rules: ['look'], exact: 'text' };
    standing.note(review!, world.clock.now());
    expect(standing.find(asked, world.clock.now())).toBeDefined();
    const { exact: _, ...before } = review!;
    const old = new StandingApprovals();
    old.note(before, world.clock.now());
    expect(old.size).toBe(0);
  });

  it('ends within a moment when it is taken back in another process', async () => {
    const review = await approved(world.session(), shaped('review 1'), FOR_15M);
    const { store, audit, clock, log } = world;
    const elsewhere = new Approvals({ reviews: store.reviews, audit, clock, log, pollMs: 20 });
    await elsewhere.restore();
    expect(elsewhere.standing({ ...asked, text: 'review 1', exact: '' })).toBeDefined();
    await elsewhere.decide(review, { verdict: 'deny', reviewer: carol });
    await expect.poll(() => verdict(world.session(), shaped('review 1'))).toBe('hold');
    elsewhere.stop();
  });

  it('ends within a moment also where the clock of whoever takes it back is far behind', async () => {
    const review = await approved(world.session(), shaped('review 1'), FOR_15M);
    const { audit, log } = world;
    const clock = { now: () => world.clock.now() - 15_000 };
    const store = await openStore({ directory: world.directory, clock });
    const elsewhere = new Approvals({ reviews: store.reviews, audit, clock, log, pollMs: 20 });
    await elsewhere.decide(review, { verdict: 'deny', reviewer: carol });
    await expect.poll(() => verdict(world.session(), shaped('review 1'))).toBe('hold');
    elsewhere.stop();
    await store.close();
  });

  it('survives a restart of the gateway; one for a session does not', async () => {
    const session = world.session();
    await approved(session, shaped('review 1'), FOR_15M);
    await approved(session, shaped('review also 2'), { kind: 'session' });
    session.end({ code: 'client_closed', message: '' });
    await session.closed;
    world.approvals.stop();
    await world.store.close();
    await world.start();
    await world.approvals.restore();
    expect(verdict(world.session(), shaped('review 1'))).toBe('allow');
    expect(world.approvals.standing({ ...wanted(session), shape: 'review also ?' })).toBeUndefined();
  });

  it.each([0, 25 * 3_600_000])('cannot be %d ms long', async (ms) => {
    const held = hold(world.session(), shaped('review 1'));
    const wish = { verdict: 'approve', reviewer: bob, variant: { kind: 'time', ms } } as const;
    await expect(world.approvals.decide(held.review, wish)).rejects.toMatchObject({ code: 'usage' });
    held.cancel('enough');
    await held.settled;
  });
});

describe('two approvals', () => {
  const both = async (first: Variant, second: Variant) => {
    world.policy.reviewers = { groups: ['dba'], count: 2 };
    const held = hold(world.session(), shaped('review 1'));
    await world.approvals.decide(held.review, { verdict: 'approve', reviewer: bob, variant: first });
    await world.approvals.decide(held.review, { verdict: 'approve', reviewer: carol, variant: second });
    await held.settled;
    return verdict(world.session(), shaped('review 1'));
  };

  it('stand for the shorter of two times', async () => {
    expect(await both(FOR_15M, { kind: 'time', ms: 60_000 })).toBe('allow');
    world.skew = 61_000;
    expect(verdict(world.session(), shaped('review 1'))).toBe('hold');
  });

  it.each<[Variant, Variant]>([
    [FOR_15M, { kind: 'once' }],
    [{ kind: 'session' }, FOR_15M],
  ])('that do not agree are for once', async (first, second) => {
    expect(await both(first, second)).toBe('hold');
  });
});

describe('reasons', () => {
  it('that a rule wants and the session has not are a refusal that says how to give one', () => {
    world.policy.reason = 'required';
    const { decision } = world.session().decide(query('review me'));
    expect(decision).toMatchObject({
      verdict: 'deny',
      refusal: { code: 'denied', rule: 'look', next: expect.stringContaining('--reason') },
    });
    expect(verdict(world.session({ reason: '  ' }), query('review me'))).toBe('deny');
    expect(verdict(world.session({ reason: 'ticket 7' }), query('review me'))).toBe('hold');
  });

  it.each(['approve', 'deny'] as const)('that reviewers have to give are asked for: %s', async (word) => {
    world.policy.reviewers = { groups: ['dba'], count: 1, reason: 'required' };
    const held = hold(world.session(), query('review me'));
    for (const reason of [undefined, ' ']) {
      const wish = { verdict: word, reviewer: bob, ...(reason === undefined ? {} : { reason }) };
      await expect(world.approvals.decide(held.review, wish)).rejects.toMatchObject({
        code: 'usage',
        fix: `say why: hoopctl reviews ${word} ${held.review} --reason "…"`,
      });
    }
    await world.approvals.decide(held.review, { verdict: word, reviewer: bob, reason: 'checked' });
    expect((await held.settled).verdict).toBe(word === 'approve' ? 'allow' : 'deny');
  });
});

describe('while it waits', () => {
  it('the first notice alone says which review, which rule and how it is approved', () => {
    const held = hold(world.session(), query('review me'));
    for (const part of [held.review, '"look"', `hoopctl reviews approve ${held.review}`]) {
      expect(held.notice[0]).toContain(part);
    }
  });

  it('the client hears of it again, less and less often, until it is decided', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    world.policy.waitMs = 3_600_000;
    const held = hold(world.session(), query('review me'));
    const heard: string[] = [];
    held.onNotice?.((lines) => void heard.push(...lines));
    vi.advanceTimersByTime(14_999);
    expect(heard).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(heard[0]).toContain(`hoopctl reviews approve ${held.review}`);
    vi.advanceTimersByTime(15 * 60_000);
    expect(heard.length).toBeGreaterThan(5);
    expect(heard.length).toBeLessThan(12);
    const before = heard.length;
    held.cancel('enough');
    await held.settled;
    vi.advanceTimersByTime(3_600_000);
    expect(heard.length).toBe(before);
  });

  it('the client hears when one of two has approved', async () => {
    world.policy.reviewers = { groups: ['dba'], count: 2 };
    const held = hold(world.session(), query('review me'));
    const heard: string[] = [];
    held.onNotice?.((lines) => void heard.push(...lines));
    await world.approvals.decide(held.review, { verdict: 'approve', reviewer: bob });
    expect(heard).toEqual([expect.stringContaining('1 of 2 have approved')]);
    await world.approvals.decide(held.review, { verdict: 'approve', reviewer: carol });
    expect((await held.settled).verdict).toBe('allow');
    expect(heard).toHaveLength(1);
  });
});

describe('breaking the glass', () => {
  it('gives a grant at once, on record, and warns', async () => {
    const asked = { principal: alice, connection: 'prod-db', policy: 'v1', grantMs: 60_000, reason: 'fire' };
    const grant = await world.approvals.breakGlass(asked);
    expect(await world.grants.active(alice, 'prod-db')).toMatchObject({ id: grant.id, breakGlass: true });
    expect(world.entries.at(-1)).toMatchObject({ kind: 'grant', fields: { action: 'break-glass', reason: 'fire' } });
    expect(world.logged).toContainEqual({ level: 'warn', message: 'the glass was broken' });
    expect(await world.approvals.get(grant.review)).toMatchObject({ state: 'used', outcome: 'the glass was broken' });
  });

  it('gives nothing when that cannot be put on record', async () => {
    world.auditFails = true;
    const asked = { principal: alice, connection: 'prod-db', policy: 'v1', grantMs: 60_000, reason: 'fire' };
    await expect(world.approvals.breakGlass(asked)).rejects.toThrow();
    expect(await world.grants.active(alice, 'prod-db')).toBeUndefined();
  });
});
