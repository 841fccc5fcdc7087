import { expect, test } from 'vitest';
import type { ResultColumn } from '../../../../src/protocol/contract.ts';
import { agent, alice, policyOf, prod } from './fixture.ts';

const ssn: ResultColumn = {
  name: 'ssn',
  origins: [{ schema: 'public', relation: 'customers', column: 'ssn' }],
  direct: true,
  textual: true,
};
const unmask = { max: '1h', reviewers: { groups: ['dba', 'privacy'] } };
const pii = { name: 'pii', columns: ['customers.ssn', '*.card'], detect: ['us-ssn'], unmask };
const use = [{ kind: 'range' as const, origins: ssn.origins }];

test('a lifted mask is off for values and conditions; what the session is guarded by stays as it was', () => {
  const policy = policyOf({ masks: [pii] });
  const { masks } = policy.unmasking(agent, prod, ['pii']);
  const before = policy.session(agent, prod, {});
  const lifted = policy.session(agent, prod, { lifted: masks });
  expect([before, lifted].map((session) => session.masks([ssn]).map((mask) => mask?.name))).toEqual([
    ['pii'],
    [undefined],
  ]);
  expect([before, lifted].map((session) => session.predicates?.(use)?.verdict)).toEqual(['deny', undefined]);
  expect([lifted.ruled, lifted.masking, lifted.guards]).toEqual([before.ruled, before.masking, before.guards]);
  // Stored, a value would outlive the time.
  expect(lifted.masks([ssn], true)[0]?.name).toBe('pii');
  expect(lifted.exempt).toEqual([{ mask: 'pii', by: 'unmask' }]);
  expect(lifted.exempted?.([ssn, { ...ssn, origins: [] }])).toEqual([{ mask: 'pii', by: 'unmask' }, null]);
  expect(before.exempt).toBeUndefined();
});

test('an approval is for the mask as it was: another line under its name, or one without unmask, is not lifted', () => {
  const { masks: lifted } = policyOf({ masks: [pii] }).unmasking(agent, prod, ['pii']);
  for (const other of [
    { ...pii, columns: ['customers.*'] },
    { name: 'pii', columns: pii.columns },
  ]) {
    const session = policyOf({ masks: [other] }).session(agent, prod, { lifted });
    expect(session.masks([ssn])[0]?.name).toBe('pii');
    expect(session.exempt).toBeUndefined();
  }
  const beside = policyOf({ masks: [pii, { name: 'second', columns: ['*.ssn'] }] }).session(agent, prod, { lifted });
  expect(beside.masks([ssn])[0]?.name).toBe('second');
});

test('a column names every mask that has it; reviewers are those who may approve for all', () => {
  const policy = policyOf({
    masks: [
      pii,
      {
        name: 'wide',
        columns: ['*.ssn'],
        unmask: { max: '30m', reason: 'required', reviewers: { groups: ['dba'], count: 2 } },
      },
      { name: 'other', columns: ['t.a'], unmask: { max: '1h', reviewers: { groups: ['legal'] } } },
      { name: 'never', columns: ['t.b'] },
    ],
  });
  const names = (wanted: string[]) => policy.unmasking(agent, prod, wanted).masks.map(({ mask }) => mask);
  expect(names(['Public.Customers.SSN'])).toEqual(['pii', 'wide']);
  expect(names(['payments.card'])).toEqual(['pii']);
  expect(policy.unmasking(agent, prod, ['customers.ssn'])).toMatchObject({
    maxMs: 1_800_000,
    reviewers: { groups: ['dba'], count: 2 },
    reason: 'required',
  });
  expect(() => names(['pii', 'other'])).toThrow(/no group may approve for all of the masks "pii" and "other"/);
  expect(() => names(['never'])).toThrow(/"never" is never lifted/);
  expect(() => names(['nothing'])).toThrow(/no mask "nothing"/);
});

test('whom the mask exempts by itself has nothing to ask for', () => {
  const policy = policyOf({ masks: [{ ...pii, unless: { groups: ['dba'] } }] });
  expect(() => policy.unmasking(alice, prod, ['pii'])).toThrow(/no mask "pii"/);
  expect(policy.session(alice, prod, {}).exempt).toEqual([{ mask: 'pii', by: 'unless' }]);
});
