import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Facts } from '../../../../src/protocol/contract.ts';
import { agent, alice, policyOf, problemsOf, prod, vocabulary } from './fixture.ts';

// Random documents and statements over small alphabets, so that rules really meet statements.

const some = <T>(values: readonly T[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const does = Object.keys(vocabulary.does);
const names = ['a', 'b', 's.a', 's.b', '*', 's.*', 'a*', 'abcd', 'abc*', 's.abcd*', 'ab?d', '*.abc'];

const conditions = {
  does: some(does),
  objects: some(vocabulary.objects),
  relations: some(names),
  columns: some(['a.x', 'abcd.x', 'abc*.*', '*.y', 's.a.x', 'a?.x']),
  functions: some([...names, 'pg_read_file']),
  unbounded: fc.constant(true as const),
  opaque: fc.constant(true as const),
  dangerous: fc.constant(true as const),
  text: fc.constantFrom('x', '^y'),
  reasonMissing: fc.constant(true as const),
};
/** One or two, so that they often hold. */
const when = fc
  .subarray(Object.keys(conditions) as (keyof typeof conditions)[], { minLength: 1, maxLength: 2 })
  .chain((keys) => fc.record(conditions, { requiredKeys: keys }).map((all) => pick(all, keys)));

function pick(all: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(all).filter(([key]) => keys.includes(key)));
}

const rules = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom('r1', 'r2', 'r3', 'r4', 'r5', 'r6'),
      who: maybe(fc.constant({ kinds: ['person' as const] })),
      when: maybe(when),
      then: fc.constantFrom('allow', 'deny', 'review'),
      count: fc.integer({ min: 1, max: 2 }),
      groups: some(['dba', 'ops']),
      wait: fc.constantFrom('1m', '2m'),
    }),
    { selector: (rule) => rule.name, maxLength: 6 },
  )
  .map((drafts) =>
    drafts.map(({ count, groups, wait, ...rule }) =>
      rule.then === 'review' ? { ...rule, reviewers: { groups, count }, wait } : { ...rule, reviewers: undefined },
    ),
  );

const use = fc.record({
  schema: maybe(fc.constantFrom('s', 't')),
  name: fc.constantFrom('a', 'b', 'ab', 'abc', 'ABCD', 'abcde'),
  columns: maybe(fc.uniqueArray(fc.constantFrom('x', 'y', 'z'))),
  read: fc.boolean(),
  written: fc.boolean(),
});
const part: fc.Arbitrary<Facts> = fc.record({
  does: some(does),
  object: maybe(fc.constantFrom(...vocabulary.objects)),
  relations: fc.array(use, { maxLength: 2 }),
  functions: fc.array(fc.constantFrom('a', 's.b', 't.a', 'abcde', 's.ABCD', 'pg_read_file', 'dblink'), {
    maxLength: 2,
  }),
  unbounded: fc.boolean(),
  opaque: maybe(fc.constant('a block')),
});

const scenario = fc.record({
  // Only what a document may say: some that can never come to anything are errors.
  rules: rules.filter((list) => problemsOf({ rules: list }).length === 0),
  parts: fc.array(part, { maxLength: 3 }),
  text: fc.constantFrom('x', 'y', 'z'),
  principal: fc.constantFrom(alice, agent),
  reason: maybe(fc.constant('why')),
});

test('the order of the rules never matters', () => {
  fc.assert(
    fc.property(
      scenario.chain((one) =>
        fc.tuple(fc.constant(one), fc.shuffledSubarray(one.rules, { minLength: one.rules.length })),
      ),
      ([{ rules, parts, text, principal, reason }, shuffled]) => {
        const decide = (list: readonly object[]) =>
          policyOf({ rules: list }).session(principal, prod, { reason }).decide(parts, text, 0);
        expect(decide(shuffled)).toEqual(decide(rules));
      },
    ),
    { numRuns: 500 },
  );
});

test('the verdict is that of the rules that the explanation finds to hold', () => {
  fc.assert(
    fc.property(scenario, ({ rules, parts, text, principal, reason }) => {
      fc.pre(parts.length > 0);
      const policy = policyOf({ rules });
      const explanation = policy.explain({ principal, connection: prod, parts, text, now: 0, reason });
      // Found again from the findings alone: what is not about a part holds, and all of some part does.
      const holding = explanation.rules
        .filter(({ findings }) => findings.every(({ holds, part }) => part !== undefined || holds))
        .filter(({ findings }) => parts.some((_, i) => findings.every(({ holds, part }) => part !== i || holds)))
        .map(({ name }) => name);
      expect(explanation.rules.filter(({ matched }) => matched).map(({ name }) => name)).toEqual(holding);
      const strictest = ['deny', 'review'].find((then) =>
        explanation.rules.some((rule) => rule.matched && rule.then === then),
      );
      const guarded = explanation.verdict.matched.some((name) => name === 'opaque' || name === 'dangerous');
      const reviewing = rules.filter(
        (rule) => rule.then === 'review' && explanation.verdict.matched.includes(rule.name),
      );
      const nobody =
        strictest === 'review' &&
        !['dba', 'ops'].some((group) => reviewing.every((rule) => rule.reviewers?.groups.includes(group)));
      expect(explanation.verdict.verdict).toBe(guarded || nobody ? 'deny' : (strictest ?? 'allow'));
    }),
    { numRuns: 500 },
  );
});

test('a statement more never loosens the verdict', () => {
  const rank = { allow: 0, review: 1, deny: 2 };
  fc.assert(
    fc.property(scenario, part, ({ rules, parts, text, principal, reason }, more) => {
      fc.pre(parts.length > 0);
      const session = policyOf({ rules }).session(principal, prod, { reason });
      const before = session.decide(parts, text, 0);
      const after = session.decide([...parts, more], text, 0);
      expect(rank[after.verdict]).toBeGreaterThanOrEqual(rank[before.verdict]);
    }),
    { numRuns: 500 },
  );
});
