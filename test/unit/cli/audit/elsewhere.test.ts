// The list of sessions in pages: each once, also where several began in one millisecond.

import { expect, it } from 'vitest';
import { eachPage } from '../../../../src/cli/audit/elsewhere.ts';

it.each([0, 3, 4, 5, 17])('%i sessions, in pages of four', async (count) => {
  // Three a millisecond.
  const all = Array.from({ length: count }, (_, i) => ({ id: `s-${i}`, startedAt: Math.floor(i / 3) })).reverse();
  const heard: string[] = [];
  const ask = async (before: number) => all.filter(({ startedAt }) => startedAt < before).slice(0, 4);
  await eachPage(1000, ask, ({ id }) => heard.push(id), 4);
  expect(heard).toEqual(all.map(({ id }) => id));
});
