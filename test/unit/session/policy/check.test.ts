import { expect, test } from 'vitest';
import { pipe, problemsOf, prod, stage, to } from './fixture.ts';

const deny = { name: 'r', then: 'deny' };
const review = { name: 'r', then: 'review', reviewers: { groups: ['dba'] } };

test('a document that can be enforced has no problems', () => {
  expect(
    problemsOf({
      rules: [
        {
          ...deny,
          when: { does: ['drop'], objects: ['table'], relations: ['s.t'], columns: ['t.c'], functions: ['f*'] },
        },
        { ...review, name: 'r2', to, wait: '5m', message: 'ask' },
        { name: 'r3', when: { dangerous: true }, then: 'allow' },
      ],
      masks: [{ name: 'r', columns: ['t.c', '*.ssn', '"a.b".t.c'], detect: ['email', { name: 'own', pattern: 'x+' }] }],
      tests: [{ as: {}, to: 'prod-db', run: 'x', expect: 'deny', rule: 'r3' }],
    }),
  ).toEqual([]);
});

test.each<[string, object, string[]]>([
  [
    'classes that are none, and a class in a class',
    {
      classes: { pii: ['customers.ssn', 'ssn'], more: ['class:pii'] },
      rules: [{ ...deny, when: { columns: ['class:pii', 'class:piy'] } }],
      masks: [{ name: 'm', columns: ['class:other'] }],
    },
    [
      'classes.pii.1: "ssn" is not well formed, expected table.column or schema.table.column',
      'classes.more.0: "class:pii" is a class, expected table.column or schema.table.column',
      'masks.0.columns.0: there is no class "other", expected one of classes',
      'rules.0.when.columns.1: there is no class "piy", expected a class of classes, did you mean "class:pii"?',
    ],
  ],
  [
    'a safe aggregate of no column',
    { masks: [{ name: 'm', detect: ['ip'], safe: ['count'] }] },
    ['masks.0.safe: has no effect without columns, expected columns beside it'],
  ],
  [
    'a selection of nothing',
    { rules: [{ ...deny, to: { names: ['prod-bd'] } }] },
    ['rules.0.to: selects no connection, expected at least one of "prod-db", "stage-db", did you mean "prod-db"?'],
  ],
  [
    'labels that no connection has',
    {
      access: [{ who: { groups: ['a'] }, to: { labels: { env: 'prd' } } }],
      masks: [{ name: 'm', detect: ['ip'], to: { labels: { x: '*' } } }],
    },
    [
      'access.0.to: selects no connection, expected at least one of "prod-db", "stage-db"',
      'masks.0.to: selects no connection, expected at least one of "prod-db", "stage-db"',
    ],
  ],
  [
    'words that no protocol has',
    { rules: [{ ...deny, when: { does: ['drop', 'truncat'], objects: ['view'] } }] },
    [
      'rules.0.when.does.1: "truncat" is in the vocabulary of none of the selected connections, expected a word of the protocol, did you mean "truncate"?',
      'rules.0.when.objects.0: "view" is in the vocabulary of none of the selected connections, expected one of extension, role, table',
    ],
  ],
  [
    'names used twice',
    {
      rules: [deny, { ...review, when: { does: ['drop'] } }],
      masks: [
        { name: 'm', detect: ['ip'] },
        { name: 'm', detect: ['ip'] },
      ],
    },
    [
      'rules.1.name: name "r" is already that of rules[0], expected a unique name',
      'masks.1.name: name "m" is already that of masks[0], expected a unique name',
    ],
  ],
  [
    'names of built-in rules',
    {
      rules: [
        { ...deny, name: 'opaque' },
        { ...deny, name: 'dangerous' },
      ],
      masks: [{ name: 'access', detect: ['ip'] }],
    },
    [
      'rules.0.name: name "opaque" belongs to a built-in rule, expected another',
      'rules.1.name: name "dangerous" belongs to a built-in rule, expected another',
      'masks.0.name: name "access" belongs to a built-in rule, expected another',
    ],
  ],
  [
    'options that the verdict has no use for',
    {
      rules: [
        { ...review, then: 'deny', wait: '1m', reason: 'required' },
        { name: 'a', when: { does: ['drop'] }, then: 'allow', message: 'x' },
        { name: 'b', when: { does: ['call'] }, then: 'review' },
      ],
    },
    [
      'rules.0.reviewers: has no effect with then: deny, expected then: review',
      'rules.0.wait: has no effect with then: deny, expected then: review',
      'rules.0.reason: has no effect with then: deny, expected then: review',
      'rules.1.message: has no effect with then: allow, expected then: deny or review',
      'rules.2.then: is review, expected reviewers beside it',
    ],
  ],
  [
    'a contradiction of kinds and actors',
    { rules: [{ ...deny, who: { kinds: ['person'], actors: ['claude'] } }] },
    [
      'rules.0.who.kinds: can never hold together with actors: whoever has an actor is an agent, expected agent among kinds',
    ],
  ],
  [
    'an allow and a deny of exactly the same, in any order of words',
    {
      rules: [
        { name: 'yes', when: { does: ['drop', 'truncate'] }, then: 'allow' },
        { name: 'no', when: { does: ['truncate', 'drop'] }, then: 'deny' },
        { ...review, name: 'look', when: { does: ['drop', 'truncate'] } },
        { name: 'told', when: { does: ['drop', 'truncate'] }, then: 'allow', alert: 'first-seen' },
      ],
    },
    [
      'rules.0.then: can never count: rule "no" has the same conditions and says deny, expected one of the two',
      'rules.2.then: can never count: rule "no" has the same conditions and says deny, expected one of the two',
    ],
  ],
  [
    'conditions that exclude each other',
    {
      rules: [
        { ...review, name: 'a', when: { reasonMissing: true }, reason: 'required' },
        { name: 'c', when: { relations: ['orders'], columns: ['customers.id'] }, then: 'allow' },
        { name: 'd', when: { budget: { rows: 1, per: 'day' } }, then: 'allow' },
        { ...deny, name: 'e', when: { budget: { distinct: { column: 'id', max: 1 }, per: 'day' } } },
      ],
    },
    [
      'rules.2.when.budget: has no effect with then: allow, expected then: deny or review',
      'rules.3.when.budget.distinct.0: "id" is not well formed, expected table.column or schema.table.column, names with dots in double quotes',
      'rules.0.when.reasonMissing: can never be reviewed: reason: required refuses every session that has none, expected then: deny',
      'rules.1.when.columns: can never hold together with relations: none of the columns is of any of the relations',
    ],
  ],
  [
    'a mask that spares everybody who has access',
    {
      access: [
        { who: { groups: ['dba'] }, to: { names: ['prod-db'] } },
        { who: { groups: ['privacy'], kinds: ['person'] }, to: { names: ['*'] } },
      ],
      masks: [
        { name: 'a', columns: ['t.c'], unless: { groups: ['dba', 'privacy'] } },
        { name: 'b', columns: ['t.c'], unless: { subjects: ['*'] } },
        { name: 'c', columns: ['t.c'], unless: { groups: ['privacy'] } },
        { name: 'd', columns: ['t.c'], unless: { groups: ['privacy'] }, to: { names: ['stage-db'] } },
      ],
    },
    [0, 1, 3].map((i) => `masks.${i}.unless: exempts everybody who has access there, so that the mask can never apply`),
  ],
  [
    'access that another line gives already',
    {
      access: [
        { who: { groups: ['a'] }, to: { names: ['prod-db'] }, grant: { max: '1h', reviewers: { groups: ['b'] } } },
        { who: { groups: ['a'] }, to: { names: ['prod-db'] } },
      ],
    },
    ['access.0: has no effect: access[1] gives the same people open access there'],
  ],
  [
    'names that are not well formed',
    {
      rules: [{ ...deny, when: { relations: ['a.b.c'], functions: ['a.'], columns: ['ssn'] } }],
      masks: [{ name: 'm', columns: ['ssn'] }],
    },
    [
      'rules.0.when.relations.0: "a.b.c" is not well formed, expected name or schema.name, names with dots in double quotes',
      'rules.0.when.functions.0: "a." is not well formed, expected name or schema.name, names with dots in double quotes',
      'rules.0.when.columns.0: "ssn" is not well formed, expected table.column or schema.table.column, names with dots in double quotes',
      'masks.0.columns.0: "ssn" is not well formed, expected table.column or schema.table.column, names with dots in double quotes',
    ],
  ],
  [
    'tests of what is not there',
    { tests: [{ as: {}, to: 'prod', run: 'x', expect: 'deny', rule: 'nope' }] },
    [
      'tests.0.to: "prod" is no connection, expected one of "prod-db", "stage-db"',
      'tests.0.rule: "nope" is no rule or mask, expected one of "opaque", "dangerous", "access"',
    ],
  ],
])('the check finds %s', (_, document, problems) => {
  expect(problemsOf(document)).toEqual(problems);
});

test.each<[string, object, string[]]>([
  [
    'a rule about statements',
    { rules: [{ ...deny, when: { does: ['drop'] } }] },
    [
      'rules.0.then: cannot apply to "pipe": deny needs a protocol that can refuse one operation, expected a narrower "to"',
      'rules.0.when.does: cannot apply to "pipe": the condition needs a protocol that inspects its operations, expected a narrower "to"',
    ],
  ],
  [
    'a rule about the text',
    { rules: [{ name: 'r', when: { text: 'x' }, then: 'allow' }] },
    [
      'rules.0.when.text: cannot apply to "pipe": the condition needs a protocol that inspects its operations, expected a narrower "to"',
    ],
  ],
  [
    'a review',
    { rules: [review] },
    [
      'rules.0.then: cannot apply to "pipe": review needs a protocol that can hold an operation, expected a narrower "to"',
    ],
  ],
  [
    'a budget of what comes back',
    { rules: [{ ...deny, when: { budget: { rows: 5, statements: 5, per: 'day' } } }] },
    [
      'rules.0.then: cannot apply to "pipe": deny needs a protocol that can refuse one operation, expected a narrower "to"',
      'rules.0.when.budget: cannot apply to "pipe": a budget needs a protocol that counts results, expected a narrower "to"',
    ],
  ],
  [
    'a mask',
    { masks: [{ name: 'm', detect: ['ip'] }] },
    ['masks.0: cannot apply to "pipe": a mask needs a protocol that can mask, expected a narrower "to"'],
  ],
])('on a connection that cannot do it, the check finds %s', (_, document, problems) => {
  expect(problemsOf(document, [prod, stage, pipe])).toEqual(problems);
  expect(
    problemsOf(JSON.parse(JSON.stringify(document).replaceAll('"name":"', '"to":{"names":["*-db"]},"name":"')), [
      prod,
      stage,
      pipe,
    ]),
  ).toEqual([]);
});

test('a condition on what no operation of the selected connections has can never hold', () => {
  const host = { ...prod, name: 'host', vocabulary: { ...prod.vocabulary, has: ['places' as const] } };
  const when = {
    relations: ['t'],
    columns: ['t.c'],
    functions: ['f'],
    unbounded: true,
    programs: ['rm'],
    places: ['/x'],
  };
  const never = (key: string) =>
    `rules.0.when.${key}: can never hold: the protocol of no selected connection knows ${key}`;
  const found = (to: string) => problemsOf({ rules: [{ ...deny, to: { names: [to] }, when }] }, [prod, host]);
  expect(found('host')).toEqual(['relations', 'columns', 'functions', 'unbounded', 'programs'].map(never));
  expect(found('*')).toEqual([]);
});

test('a rule about what is dangerous needs a protocol that says what is', () => {
  const harmless = { ...prod, vocabulary: { ...prod.vocabulary, dangerous: { functions: [], does: [], objects: [] } } };
  expect(problemsOf({ rules: [{ ...deny, when: { dangerous: true } }] }, [harmless])).toEqual([
    'rules.0.when.dangerous: can never hold: none of the selected connections has a dangerous set',
  ]);
});
