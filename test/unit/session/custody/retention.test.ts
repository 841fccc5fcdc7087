// Which line of the configuration a recording goes by.

import { expect, it } from 'vitest';
import { type RetentionRule, ruleFor } from '../../../../src/session/custody/retention.ts';

it('a rule is the first whose labels a recording has', () => {
  const rules: RetentionRule[] = [
    { labels: { env: 'temp', team: 'a' }, keep: 1, then: 'purge' },
    { labels: { env: 'temp' }, keep: 2, then: 'purge' },
    { labels: { env: 'prod' }, keep: 3, then: 'purge' },
  ];
  expect(ruleFor(rules, { env: 'temp', team: 'a' })?.place).toBe(0);
  expect(ruleFor(rules, { env: 'temp' })?.place).toBe(1);
  expect(ruleFor(rules, { team: 'a' })).toBeUndefined();
  expect(ruleFor([...rules, { labels: {}, keep: 4, then: 'purge' }], {})?.place).toBe(3);
});
