import { expect, it } from 'vitest';
import { oneAtATime } from '../../../src/core/one-at-a-time.ts';

it('begins no second before the first has ended, and then one for all who asked meanwhile', async () => {
  const begun: PromiseWithResolvers<void>[] = [];
  const look = oneAtATime(() => {
    begun.push(Promise.withResolvers<void>());
    return begun.at(-1)!.promise;
  });
  const ended: string[] = [];
  const first = look().then(() => ended.push('first'));
  const both = [look(), look()].map((one) => one.then(() => ended.push('behind it')));
  expect(begun).toHaveLength(1);
  begun[0]!.resolve();
  await first;
  await expect.poll(() => begun.length).toBe(2);
  expect(ended).toEqual(['first']);
  begun[1]!.resolve();
  await Promise.all(both);
  expect([begun.length, ended]).toEqual([2, ['first', 'behind it', 'behind it']]);
  void look();
  expect(begun).toHaveLength(3);
});
