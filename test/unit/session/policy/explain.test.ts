import { expect, test } from 'vitest';
import { type Explanation, explanationLines } from '../../../../src/session/policy/explain.ts';
import { agent, alice, facts, policyOf, prod, reads } from './fixture.ts';

const policy = policyOf({
  rules: [
    {
      name: 'no-drop',
      to: { labels: { env: 'prod' } },
      when: { does: ['drop', 'truncate'] },
      then: 'deny',
      message: 'use a migration',
    },
    {
      name: 'agents',
      who: { groups: ['agents'] },
      when: { does: ['drop'], text: 'table' },
      then: 'review',
      reviewers: { groups: ['dba'] },
    },
    { name: 'reasons', when: { reasonMissing: true, dangerous: true }, then: 'deny' },
  ],
  masks: [
    { name: 'pii', columns: ['customers.ssn'], unless: { groups: ['privacy'] } },
    { name: 'mail', columns: ['*.email'], unless: { groups: ['dba'] } },
  ],
});

const input = {
  principal: alice,
  connection: prod,
  parts: [facts('drop', { relations: reads('customers(ssn)') })],
  text: 'drop table customers',
  now: 0,
};

test('an explanation has every rule with what held and what did not', () => {
  const explanation = policy.explain(input);
  expect(explanation).toEqual({
    access: { access: 'open' },
    verdict: { verdict: 'deny', rule: 'no-drop', message: 'use a migration', matched: ['no-drop'] },
    rules: [
      {
        name: 'no-drop',
        then: 'deny',
        matched: true,
        findings: [
          { key: 'to.labels.env', holds: true, wanted: 'prod', seen: 'prod' },
          { key: 'when.does', holds: true, wanted: 'drop or truncate', seen: 'drop', part: 0 },
        ],
      },
      {
        name: 'agents',
        then: 'review',
        matched: false,
        findings: [
          { key: 'who.groups', holds: false, wanted: 'agents', seen: 'engineering, dba' },
          { key: 'when.does', holds: true, wanted: 'drop', seen: 'drop', part: 0 },
          { key: 'when.text', holds: true, wanted: '/table/ in the text', seen: 'a match' },
        ],
      },
      {
        name: 'reasons',
        then: 'deny',
        matched: false,
        findings: [
          { key: 'when.reasonMissing', holds: true, wanted: 'no reason', seen: 'no reason' },
          { key: 'when.dangerous', holds: false, wanted: 'something dangerous', seen: 'nothing dangerous', part: 0 },
        ],
      },
    ],
    masks: [
      {
        name: 'pii',
        applies: true,
        touched: true,
        findings: [{ key: 'unless.groups', holds: false, wanted: 'privacy', seen: 'engineering, dba' }],
      },
      {
        name: 'mail',
        applies: false,
        touched: false,
        findings: [{ key: 'unless.groups', holds: true, wanted: 'dba', seen: 'engineering, dba' }],
      },
    ],
    parts: input.parts,
    timed: false,
    reaching: false,
    guessing: true,
  } satisfies Explanation);
  expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation);
});

test('an explanation in words begins with the verdict and says why not', () => {
  expect(explanationLines(policy.explain(input))).toEqual([
    'access: open',
    'verdict: deny, by rule no-drop (use a migration)',
    'what it does: drop',
    'matches: no-drop (deny)',
    '  to.labels.env: prod',
    '  when.does: drop',
    'does not match: agents (review)',
    '  who.groups: wants agents, has engineering, dba',
    'does not match: reasons (deny)',
    '  when.dangerous: wants something dangerous, has nothing dangerous',
    'mask pii: applies, and a column of it is read',
    'mask mail: does not apply',
    '  unless.groups: engineering, dba',
  ]);
});

test('an explanation tells which statement of several it means', () => {
  const lines = explanationLines(
    policy.explain({ ...input, principal: agent, parts: [facts('select'), facts('drop')] }),
  );
  expect(lines).toContain('  when.does: drop (statement 2)');
  expect(lines.filter((line) => line.startsWith('matches'))).toEqual([
    'matches: no-drop (deny)',
    'matches: agents (review)',
  ]);
});

test('whether the hour decides is told', () => {
  const timed = (when: object, does: string) =>
    policyOf({ rules: [{ name: 'r', when: { time: { zone: 'UTC', to: '06:00' }, ...when }, then: 'deny' }] }).explain({
      ...input,
      parts: [facts('select'), facts(does)],
    }).timed;
  expect([timed({}, 'select'), timed({ does: ['drop'] }, 'drop'), timed({ does: ['drop'] }, 'insert')]).toEqual([
    true,
    true,
    false,
  ]);
});

test('that the catalogue was not asked is told where it would matter', () => {
  const last = (when: object, parts = [facts('select', { relations: reads('v(id)') })]) =>
    explanationLines(policyOf({ rules: [{ name: 'r', when, then: 'deny' }] }).explain({ ...input, parts })).at(-1);
  for (const when of [{ relations: ['t'] }, { columns: ['t.a'] }, { functions: ['f'] }]) {
    expect(last(when)).toContain('by the names in the text alone');
  }
  expect(last({ does: ['drop'] })).not.toContain('by the names in the text alone');
  expect(last({ relations: ['v'] })).not.toContain('by the names in the text alone');
});
