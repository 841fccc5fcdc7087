// What masks say of columns that a text names, offline.

import { expect, test } from 'vitest';
import type { NamedUse } from '../../../../src/protocol/contract.ts';
import { explanationLines } from '../../../../src/session/policy/explain.ts';
import { agent, alice, facts, policyOf, prod, reads } from './fixture.ts';

const policy = policyOf({
  rules: [
    { name: 'no-drop', when: { does: ['drop'] }, then: 'deny' },
    { name: 'ask', when: { does: ['delete'] }, then: 'review', reviewers: { groups: ['dba'] } },
  ],
  masks: [
    { name: 'pii', columns: ['customers.ssn'], unless: { groups: ['agents'] } },
    {
      ...{ name: 'pay', columns: ['*.salary'], reviewers: { groups: ['hr'] }, unless: { groups: ['agents'] } },
      predicates: { range: 'review' },
    },
  ],
});

const on = (name: string, ...columns: string[]) => [{ name, ...(columns.length === 0 ? {} : { columns }) }];

function explained(does: string, uses: readonly NamedUse[], principal = alice) {
  const parts = [facts(does, { relations: reads('customers') })];
  return policy.explain({ principal, connection: prod, parts, text: 'x', uses, now: 0 });
}

test.each<[string, NamedUse, string, string | undefined]>([
  ['select', { kind: 'pattern', on: on('customers', 'ssn') }, 'deny', 'pii'],
  ['select', { kind: 'equality', on: on('customers', 'ssn') }, 'allow', undefined],
  ['select', { kind: 'pattern', on: on('customers', 'city') }, 'allow', undefined],
  ['select', { kind: 'pattern', on: on('orders', 'ssn') }, 'allow', undefined],
  ['select', { kind: 'group', on: on('customers') }, 'deny', 'pay'],
  ['select', { kind: 'range', on: on('staff', 'salary') }, 'review', 'pay'],
  ['select', { kind: 'stored', on: on('customers', 'ssn') }, 'deny', 'pii'],
  ['select', { kind: 'stored', on: on('customers', 'city') }, 'allow', undefined],
  ['create', { kind: 'code' }, 'deny', 'pay'],
  ['drop', { kind: 'pattern', on: on('customers', 'ssn') }, 'deny', 'no-drop'],
  ['delete', { kind: 'pattern', on: on('customers', 'ssn') }, 'deny', 'pii'],
  ['delete', { kind: 'range', on: on('staff', 'salary') }, 'review', 'ask'],
])('%s with %j is %s by %s', (does, use, verdict, rule) => {
  expect(explained(does, [use]).verdict).toMatchObject(rule === undefined ? { verdict } : { verdict, rule });
  // Whom the masks exempt they refuse nothing.
  if (does === 'select') expect(explained(does, [use], agent).verdict.verdict).toBe('allow');
});

test('an explanation says that a mask refuses, and what the text alone does not tell', () => {
  const refused = explanationLines(explained('select', [{ kind: 'pattern', on: on('customers', 'ssn') }]));
  expect(refused.slice(1, 3)).toEqual([
    'verdict: deny, by mask pii (matching a masked column with a pattern would let its values be guessed)',
    'the rules alone would say: allow, no rule matches',
  ]);
  expect(refused.join('\n')).not.toMatch(/catalogue/);
  expect(explanationLines(explained('select', [])).at(-1)).toMatch(/masked ones is in the catalogue/);
  expect(explanationLines(explained('select', [], agent)).join('\n')).not.toMatch(/catalogue/);
});
