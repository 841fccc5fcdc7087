import { expect, test } from 'vitest';
import { jsonSchema } from '../../../../src/config/json-schema.ts';
import { detectorSchema, policySchema, whenSchema } from '../../../../src/session/policy/schema.ts';

test('an empty document is a policy that gives nothing', () => {
  expect(policySchema.parse({})).toEqual({
    classes: {},
    access: [],
    rules: [],
    masks: [],
    tests: [],
    roles: { admin: { groups: ['admins'] }, auditor: [{ who: { groups: ['auditors'] } }] },
  });
});

test('what is left out is filled in', () => {
  const parsed = policySchema.parse({
    rules: [{ name: 'r', then: 'review', reviewers: { groups: ['dba'] } }],
    masks: [
      { name: 'm', columns: ['t.c'] },
      { name: 'n', columns: ['t.c'], as: { partial: { last: 2 } } },
    ],
    roles: { admin: { emails: ['root@example.com'] } },
  });
  expect([parsed.rules, parsed.masks, parsed.roles]).toEqual([
    [{ name: 'r', then: 'review', reviewers: { groups: ['dba'], count: 1 } }],
    [
      { name: 'm', columns: ['t.c'], as: 'full' },
      { name: 'n', columns: ['t.c'], as: { partial: { first: 0, last: 2 } } },
    ],
    { admin: { emails: ['root@example.com'] }, auditor: [{ who: { groups: ['auditors'] } }] },
  ]);
});

test.each<[string, object]>([
  ['no condition', {}],
  ['a condition that is no', { unbounded: false }],
  ['an empty list', { does: [] }],
  ['a pattern that RE2 cannot read', { text: '(?=x)' }],
  ['an unknown zone', { time: { zone: 'Mars/Base', from: '09:00' } }],
  ['a window without limits', { time: { zone: 'UTC' } }],
  ['an empty window', { time: { zone: 'UTC', from: '09:00', to: '09:00' } }],
  ['a whole day as a window', { time: { zone: 'UTC', from: '00:00', to: '00:00' } }],
  ['an hour that is none', { time: { zone: 'UTC', from: '24:30' } }],
])('`when` refuses %s', (_, when) => {
  expect(whenSchema.safeParse(when).success).toBe(false);
});

test.each([[{ groups: [] }], [{ groups: [''] }], [{ count: 1 }], [{ groups: ['dba'], count: 0 }]])(
  'a review of %j, which nobody could approve, is an error at load',
  (reviewers) => {
    expect(policySchema.safeParse({ rules: [{ name: 'r', then: 'review', reviewers }] }).success).toBe(false);
    const grant = { max: '1h', reviewers };
    const access = [{ who: { groups: ['a'] }, to: { names: ['b'] }, grant }];
    expect(policySchema.safeParse({ access }).success).toBe(false);
  },
);

test("a detector is a built-in one by name or a user's own pattern", () => {
  const verdicts = [
    'credit-card',
    'credit',
    { name: 'x', pattern: 'a+' },
    { name: 'x', pattern: '(' },
    { pattern: 'a' },
  ].map((one) => detectorSchema.safeParse(one).success);
  expect(verdicts).toEqual([true, false, true, false, false]);
});

test('the JSON Schema is draft 2020-12, closed, and describes every property of a rule', () => {
  const schema = jsonSchema(policySchema, 'policy') as Record<string, never>;
  expect(schema).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'policy',
    type: 'object',
    additionalProperties: false,
  });
  const rule = (
    schema as unknown as { properties: { rules: { items: { properties: Record<string, { description?: string }> } } } }
  ).properties.rules.items;
  const undescribed = Object.entries(rule.properties).filter(([, property]) => property.description === undefined);
  expect(undescribed).toEqual([]);
});
