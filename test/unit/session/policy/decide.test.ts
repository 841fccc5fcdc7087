import { expect, test } from 'vitest';
import type { Facts } from '../../../../src/protocol/contract.ts';
import type { Rule } from '../../../../src/session/policy/schema.ts';
import { deniedByRule } from '../../../../src/session/refusals.ts';
import { agent, alice, facts, job, policyOf, prod, reads, stage, vocabulary } from './fixture.ts';

const MONDAY_NOON = Date.parse('2026-01-05T12:00:00Z');

type Draft = Partial<Rule> & Pick<Rule, 'name'>;

function decide(rules: readonly Draft[], parts: readonly Facts[], text = 'text', principal = alice) {
  const policy = policyOf({ rules: rules.map((rule) => ({ then: 'deny', ...rule })) });
  return policy.session(principal, prod, {}).decide(parts, text, MONDAY_NOON);
}

/** The rules that matched among one deny rule with this condition (and none of the built-in ones). */
function matches(when: Rule['when'], part: Facts, text?: string): boolean {
  const { matched } = decide([{ name: 'r', when }], [part], text);
  return matched.includes('r');
}

const drop = facts('drop', { object: 'table', relations: [{ name: 't', read: false, written: true }] });

test.each<[string, Rule['when'], Facts, boolean]>([
  ['no condition: every statement', undefined, facts('select'), true],
  ['a word', { does: ['drop', 'truncate'] }, drop, true],
  ['another word', { does: ['drop'] }, facts('select'), false],
  ['one of several words', { does: ['delete'] }, facts('select delete'), true],
  ['an object', { objects: ['table'] }, drop, true],
  ['another object', { objects: ['role'] }, drop, false],
  ['no object', { objects: ['role'] }, facts('select'), false],
  ['a bare relation in any schema', { relations: ['t'] }, facts('select', { relations: reads('s.t') }), true],
  ['a relation without its schema', { relations: ['s.t'] }, facts('select', { relations: reads('t') }), true],
  ['a relation in another schema', { relations: ['s.t'] }, facts('select', { relations: reads('x.t') }), false],
  ['a relation in other case', { relations: ['S."T"'] }, facts('select', { relations: reads('s.t') }), true],
  ['a relation that is not the first', { relations: ['t'] }, facts('select', { relations: reads('u', 't') }), true],
  ['a relation by wildcard', { relations: ['audit_*'] }, facts('select', { relations: reads('a', 'audit_x') }), true],
  ['any relation', { relations: ['*'] }, facts('select'), false],
  ['a column', { columns: ['t.a'] }, facts('select', { relations: reads('t(a,b)') }), true],
  ['another column', { columns: ['t.c'] }, facts('select', { relations: reads('t(a,b)') }), false],
  ['columns that are not known', { columns: ['t.c'] }, facts('select', { relations: reads('t') }), true],
  ['columns of another relation', { columns: ['t.c'] }, facts('select', { relations: reads('u') }), false],
  ['a function', { functions: ['f'] }, facts('select', { functions: ['count', 's.f'] }), true],
  ['a function by wildcard', { functions: ['pg_catalog.f*'] }, facts('select', { functions: ['foo'] }), true],
  ['another function', { functions: ['f'] }, facts('select', { functions: ['g'] }), false],
  ['unbounded', { unbounded: true }, facts('delete', { unbounded: true }), true],
  ['bounded', { unbounded: true }, facts('delete'), false],
  ['opaque', { opaque: true }, facts('do-block', { opaque: 'a block' }), true],
  ['not opaque', { opaque: true }, facts('select'), false],
  ['a dangerous function', { dangerous: true }, facts('select', { functions: ['pg_catalog.dblink_exec'] }), true],
  ['a dangerous word', { dangerous: true }, facts('copy-program'), true],
  ['a dangerous object', { dangerous: true }, facts('create', { object: 'extension' }), true],
  ['a function of the name in another schema', { dangerous: true }, facts('select', { functions: ['x.wipe'] }), false],
  ['nothing dangerous', { dangerous: true }, facts('select', { functions: ['count'] }), false],
  [
    'all of several conditions',
    { does: ['delete'], relations: ['t'] },
    facts('delete', { relations: reads('t') }),
    true,
  ],
  [
    'one of several conditions',
    { does: ['delete'], relations: ['t'] },
    facts('delete', { relations: reads('u') }),
    false,
  ],
])('a rule matches, or not: %s', (_, when, part, expected) => {
  expect(matches(when, part)).toBe(expected);
});

test('a rule about the text sees the exact text', () => {
  expect(matches({ text: '(?i)drop\\s+table' }, facts('select'), 'select 1; DROP  TABLE t')).toBe(true);
  expect(matches({ text: '(?i)drop\\s+table' }, facts('select'), 'select droptable')).toBe(false);
});

test('a rule with a window of time applies inside it only', () => {
  const when = { time: { zone: 'UTC', from: '09:00', to: '18:00' } };
  const session = policyOf({ rules: [{ name: 'r', when, then: 'deny' }] }).session(alice, prod, {});
  const parts = [facts('select')];
  const at = (time: string) => session.decide(parts, 'x', Date.parse(`2026-01-05T${time}:00Z`)).verdict;
  expect([at('08:59'), at('09:00'), at('17:59'), at('18:00'), at('09:30')]).toEqual([
    'allow',
    'deny',
    'deny',
    'allow',
    'deny',
  ]);
});

test('a rule about a missing reason applies to sessions without one', () => {
  const policy = policyOf({ rules: [{ name: 'r', when: { reasonMissing: true, does: ['delete'] }, then: 'deny' }] });
  const verdict = (reason?: string) =>
    policy.session(alice, prod, { reason }).decide([facts('delete')], 'x', 0).verdict;
  expect([verdict(), verdict('  '), verdict('ticket 7')]).toEqual(['deny', 'deny', 'allow']);
  expect(policy.session(alice, prod, { reason: 'ticket 7' }).ruled).toBe(false);
});

test('rules concern whom and which connection they say', () => {
  const rule = { name: 'r', who: { groups: ['agents'] }, to: { labels: { env: 'prod' } }, then: 'deny' };
  const policy = policyOf({ rules: [rule] });
  const verdict = (principal: typeof alice, connection: typeof prod) =>
    policy.session(principal, connection, {}).decide([facts('select')], 'x', 0).verdict;
  expect([verdict(agent, prod), verdict(agent, stage), verdict(alice, prod), verdict(job, prod)]).toEqual([
    'deny',
    'allow',
    'allow',
    'allow',
  ]);
  expect([policy.session(agent, prod, {}).ruled, policy.session(alice, prod, {}).ruled]).toEqual([true, false]);
});

test('the strictest verdict wins and says which rule it is', () => {
  const rules: Draft[] = [
    { name: 'a', then: 'allow' },
    { name: 'r', then: 'review', reviewers: { groups: ['dba'], count: 1 }, message: 'ask' },
    { name: 'd2', then: 'deny', when: { does: ['drop'] }, message: 'second' },
    { name: 'd1', then: 'deny', when: { does: ['drop'] }, message: 'first' },
  ];
  expect(decide(rules, [drop])).toEqual({
    verdict: 'deny',
    rule: 'd1',
    message: 'first',
    matched: ['a', 'd1', 'd2', 'r'],
  });
  expect(decide(rules, [facts('select')])).toEqual({
    verdict: 'review',
    rule: 'r',
    message: 'ask',
    reviewers: { groups: ['dba'], count: 1 },
    waitMs: 600_000,
    matched: ['a', 'r'],
  });
  expect(decide(rules.slice(0, 1), [facts('select')])).toEqual({ verdict: 'allow', rule: 'a', matched: ['a'] });
  expect(decide([], [facts('select')])).toEqual({ verdict: 'allow', matched: [] });
});

const review = (name: string, count: number, wait: string, ...groups: string[]): Draft => ({
  name,
  then: 'review',
  reviewers: { groups, count },
  wait,
});

test('one review satisfies every rule that asks for one: common groups, most people, shortest wait', () => {
  const rules = [
    review('a', 1, '5m', 'ops', 'dba', 'lead'),
    review('b', 2, '1h', 'dba', 'ops'),
    review('c', 1, '10m', 'ops', 'dba'),
  ];
  expect(decide(rules, [facts('select')])).toEqual({
    verdict: 'review',
    rule: 'b',
    reviewers: { groups: ['dba', 'ops'], count: 2 },
    waitMs: 300_000,
    matched: ['a', 'b', 'c'],
  });
});

test('a rule that wants to know of what is new says so with any verdict, and changes none', () => {
  const watch: Draft = { name: 'watch', then: 'allow', alert: 'first-seen' };
  expect(decide([watch], [facts('select')])).toMatchObject({ verdict: 'allow', firstSeen: 'watch' });
  const denied = decide([watch, { name: 'd', when: { does: ['drop'] } }], [drop]);
  expect(denied).toMatchObject({ verdict: 'deny', rule: 'd', firstSeen: 'watch' });
  expect(decide([{ ...watch, when: { does: ['insert'] } }], [facts('select')]).firstSeen).toBeUndefined();
});

test('one review wants the reasons that any of its rules wants', () => {
  const rules = [
    { ...review('a', 2, '5m', 'dba'), reason: 'required' as const },
    { ...review('b', 1, '5m', 'dba'), reviewers: { groups: ['dba'], count: 1, reason: 'required' as const } },
  ];
  expect(decide(rules, [facts('select')])).toMatchObject({
    reason: 'required',
    reviewers: { groups: ['dba'], count: 2, reason: 'required' },
  });
  expect(decide(rules.slice(1), [facts('select')]).reason).toBeUndefined();
  expect(decide(rules.slice(0, 1), [facts('select')]).reviewers).toEqual({ groups: ['dba'], count: 2 });
});

test('reviews that no group may approve together are refused', () => {
  expect(decide([review('b', 1, '5m', 'dba'), review('a', 1, '5m', 'security')], [facts('select')])).toEqual({
    verdict: 'deny',
    rule: 'a',
    message: 'the rules "a" and "b" hold it for review, and no group may approve for all of them',
    matched: ['a', 'b'],
  });
});

test('a deny for one part of a message refuses all of it', () => {
  const rules: Draft[] = [
    { name: 'no-drop', when: { does: ['drop'] } },
    { name: 'both', when: { does: ['select'], relations: ['t'] } },
  ];
  expect(decide(rules, [facts('select'), drop, facts('select')])).toEqual({
    verdict: 'deny',
    rule: 'no-drop',
    first: { does: ['drop'], relations: drop.relations },
    matched: ['no-drop'],
  });
  // The conditions of one rule have to hold for the same part.
  expect(decide(rules, [facts('select'), facts('insert', { relations: reads('t') })]).verdict).toBe('allow');
});

test('a message without statements is decided by the rules without conditions', () => {
  expect(decide([{ name: 'all' }], []).verdict).toBe('deny');
  expect(decide([{ name: 'no-drop', when: { does: ['drop'] } }], []).verdict).toBe('allow');
});

const block = facts('do-block', { opaque: 'a DO block' });
const opaqueRefusal = {
  verdict: 'deny',
  rule: 'opaque',
  message: 'what it does cannot be told from its text: a DO block',
  next: 'have a rule allow it: { when: { does: [do-block] }, then: allow }',
  matched: ['opaque'],
};
const noDrop: Draft = { name: 'no-drop', when: { does: ['drop'] } };

test('what cannot be told from its text is refused where a rule could be dodged by it', () => {
  expect(decide([noDrop], [block])).toEqual(opaqueRefusal);
  expect(decide([noDrop], [facts('select'), block]).rule).toBe('opaque');
  expect(decide([], [block]).verdict).toBe('allow');
  // These see an opaque statement as well as any other.
  expect(decide([{ name: 'r', when: { time: { zone: 'UTC', from: '01:00', to: '02:00' } } }], [block]).verdict).toBe(
    'allow',
  );
  expect(decide([{ name: 'r', when: { reasonMissing: true } }], [block])).toEqual({
    verdict: 'deny',
    rule: 'r',
    matched: ['r'],
  });
});

test('masks alone refuse what cannot be told from its text, and what is dangerous', () => {
  const policy = policyOf({ masks: [{ name: 'm', columns: ['t.c'], unless: { groups: ['dba'] } }] });
  const session = policy.session(agent, prod, {});
  expect(session.ruled).toBe(true);
  expect(session.decide([block], 'x', 0)).toEqual(opaqueRefusal);
  expect(session.decide([facts('copy-program')], 'x', 0).rule).toBe('dangerous');
  const exempt = policy.session(alice, prod, {});
  expect(exempt.ruled).toBe(false);
  expect(exempt.decide([block, facts('copy-program')], 'x', 0)).toEqual({ verdict: 'allow', matched: [] });
});

test.each<[string, Draft, Facts, string]>([
  ['by opaque', { name: 'x', when: { opaque: true }, then: 'allow' }, block, 'allow'],
  ['by its word', { name: 'x', when: { does: ['do-block'] }, then: 'allow' }, block, 'allow'],
  [
    'as a review',
    { name: 'x', when: { opaque: true }, then: 'review', reviewers: { groups: ['dba'], count: 1 } },
    block,
    'review',
  ],
  ['not by another word', { name: 'x', when: { does: ['call'] }, then: 'allow' }, block, 'deny'],
  ['not without a condition', { name: 'x', then: 'allow' }, block, 'deny'],
  [
    'not by a word that says nothing of being opaque',
    { name: 'x', when: { does: ['select'] }, then: 'allow' },
    facts('select', { opaque: 'calls a function' }),
    'deny',
  ],
  [
    'not when only one of two opaque words is named',
    { name: 'x', when: { does: ['call'], opaque: true }, then: 'allow' },
    facts('call do-block', { opaque: 'both' }),
    'deny',
  ],
  [
    'not by a rule on other relations',
    { name: 'x', when: { opaque: true, relations: ['t'] }, then: 'allow' },
    block,
    'deny',
  ],
])('an explicit rule lifts the refusal of opaque statements %s', (_, rule, part, verdict) => {
  expect(decide([noDrop, rule], [part]).verdict).toBe(verdict);
});

test('what is dangerous is refused where any rule denies, named by its element', () => {
  const read = facts('select', { functions: ['pg_read_file'] });
  expect(decide([noDrop], [read])).toEqual({
    verdict: 'deny',
    rule: 'dangerous',
    message: '"pg_read_file" is in the set of dangerous functions and statements',
    next: 'have a rule allow it: { when: { functions: [pg_read_file] }, then: allow }',
    matched: ['dangerous'],
  });
  expect(decide([], [read]).verdict).toBe('allow');
  expect(decide([{ ...noDrop, then: 'allow' }], [read]).verdict).toBe('allow');
  expect(decide([{ name: 'own', when: { dangerous: true }, message: 'no' }], [read])).toEqual({
    verdict: 'deny',
    rule: 'own',
    message: 'no',
    matched: ['dangerous', 'own'],
  });
});

const both = facts('select', { functions: ['pg_read_file', 'dblink'] });
test.each<[string, Draft, Facts, string]>([
  ['all at once', { name: 'x', when: { dangerous: true }, then: 'allow' }, both, 'allow'],
  [
    'a function by name',
    { name: 'x', when: { functions: ['pg_read_file'] }, then: 'allow' },
    facts('select', { functions: ['pg_read_file'] }),
    'allow',
  ],
  ['not the other function', { name: 'x', when: { functions: ['pg_read_file'] }, then: 'allow' }, both, 'deny'],
  [
    'not the other function, even so',
    { name: 'x', when: { functions: ['pg_read_file'], dangerous: true }, then: 'allow' },
    both,
    'deny',
  ],
  [
    'not when the schema is in doubt',
    { name: 'x', when: { functions: ['s.dblink'] }, then: 'allow' },
    facts('select', { functions: ['dblink'] }),
    'deny',
  ],
  [
    'not when a review is not certain to mean it',
    { name: 'x', when: { functions: ['s.dblink'] }, then: 'review', reviewers: { groups: ['dba'], count: 1 } },
    facts('select', { functions: ['dblink'] }),
    'deny',
  ],
  ['a word', { name: 'x', when: { does: ['copy-program'] }, then: 'allow' }, facts('copy-program'), 'allow'],
  [
    'not the word by a function',
    { name: 'x', when: { functions: ['*'] }, then: 'allow' },
    facts('copy-program', { functions: ['f'] }),
    'deny',
  ],
  [
    'an object',
    { name: 'x', when: { objects: ['extension'] }, then: 'allow' },
    facts('create', { object: 'extension' }),
    'allow',
  ],
  [
    'as a review',
    { name: 'x', when: { dangerous: true }, then: 'review', reviewers: { groups: ['dba'], count: 1 } },
    both,
    'review',
  ],
  [
    'not where one relation is not named',
    { name: 'x', when: { dangerous: true, relations: ['t'] }, then: 'allow' },
    { ...both, relations: reads('t', 'u') },
    'deny',
  ],
])('an explicit rule lifts the refusal of what is dangerous: %s', (_, rule, part, verdict) => {
  expect(decide([noDrop, rule], [part]).verdict).toBe(verdict);
});

test('a late condition that holds changes the verdict also where facts are remembered', () => {
  const session = policyOf({
    rules: [
      { name: 'lift', when: { opaque: true, text: 'blessed' }, then: 'allow' },
      { name: 'no-drop', when: { does: ['drop'] }, then: 'deny' },
    ],
  }).session(alice, prod, {});
  const parts = [block];
  expect(['do a', 'do blessed', 'do b'].map((text) => session.decide(parts, text, 0).verdict)).toEqual([
    'deny',
    'allow',
    'deny',
  ]);
});

test('equal facts share one verdict, which nobody can change', () => {
  const session = policyOf({ rules: [{ name: 'no-drop', when: { does: ['drop'] }, then: 'deny' }] }).session(
    alice,
    prod,
    {},
  );
  const parts = [drop];
  const verdict = session.decide(parts, 'drop table t', 0);
  expect(session.decide(parts, 'drop table u', 1)).toBe(verdict);
  expect(Object.isFrozen(verdict)).toBe(true);
});

test('a connection that the document does not know has no policy', () => {
  expect(() => policyOf({}).session(alice, { name: 'other', labels: {} }, {})).toThrow('other');
});

test('a budget counts what a cursor gives as what it was opened for; other rules had their say then', () => {
  const rules = [
    { name: 'cap', then: 'deny', when: { relations: ['t'], budget: { rows: 5, per: 'session' } } },
    { name: 'other', then: 'deny', when: { relations: ['u'], budget: { rows: 5, per: 'session' } } },
    { name: 'look', then: 'review', when: { relations: ['t'] }, reviewers: { groups: ['dba'] } },
  ];
  const session = policyOf({ rules }).session(alice, prod, {});
  const drawing = (draws: Facts['draws']) => {
    const parts = [facts('select', { ...(draws === undefined ? {} : { draws }) })];
    const say = (exhausted: boolean) => session.decide(parts, 'fetch', 0, () => exhausted);
    return [say(false).charges?.map(({ rule }) => rule), say(false).verdict, say(true).rule];
  };
  expect(drawing(undefined)).toEqual([undefined, 'allow', undefined]);
  expect(drawing([facts('select', { relations: reads('t') })])).toEqual([['cap'], 'allow', 'cap']);
  expect(drawing([facts('select', { relations: reads('v') })])).toEqual([undefined, 'allow', undefined]);
  expect(drawing('unknown')).toEqual([['cap', 'other'], 'allow', 'cap']);
});

test('a refusal of several statements names first what the rule matched', () => {
  const message = (rules: readonly Draft[], parts: readonly Facts[], text?: string) => {
    const operation = { kind: 'query', text: text ?? 'x', parts };
    return deniedByRule('s', operation, decide(rules, parts, text)).message;
  };
  const begin = facts('set create');
  const remove = facts('delete', { relations: reads('customers') });
  expect(message([noDrop], [begin, remove, drop])).toBe(
    'drop, set, create and 1 more on t, customers is denied by rule "no-drop"',
  );
  expect(message([noDrop], [drop, begin])).toBe('drop, set, create on t is denied by rule "no-drop"');
  // By what it touches, and late conditions.
  const secret = facts('select', { relations: reads('a', 'secrets') });
  const quiet: Draft = { name: 'quiet', when: { relations: ['secrets'] } };
  expect(message([quiet], [remove, secret])).toBe('select, delete on secrets, a, customers is denied by rule "quiet"');
  expect(message([{ name: 'late', when: { does: ['call'], text: 'y' } }], [begin, facts('call')], 'y')).toBe(
    'call, set, create is denied by rule "late"',
  );
  expect(message([noDrop], [begin, facts('call', { opaque: 'calls' })])).toBe(
    'call, set, create is denied by rule "opaque"',
  );
  expect(message([noDrop], [begin, facts('copy-program')])).toBe(
    'copy-program, set, create is denied by rule "dangerous"',
  );
});

test('what is shut as opaque is known beforehand', () => {
  const shut = (...rules: Draft[]) =>
    policyOf({ rules: rules.map((rule) => ({ then: 'deny', ...rule })) }).applying(alice, prod).shut;
  expect(shut()).toEqual([]);
  expect(shut({ name: 'r', when: { opaque: true } })).toEqual([]);
  expect(shut(noDrop)).toEqual(['do-block', 'call']);
  expect(shut(noDrop, { name: 'calls', when: { does: ['call'] }, then: 'allow' })).toEqual(['do-block']);
  expect(shut(noDrop, { name: 'all', when: { opaque: true }, then: 'allow' })).toEqual([]);
});

test('a rule on what no operation of a protocol is or has shuts nothing there', () => {
  const shell = facts('call', { opaque: 'what is typed cannot be decided' });
  const host: typeof prod = {
    ...prod,
    name: 'host',
    vocabulary: { ...vocabulary, does: { call: '' }, objects: [], has: [] },
  };
  const here = (when: Rule['when'], connection = host) => {
    const policy = policyOf({ rules: [{ name: 'r', when, then: 'deny' }] }, [prod, host]);
    const session = policy.session(alice, connection, {});
    return [session.ruled, session.decide([shell], '', 0).rule, policy.applying(alice, connection).rules];
  };
  const shut = [true, 'opaque', ['r']];
  const open = [false, undefined, []];
  for (const when of [
    { does: ['drop'] },
    { does: ['drop', 'select'], text: 'x' },
    { objects: ['table'] },
    { relations: ['t'] },
    { columns: ['t.c'] },
    { functions: ['f'] },
    { unbounded: true },
  ] as const) {
    expect([when, here(when as Rule['when'])]).toEqual([when, open]);
    expect([when, here(when as Rule['when'], prod)]).toEqual([when, shut]);
  }
  // Some of it is there.
  expect(here({ does: ['drop', 'call'], text: 'x' })).toEqual(shut);
  expect(here({ text: 'x' })).toEqual(shut);
  expect(here({ dangerous: true })).toEqual(shut);
});
