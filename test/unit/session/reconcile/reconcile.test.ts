import { expect, it } from 'vitest';
import type { Counted, Logged } from '../../../../src/protocol/contract.ts';
import { compareCounts } from '../../../../src/session/reconcile/counts.ts';
import { Matcher, type Sent } from '../../../../src/session/reconcile/match.ts';
import { type CopiedEvent, sentOperations } from '../../../../src/session/reconcile/sent.ts';
import { collect } from '../../../support/log.ts';

const logged = (at: number, text: string, more: Partial<Logged> = {}): Logged => ({
  ...{ at, text, account: 'gw', database: 'app', application: '', line: 1, own: false },
  ...more,
});
const sent = (at: number, text: string, more: Partial<Sent> = {}): Sent => ({
  ...{ at, text, session: 's', op: 1, who: 'alice', status: 'ok' },
  ...more,
});

function reconcile(log: readonly Logged[], record: readonly Sent[], toleranceMs = 1000) {
  const matcher = new Matcher(toleranceMs);
  for (const one of log) matcher.logged(one);
  for (const one of record) matcher.sent(one);
  const { notRecorded, notLogged, ...rest } = matcher.finish();
  return { ...rest, notRecorded: notRecorded.map(({ at }) => at), notLogged: notLogged.map(({ at }) => at) };
}

it('one statement is matched with one, in whichever order they come', () => {
  const log = [logged(100, 'a'), logged(50, 'a'), logged(5000, 'a'), logged(60, 'b\n')];
  const found = reconcile(log, [sent(70, 'a'), sent(120, 'a'), sent(61, ' b')]);
  expect(found).toEqual({
    ...{ matched: 3, own: 0, failed: 0, outside: 0, covers: { from: 50, to: 5000 } },
    ...{ notRecorded: [5000], notLogged: [] },
  });
});

it('the same text further apart than the clocks may be is two things', () => {
  const log = [logged(0, 'b'), logged(10_000, 'a'), logged(20_000, 'b')];
  expect(reconcile(log, [sent(0, 'b'), sent(5000, 'a'), sent(20_000, 'b')])).toMatchObject({
    ...{ matched: 2, notRecorded: [10_000], notLogged: [5000] },
  });
});

it('what waits in a pipeline runs until its outcome, and whatever could be another’s is left to that', () => {
  const log = [10, 5000, 20_000, 45_000, 100_000].map((at) => logged(at, 'a'));
  const piped = [30_000, 60_000].map((until, at) => sent(at, 'a', { until }));
  const record = [sent(0, 'a', { until: 99_500 }), ...piped, sent(2, 'a', { until: 12 })];
  expect(reconcile(log, record)).toMatchObject({ matched: 4, notRecorded: [100_000], notLogged: [] });
  // The one of which nobody knows when it was over.
  expect(reconcile(log, [sent(0, 'a'), sent(19_500, 'a')])).toMatchObject({ matched: 2, notLogged: [] });
});

it('of two of the same text the one that was not told as somebody’s is left over', () => {
  const log = [logged(10, 'a'), logged(20, 'a', { who: 'alice' })];
  expect(reconcile(log, [sent(15, 'a')])).toMatchObject({ matched: 1, notRecorded: [10] });
  // Whose name is another all the same counts as matched, where nothing is left otherwise: the name proves nothing.
  expect(reconcile([logged(20, 'a', { who: 'bob' })], [sent(15, 'a')])).toMatchObject({ matched: 1, notRecorded: [] });
});

it('tells a text that ran past the gateway however often', () => {
  const many = <T>(make: (i: number) => T) => Array.from({ length: 150_000 }, (_, i) => make(i));
  expect(
    reconcile(
      many((i) => logged(i, 'a')),
      [],
    ).notRecorded,
  ).toHaveLength(150_000);
  const told = reconcile(
    many((i) => logged(i, 'a', { who: 'bob' })),
    many((i) => sent(1_000_000 + i, 'a')),
  );
  expect(told.notRecorded).toHaveLength(150_000);
});

it('what failed need not be there, nor what is outside of the log or of the span; the gateway’s own is counted', () => {
  const log = [logged(100, 'x'), logged(900, 'own', { own: true }), logged(900, 'begin', { own: true })];
  const record = [
    ...[sent(100, 'x'), sent(500, 'failed', { status: 'error' }), sent(501, 'late', { optional: true })],
    ...[sent(5, 'before'), sent(900, 'begin'), sent(600, 'gone')],
  ];
  expect(reconcile(log, record)).toEqual({
    ...{ matched: 2, own: 1, failed: 1, outside: 1, covers: { from: 100, to: 900 } },
    ...{ notRecorded: [], notLogged: [600] },
  });
});

it('what the record says was sent: what was allowed, what a review let through when it did, nothing else', async () => {
  const event = (kind: string, at: number, data: object): CopiedEvent => ({
    ...{ kind, at: new Date(at).toISOString(), data: data as CopiedEvent['data'] },
    session: { id: 's', principal: { email: 'al@example.com', actor: 'bot' } },
  });
  async function* events() {
    yield event('session.intent', 1, { op: 1, text: 'a', verdict: 'allow' });
    yield event('session.intent', 2, { op: 2, text: 'b', verdict: 'deny' });
    yield event('session.intent', 3, { op: 3, text: 'c', verdict: 'review' });
    yield event('session.intent', 4, { op: 4, text: 'd', verdict: 'review' });
    yield event('session.result', 5, { op: 1, status: 'ok' });
    yield event('session.result', 6, { op: 1, status: 'error' });
    yield event('session.review', 9, { op: 3, state: 'used' });
    yield event('session.review', 9, { op: 4, state: 'denied' });
    // Allowed by the rules, and refused by a mask before it was sent.
    yield event('session.intent', 9, { op: 5, text: 'e', verdict: 'allow' });
    yield event('session.intent', 9, { op: 5, text: 'e', verdict: 'deny' });
    yield event('session.result', 9, { op: 5, status: 'error' });
    yield event('session.seal', 10, {});
  }
  const found = await collect(sentOperations(events(), () => expect.unreachable()));
  expect(found.map(({ at, op, status, who }) => [at, op, status, who])).toEqual([
    [1, 1, 'ok', 'al@example.com (agent: bot)'],
    [9, 3, undefined, 'al@example.com (agent: bot)'],
  ]);
});

it('what was held in front of what was read is asked for; of several statements those are told that came to their end', async () => {
  const event = (kind: string, data: object): CopiedEvent => ({
    ...{ kind, at: new Date(5).toISOString(), data: data as CopiedEvent['data'], session: { id: 's' } },
  });
  async function* events() {
    yield event('session.review', { op: 1, state: 'used' });
    yield event('session.result', { op: 1, status: 'ok' });
    yield event('session.review', { op: 2, state: 'denied' });
    yield event('session.intent', { op: 3, text: 'a; b; c', verdict: 'allow' });
    yield event('session.result', { op: 3, part: 0, status: 'ok' });
    yield event('session.result', { op: 3, part: 1, status: 'error' });
  }
  const earlier: unknown[] = [];
  const told = (session: string, op: number) => void earlier.push([session, op]);
  const found = await collect(sentOperations(events(), () => expect.unreachable(), told));
  expect(earlier).toEqual([['s', 1]]);
  expect(found).toMatchObject([{ op: 3, status: 'ok', done: [0] }]);
});

it('counts: the difference of two, by shape; none where the two cannot be compared', () => {
  const at = (calls: number, more: Partial<Counted> = {}): Counted => ({
    ...{ at: 1, since: 'then', lost: 0, statements: [{ shape: 'A', text: 'a', calls }] },
    ...more,
  });
  const recorded = new Map([
    ['A', { text: 'a 1', count: 3 }],
    ['B', { text: 'b', count: 1 }],
  ]);
  expect(compareCounts(at(2), at(6), recorded)).toEqual([
    { text: 'a', target: 4, record: 3 },
    { text: 'b', target: 0, record: 1 },
  ]);
  expect(compareCounts(at(2), at(6, { since: 'now' }), recorded)).toContain('reset at now');
  expect(compareCounts(at(2), at(6, { lost: 1 }), recorded)).toContain('left out statements');
});
