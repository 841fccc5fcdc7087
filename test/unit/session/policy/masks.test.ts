import { expect, test } from 'vitest';
import type { Origin, ResultColumn } from '../../../../src/protocol/contract.ts';
import { compileAction } from '../../../../src/session/policy/masks.ts';
import type { MaskAction } from '../../../../src/session/policy/schema.ts';
import { agent, alice, policyOf, prod, stage } from './fixture.ts';

const SSN = '123-45-6789';

/** `public.customers.ssn` → its origin. */
function origin(text: string): Origin {
  const [schema, relation, column] = text.split('.') as [string, string, string];
  return { schema, relation, column };
}

function column(origins: readonly string[] | undefined, direct = false): ResultColumn {
  return { name: 'c', origins: origins?.map(origin), direct, textual: true };
}

/** What becomes of a social security number in each of the columns: why it is masked, by what, and what is sent. */
function masked(masks: readonly object[], columns: readonly ResultColumn[], value = SSN) {
  const session = policyOf({ masks }).session(alice, prod, {});
  return session.masks(columns).map((mask) => (mask === null ? null : [mask.by, mask.name, mask.text(value)]));
}

const pii = { name: 'pii', columns: ['customers.ssn', '*.card'], as: 'partial' };

test('a column is masked by its origin, whatever it is called', () => {
  const columns = [
    column(['public.customers.ssn'], true),
    column(['other.CUSTOMERS.SSN'], true),
    column(['public.payments.card'], true),
    column(['public.a_view.number', 'public.customers.ssn'], true),
    column(['public.customers.name'], true),
    column([]),
  ];
  expect(masked([pii], columns)).toEqual([
    ['column', 'pii', '*******6789'],
    ['column', 'pii', '*******6789'],
    ['column', 'pii', '*******6789'],
    ['column', 'pii', '*******6789'],
    null,
    null,
  ]);
});

test('of a value computed from a masked column nothing shows', () => {
  expect(masked([pii], [column(['public.customers.ssn']), column(['a.b.c', 'public.customers.ssn'])])).toEqual([
    ['column', 'pii', '***'],
    ['column', 'pii', '***'],
  ]);
  expect(masked([{ ...pii, as: 'null' }], [column(['public.customers.ssn'])])).toEqual([['column', 'pii', null]]);
  expect(masked([{ ...pii, as: { fixed: 'gone' } }], [column(['public.customers.ssn'])])).toEqual([
    ['column', 'pii', 'gone'],
  ]);
});

test('what cannot be proven clean is masked by the strictest of all declared masks', () => {
  const masks = [pii, { name: 'mail', columns: ['customers.email'], as: 'email' }];
  expect(masked(masks, [column(undefined)])).toEqual([['unproven', 'mail, pii', '***']]);
  expect(masked([...masks, { name: 'gone', columns: ['a.b'], as: 'null' }], [column(undefined)])).toEqual([
    ['unproven', 'gone, mail, pii', null],
  ]);
});

test('of several masks on a column the strictest holds, in any order', () => {
  const masks = [
    pii,
    { name: 'hidden', columns: ['public.customers.*'], as: 'full' },
    { name: 'z', columns: ['*.ssn'], as: 'hash' },
  ];
  const expected = [['column', 'hidden', '***']];
  expect(masked(masks, [column(['public.customers.ssn'], true)])).toEqual(expected);
  expect(masked([...masks].reverse(), [column(['public.customers.ssn'], true)])).toEqual(expected);
});

test('detectors look at every column that no mask declares', () => {
  const masks = [{ ...pii, detect: ['us-ssn'] }];
  expect(masked(masks, [column(['a.b.c'], true), column([]), column(undefined)], `ssn ${SSN}!`)).toEqual([
    ['detector', 'pii', 'ssn *******6789!'],
    ['detector', 'pii', 'ssn *******6789!'],
    ['unproven', 'pii', '***'],
  ]);
  expect(masked([{ name: 'd', detect: ['us-ssn'] }], [column(undefined)])).toEqual([['detector', 'd', '***']]);
});

test('a mask exempts whom it says, and concerns the connections that it says', () => {
  const policy = policyOf({
    masks: [
      { ...pii, to: { labels: { env: 'prod' } }, unless: { groups: ['dba'] } },
      { name: 'd', to: { names: ['stage-db'] }, detect: ['ip'] },
    ],
  });
  const masking = [
    policy.session(alice, prod, {}),
    policy.session(agent, prod, {}),
    policy.session(agent, stage, {}),
  ].map((session) => session.masking);
  expect(masking).toEqual([
    { columns: false, values: false },
    { columns: true, values: false },
    { columns: false, values: true },
  ]);
  expect(policy.session(alice, prod, {}).masks([column(undefined), column(['public.customers.ssn'], true)])).toEqual([
    null,
    null,
  ]);
  expect([policy.applying(agent, prod), policy.applying(alice, prod)]).toEqual([
    { rules: [], masks: ['pii'], shut: ['do-block', 'call'], liftable: [] },
    { rules: [], masks: [], shut: [], liftable: [] },
  ]);
});

test.each<[MaskAction, object]>([
  ['full', { kind: 'full' }],
  ['null', { kind: 'null' }],
  ['digits', { kind: 'digits' }],
  ['email', { kind: 'email' }],
  ['generalise', { kind: 'generalise' }],
  ['partial', { kind: 'partial', first: 0, last: 4 }],
  ['hash', { kind: 'hash', length: 16 }],
  [{ partial: { first: 1, last: 0 } }, { kind: 'partial', first: 1, last: 0 }],
  [{ fixed: '' }, { kind: 'fixed', text: '' }],
  [{ hash: { length: 20 } }, { kind: 'hash', length: 20 }],
  [{ generalise: { step: 10, date: 'month' } }, { kind: 'generalise', step: 10, date: 'month' }],
])('as: %j is the action %j', (as, action) => {
  expect(compileAction(as)).toEqual(action);
});

test('hashes are the same for every session of a gateway, and others with another key', () => {
  const masks = [{ ...pii, as: 'hash' }];
  expect(masked(masks, [column(['public.customers.ssn'], true)])).toEqual(
    masked(masks, [column(['x.customers.ssn'], true)]),
  );
});
