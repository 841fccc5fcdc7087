import { expect, test } from 'vitest';
import { z } from 'zod';
import { openDocument, parseDocument } from '../../../src/config/document.ts';
import { formatPath, formatProblems } from '../../../src/config/problem.ts';

const rule = z.strictObject({
  name: z.string().regex(/^[a-z]+$/, 'expected a name of small letters'),
  then: z.enum(['allow', 'deny']),
  when: z
    .strictObject({ does: z.array(z.string()).min(1).optional(), limit: z.int().min(1).max(9).optional() })
    .optional(),
  as: z
    .union([z.enum(['full', 'none']), z.strictObject({ first: z.number() }), z.strictObject({ fixed: z.string() })])
    .optional(),
});
const schema = z.strictObject({
  rules: z.array(rule).default([]),
  labels: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
  password: z
    .string()
    .refine((text) => text.startsWith('env:'), 'expected a reference such as env:NAME')
    .optional(),
  level: z.literal(true).optional(),
  at: z.iso.datetime().optional(),
});

/** What is wrong with the text, as lines without the file's name. */
function problems(text: string): string[] {
  const result = parseDocument(text, { file: 'f', schema });
  return result.problems === undefined
    ? []
    : formatProblems(result.problems)
        .split('\n')
        .map((line) => line.replace(/^f:/, ''));
}

test('a document that fits is a typed value', () => {
  const result = parseDocument('rules:\n  - { name: a, then: deny }\nlabels: { env: prod }\n', { file: 'f', schema });
  expect(result.value).toEqual({ rules: [{ name: 'a', then: 'deny' }], labels: { env: 'prod' } });
  expect(parseDocument('', { file: 'f', schema }).value).toEqual({ rules: [] });
  expect(parseDocument('# nothing\n', { file: 'f', schema }).value).toEqual({ rules: [] });
});

test('all problems are told at once, each with its place', () => {
  expect(
    problems(`rules:
  - name: A
    then: dney
    when:
      dose: [x]
  - then: 3
    when: { does: [], limit: 10.5 }
  - 7
label: {}
password: hunter2
level: no
`),
  ).toEqual([
    '2:11: rules[0].name is "A", expected a name of small letters',
    '3:11: rules[0].then is "dney", expected "allow" or "deny", did you mean "deny"?',
    '5:7: unknown key "dose" in rules[0].when, did you mean "does"?',
    '6:5: "name" is missing in rules[1], expected text',
    '6:11: rules[1].then is 3, expected "allow" or "deny"',
    '7:19: rules[1].when.does is an empty list, expected at least 1 item',
    '7:30: rules[1].when.limit is 10.5, expected a whole number',
    '8:5: rules[2] is 7, expected a mapping with name, then, when, as',
    '9:1: unknown key "label", did you mean "labels"?',
    '10:11: password (not shown) does not fit, expected a reference such as env:NAME',
    '11:8: level is "no", expected true',
  ]);
});

test('a URL in the wrong place is shown without its password', () => {
  const [problem] = problems('rules: [{ name: a, then: allow, when: "postgres://app:hunter2@10.0.0.5/app" }]\n');
  expect(problem).toContain('postgres://app:…@10.0.0.5/app');
  expect(problem).not.toContain('hunter2');
});

test.each<[string, string, string[]]>([
  [
    'a scalar that fits no alternative',
    'rules: [{ name: a, then: deny, as: ful }]',
    [
      '1:36: rules[0].as is "ful", expected "full", "none", a mapping with first or a mapping with fixed, did you mean "full"?',
    ],
  ],
  [
    'a mapping with a key of one alternative',
    'rules: [{ name: a, then: deny, as: { first: x } }]',
    ['1:45: rules[0].as.first is "x", expected a number'],
  ],
  [
    'a mapping with a mistyped key',
    'rules: [{ name: a, then: deny, as: { fixd: x, fixed: y } }]',
    ['1:38: unknown key "fixd" in rules[0].as, did you mean "fixed"?'],
  ],
  ['a list in place of text', 'labels: { env: { a: b } }', ['1:16: labels.env is a mapping, expected text or a list']],
  ['an empty value', 'rules:\nlabels: {}', ['1:1: rules is empty, expected a list']],
  [
    'too much',
    'rules: [{ name: a, then: deny, when: { limit: 10 } }]',
    ['1:47: rules[0].when.limit is 10, expected a number of at most 9'],
  ],
  [
    'a date that is none',
    'at: yesterday',
    ['1:5: at is "yesterday", expected a date and time such as 2026-01-05T09:00:00Z'],
  ],
  [
    'a document that is a list',
    '[1]',
    ['1:1: the document is a list, expected a mapping with rules, labels, password, level, at'],
  ],
  [
    'an unknown key far from all',
    'zzzzzz: 1',
    ['1:1: unknown key "zzzzzz", expected one of rules, labels, password, level, at'],
  ],
])('%s is told in words', (_, text, expected) => {
  expect(problems(text)).toEqual(expected);
});

test.each<[string, string, string[]]>([
  ['a key given twice', 'rules: []\nlabels: {}\nrules: []\n', ['3:1: key given twice, expected each key once']],
  ['a second document', 'rules: []\n---\nrules: []\n', ['2:1: a second document begins, expected one']],
  [
    'an alias of nothing',
    'rules: *all\n',
    ['1:8: alias "*all" stands for nothing, expected an anchor "&all" before it'],
  ],
  ['a key that is a list', '? [a]\n: 1\n', ['1:3: key is no text, expected a name']],
  [
    'a key that JavaScript takes for something else',
    'labels:\n  __proto__: x\n',
    ['2:3: key "__proto__" cannot be used, expected another name'],
  ],
  [
    'several at once',
    'labels: { a: 1, a: 2 }\nrules: *x\n',
    [
      '1:17: key given twice, expected each key once',
      '2:8: alias "*x" stands for nothing, expected an anchor "&x" before it',
    ],
  ],
])('YAML with %s is refused at its place', (_, text, expected) => {
  expect(problems(text)).toEqual(expected);
});

test('text that is no YAML is refused at its place', () => {
  const [first] = problems('rules: [\nlabels: {}\n');
  expect(first).toMatch(/^\d+:\d+: not valid YAML: /);
  expect(problems('rules: !!binary [x]\n')[0]).toMatch(/^1:8: not valid YAML: /);
});

test('an anchor may be used again, and its problems are told where it stands', () => {
  const text = 'labels: &l { a: b, c: 3 }\nrules: []\n';
  expect(problems(text)).toEqual(['1:23: labels.c is 3, expected text or a list']);
  const shared = parseDocument('rules:\n  - &a { name: a, then: deny }\n  - *a\n', { file: 'f', schema });
  expect(shared.value?.rules).toHaveLength(2);
  expect(problems('rules:\n  - &a { name: a, then: no }\n  - *a\n')).toEqual([
    '2:25: rules[0].then is "no", expected "allow" or "deny"',
    '2:25: rules[1].then is "no", expected "allow" or "deny"',
  ]);
});

test('aliases that multiply, deep nesting and endless texts are refused', () => {
  let bomb = 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n';
  for (let i = 1; i < 10; i++)
    bomb += `a${i}: &a${i} [${Array(10)
      .fill(`*a${i - 1}`)
      .join(', ')}]\n`;
  expect(problems(bomb)[0]).toMatch(/^1:1: the document cannot be read: excessive alias count/);
  expect(problems(`rules: ${'['.repeat(20_000)}${']'.repeat(20_000)}`)[0]).toMatch(/^1:1: |not valid YAML/);
  expect(problems('#'.repeat(4 * 1024 * 1024 + 1))).toEqual([
    '1:1: the document has 4194305 characters, expected at most 4194304',
  ]);
});

test('parts of a document are checked against schemas of their own, with places in the whole', () => {
  const opened = openDocument('connections:\n  db:\n    target: { prt: 5432 }\n', 'f');
  const target = z.strictObject({ host: z.string(), port: z.number().default(5432) });
  const checked = opened.value!.check(target, ['connections', 'db', 'target']);
  expect(checked.problems).toEqual([
    {
      file: 'f',
      line: 3,
      column: 13,
      path: 'connections.db.target.host',
      message: '"host" is missing in connections.db.target, expected text',
    },
    {
      file: 'f',
      line: 3,
      column: 15,
      path: 'connections.db.target.prt',
      message: 'unknown key "prt" in connections.db.target, did you mean "port"?',
    },
  ]);
});

test('a problem found later has the place of its value, or of the nearest that is there', () => {
  const { document } = parseDocument('rules:\n  - name: a\n    then: deny\n', { file: 'f', schema }) as {
    document: NonNullable<ReturnType<typeof openDocument>['value']>;
  };
  expect(document.problem(['rules', 0, 'name'], 'is used twice')).toEqual({
    file: 'f',
    line: 2,
    column: 11,
    path: 'rules[0].name',
    message: 'rules[0].name is used twice',
  });
  expect(document.problem(['rules', 0, 'when', 'does', 1], 'is unknown')).toMatchObject({ line: 2, column: 5 });
  expect(document.problem([], 'is empty')).toMatchObject({ line: 1, column: 1, message: 'is empty' });
});

test('a path is written as one would in code', () => {
  expect(formatPath(['rules', 2, 'when', 'a b', 'c-d'])).toBe('rules[2].when."a b".c-d');
});
