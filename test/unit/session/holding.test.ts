import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Held } from '../../../src/session/approvals/approvals.ts';
import type { Review } from '../../../src/session/approvals/types.ts';
import { remind } from '../../../src/session/holding.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('who waits is told after 15 s, 30 s, a minute, then every two; at once when one has approved; not when it is over', async () => {
  const settled = Promise.withResolvers<never>();
  let progress: (review: Review) => void = () => {};
  const held = {
    expiresAt: Date.now() + 600_000,
    settled: settled.promise,
    onProgress: (listener: typeof progress) => {
      progress = listener;
    },
  } as unknown as Held;
  const told: [number, number][] = [];
  const begun = Date.now();
  remind(held, 2, { now: () => Date.now() }, (approvals) => told.push([(Date.now() - begun) / 1000, approvals]));
  await vi.advanceTimersByTimeAsync(60_000);
  const decision = { verdict: 'approve', person: 'corp|bob', by: 'bob', at: 0 };
  progress({ reviewers: { groups: ['dba'], count: 2 }, decisions: [decision] } as unknown as Review);
  await vi.advanceTimersByTimeAsync(280_000);
  expect(told).toEqual([
    [15, 0],
    [45, 0],
    [60, 1],
    [105, 1],
    [225, 1],
  ]);
  settled.resolve({ state: 'used', by: [] } as never);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(told).toHaveLength(5);
});
