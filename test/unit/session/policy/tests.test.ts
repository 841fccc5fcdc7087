import { expect, test } from 'vitest';
import type { Facts, Spoken, Understood } from '../../../../src/protocol/contract.ts';
import { type PolicyTest, testSchema } from '../../../../src/session/policy/schema.ts';
import { runTests } from '../../../../src/session/policy/tests.ts';
import { facts, policyOf, prod, reads, stage } from './fixture.ts';

const policy = policyOf({
  access: [
    { who: { groups: ['*'] }, to: { names: ['prod-db'] } },
    { who: { groups: ['agents'] }, to: { names: ['stage-db'] }, grant: { max: '1h', reviewers: { groups: ['dba'] } } },
  ],
  rules: [
    { name: 'no-drop', when: { does: ['drop'] }, then: 'deny' },
    { name: 'no-drop-2', when: { does: ['drop'] }, then: 'deny' },
    { name: 'writes', when: { does: ['insert'] }, then: 'review', reviewers: { groups: ['dba'] } },
    { name: 'reason', when: { does: ['update'], reasonMissing: true }, then: 'deny' },
    { name: 'night', when: { does: ['delete'], time: { zone: 'UTC', to: '06:00' } }, then: 'deny' },
    { name: 'actors', who: { actors: ['claude'] }, when: { does: ['truncate'] }, then: 'deny' },
  ],
  masks: [{ name: 'pii', columns: ['customers.ssn'], unless: { groups: ['privacy'] } }],
});

const statements: Record<string, Facts> = {
  drop: facts('drop'),
  insert: facts('insert'),
  update: facts('update'),
  delete: facts('delete'),
  truncate: facts('truncate'),
  ssn: facts('select', { relations: reads('customers(ssn)') }),
  name: facts('select', { relations: reads('customers(name)') }),
  star: facts('select', { relations: reads('customers') }),
};

async function analyse(_: string, { text, does }: Spoken): Promise<Understood> {
  const found = does === undefined ? statements[text] : facts(does);
  if (found === undefined) throw new Error('syntax error');
  return { text, parts: [found], ...(text === 'by configuration' ? { refused: 'it is off' } : {}) };
}

async function result(test: object) {
  const parsed: PolicyTest = testSchema.parse({ as: { groups: ['g'] }, to: 'prod-db', ...test });
  const [{ passed, got, rule, problem }] = (await runTests(policy, [parsed], [prod, stage], analyse, 0)) as [
    Awaited<ReturnType<typeof runTests>>[number],
  ];
  return { passed, got, rule, problem };
}

const passes = (got: string, rule?: string) => ({ passed: true, got, rule, problem: undefined });
const fails = (problem: string, got?: string, rule?: string) => ({ passed: false, got, rule, problem });

test.each<[object, object]>([
  [{ run: 'drop', expect: 'deny' }, passes('deny', 'no-drop')],
  [{ run: 'drop', expect: 'deny', rule: 'no-drop-2' }, passes('deny', 'no-drop')],
  [
    { run: 'drop', expect: 'deny', rule: 'writes' },
    fails('got deny by no-drop, expected deny by writes', 'deny', 'no-drop'),
  ],
  [{ run: 'drop', expect: 'allow' }, fails('got deny by no-drop, expected allow', 'deny', 'no-drop')],
  [{ run: 'insert', expect: 'review' }, passes('review', 'writes')],
  [{ run: 'name', expect: 'allow' }, passes('allow')],
  [{ run: 'name', expect: 'masked' }, fails('got allow, expected masked', 'allow')],
  [{ run: 'ssn', expect: 'masked', rule: 'pii' }, passes('masked', 'pii')],
  [{ run: 'star', expect: 'masked' }, passes('masked', 'pii')],
  [{ run: 'ssn', expect: 'allow' }, passes('masked', 'pii')],
  [{ run: 'ssn', expect: 'masked', as: { groups: ['privacy'] } }, fails('got allow, expected masked', 'allow')],
  [{ run: 'update', expect: 'deny' }, passes('deny', 'reason')],
  [{ run: 'update', expect: 'allow', reason: 'ticket' }, passes('allow')],
  [{ run: 'delete', expect: 'deny', at: '2026-01-05T05:00:00Z' }, passes('deny', 'night')],
  [{ run: 'delete', expect: 'allow', at: '2026-01-05T12:00:00Z' }, passes('allow')],
  [{ run: 'delete', expect: 'allow' }, fails('the verdict depends on the time of day, expected "at" in the test')],
  [{ run: 'truncate', expect: 'deny', as: { groups: ['g'], actor: 'claude' } }, passes('deny', 'actors')],
  [{ run: 'name', expect: 'deny', as: {} }, passes('deny', 'access')],
  [{ run: 'name', expect: 'allow', to: 'stage-db', as: { groups: ['agents'] } }, passes('allow')],
  [{ does: 'drop', expect: 'deny' }, passes('deny', 'no-drop')],
  [{ does: 'drop', run: 'x', expect: 'allow' }, fails('got deny by no-drop, expected allow', 'deny', 'no-drop')],
  [{ does: 'select', run: 'by configuration', expect: 'deny' }, passes('deny')],
  [{ run: 'nonsense', expect: 'deny' }, fails('cannot analyse "nonsense": syntax error')],
  [{ run: 'name', expect: 'allow', to: 'nowhere' }, fails('"nowhere" is no connection')],
])('the test %j gives %j', async (test, expected) => {
  expect(await result(test)).toEqual(expected);
});

test('a failing test comes with the reason, all with their places', async () => {
  const tests = ['drop', 'drop'].map((run) =>
    testSchema.parse({ as: { groups: ['g'] }, to: 'prod-db', run, expect: 'allow' }),
  );
  const results = await runTests(policy, tests, [prod], analyse, 0);
  expect(results.map(({ index }) => index)).toEqual([0, 1]);
  expect(results[1]!.why.slice(0, 4)).toEqual([
    'access: open',
    'verdict: deny, by rule no-drop',
    'what it does: drop',
    'matches: no-drop (deny)',
  ]);
});
