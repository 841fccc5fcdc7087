// What is wrong with a document that has the right shape: rules that could never apply, names used twice, contradictions.
// A rule that silently does nothing is the worst kind of rule, so each is an error at load (FIELD.md, mistake 8).

import { nearest } from '../../core/nearest.ts';
import type { Capabilities, Vocabulary } from '../../protocol/contract.ts';
import { checkClasses, classOf, withoutClasses } from './classes.ts';
import { allHold } from './condition.ts';
import { checkContradictions, type Report } from './contradictions.ts';
import { columnPattern, qualifiedPattern } from './pattern.ts';
import { predicateUses } from './predicates.ts';
import { NEEDED, RESERVED_NAMES } from './rule.ts';
import type { MaskLine, PolicyDocument, Rule, To, When, Who } from './schema.ts';
import type { ConnectionRef } from './types.ts';
import { toConditions } from './who.ts';

export interface PolicyConnection extends ConnectionRef {
  readonly vocabulary: Vocabulary;
  readonly capabilities: Capabilities;
}

/** Where in the document, and what: the configuration turns the path into line and column. */
export interface PolicyProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const COLUMN = 'table.column or schema.table.column';

/** Every problem of the document against these connections; empty when it can be enforced as it stands. */
export function checkPolicy(
  document: PolicyDocument,
  connections: readonly PolicyConnection[],
): readonly PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const report: Report = (path, message) => problems.push({ path, message });
  const select = (to: To | undefined) => {
    const conditions = toConditions(to);
    return connections.filter((connection) => allHold(conditions, connection));
  };

  document.access.forEach((line, i) => {
    checkTo(line.to, ['access', i], select(line.to), connections, report);
    checkWho(line.who, ['access', i, 'who'], report);
  });
  checkClasses(document, report);
  checkNames(document.rules, 'rules', report);
  checkNames(document.masks, 'masks', report);
  document.rules.forEach((rule, i) => {
    const selected = select(rule.to);
    checkTo(rule.to, ['rules', i], selected, connections, report);
    checkWho(rule.who, ['rules', i, 'who'], report);
    checkRule(rule, ['rules', i], selected, report);
  });
  document.masks.forEach((mask, i) => {
    const selected = select(mask.to);
    checkTo(mask.to, ['masks', i], selected, connections, report);
    checkWho(mask.unless, ['masks', i, 'unless'], report);
    checkMask(mask, ['masks', i], selected, report);
  });
  document.roles.auditor.forEach(({ who, to }, i) => {
    checkTo(to, ['roles', 'auditor', i], select(to), connections, report);
    checkWho(who, ['roles', 'auditor', i, 'who'], report);
  });
  checkContradictions(withoutClasses(document), connections, report);
  checkTests(document, connections, report);
  return problems;
}

function checkNames(items: readonly { readonly name: string }[], section: string, report: Report): void {
  const first = new Map<string, number>();
  items.forEach(({ name }, i) => {
    if (RESERVED_NAMES.includes(name)) {
      report([section, i, 'name'], `name "${name}" belongs to a built-in rule, expected another`);
    } else if (first.has(name)) {
      report(
        [section, i, 'name'],
        `name "${name}" is already that of ${section}[${first.get(name)}], expected a unique name`,
      );
    } else {
      first.set(name, i);
    }
  });
}

function checkTo(
  to: To | undefined,
  path: readonly (string | number)[],
  selected: readonly PolicyConnection[],
  all: readonly PolicyConnection[],
  report: Report,
): void {
  if (to === undefined || selected.length > 0) return;
  const wanted = to.names?.[0];
  const near =
    wanted === undefined
      ? undefined
      : nearest(
          wanted,
          all.map((connection) => connection.name),
        );
  const hint = near === undefined || near === wanted ? '' : `, did you mean "${near}"?`;
  report(
    [...path, 'to'],
    `selects no connection, expected at least one of ${quoteAll(all.map(({ name }) => name))}${hint}`,
  );
}

function checkWho(who: Who | undefined, path: readonly (string | number)[], report: Report): void {
  if (who?.kinds !== undefined && who.actors !== undefined && !who.kinds.includes('agent')) {
    report(
      [...path, 'kinds'],
      'can never hold together with actors: whoever has an actor is an agent, expected agent among kinds',
    );
  }
}

/** Conditions that need the protocol to analyse its operations. */
const STATEMENT_CONDITIONS: readonly (keyof When)[] = [
  'does',
  'objects',
  'relations',
  'columns',
  'functions',
  'programs',
  'otherPrograms',
  'arguments',
  'otherArguments',
  'places',
  'otherPlaces',
  'unbounded',
  'opaque',
  'dangerous',
  'text',
];

function checkRule(
  rule: Rule,
  path: readonly (string | number)[],
  selected: readonly PolicyConnection[],
  report: Report,
): void {
  if (rule.then === 'review') {
    if (rule.reviewers === undefined) report([...path, 'then'], 'is review, expected reviewers beside it');
    requireAll(selected, 'hold', [...path, 'then'], 'review needs a protocol that can hold an operation', report);
  } else {
    if (rule.reviewers !== undefined)
      report([...path, 'reviewers'], `has no effect with then: ${rule.then}, expected then: review`);
    for (const key of ['wait', 'reason'] as const) {
      if (rule[key] === undefined) continue;
      report([...path, key], `has no effect with then: ${rule.then}, expected then: review`);
    }
  }
  if (rule.then === 'allow' && rule.message !== undefined) {
    report([...path, 'message'], 'has no effect with then: allow, expected then: deny or review');
  }
  if (rule.then === 'deny') {
    requireAll(selected, 'refuse', [...path, 'then'], 'deny needs a protocol that can refuse one operation', report);
  }
  if (rule.alert !== undefined) {
    requireAll(
      selected,
      'inspect',
      [...path, 'alert'],
      'the alert needs a protocol that inspects its operations',
      report,
    );
  }
  const when = rule.when;
  if (when === undefined) return;
  if (when.budget !== undefined && rule.then === 'allow') {
    report([...path, 'when', 'budget'], 'has no effect with then: allow, expected then: deny or review');
  }
  const statement = STATEMENT_CONDITIONS.find((key) => when[key] !== undefined);
  if (statement !== undefined) {
    requireAll(
      selected,
      'inspect',
      [...path, 'when', statement],
      'the condition needs a protocol that inspects its operations',
      report,
    );
  }
  if (when.output !== undefined) checkOutput(rule, when, path, selected, report);
  const inspecting = selected.filter((connection) => connection.capabilities.inspect);
  if (inspecting.length > 0) checkWords(when, [...path, 'when'], inspecting, report);
  const { statements: _, per: __, ...measured } = when.budget ?? {};
  if (Object.values(measured).some((bound) => bound !== undefined)) {
    requireAll(selected, 'meter', [...path, 'when', 'budget'], 'a budget needs a protocol that counts results', report);
  }
  if (when.budget?.distinct !== undefined) {
    const at = [...path, 'when', 'budget', 'distinct'];
    checkPatterns([when.budget.distinct.column], at, (text) => columnPattern(text) !== undefined, COLUMN, report);
  }
  checkPatterns(
    when.relations,
    [...path, 'when', 'relations'],
    (text) => qualifiedPattern(text) !== undefined,
    'name or schema.name',
    report,
  );
  checkPatterns(
    when.functions,
    [...path, 'when', 'functions'],
    (text) => qualifiedPattern(text) !== undefined,
    'name or schema.name',
    report,
  );
  checkPatterns(when.columns, [...path, 'when', 'columns'], isColumn, COLUMN, report);
}

function checkOutput(
  { then, alert }: Rule,
  when: When,
  path: readonly (string | number)[],
  selected: readonly PolicyConnection[],
  report: Report,
): void {
  const at = [...path, 'when', 'output'];
  requireAll(selected, 'output', at, 'a rule on output needs a protocol whose output it can be held against', report);
  if (then === 'allow') report(at, 'has no effect with then: allow, expected then: deny or review');
  const idle = when.budget !== undefined ? 'budget' : alert !== undefined ? 'alert' : undefined;
  if (idle !== undefined) report(at, `has no effect together with ${idle}, expected two rules`);
}

/** Every selected connection has the capability: where one has not, the rule would silently do nothing there. */
function requireAll(
  selected: readonly PolicyConnection[],
  capability: keyof Capabilities,
  path: readonly (string | number)[],
  message: string,
  report: Report,
): void {
  const without = selected.filter((connection) => connection.capabilities[capability] !== true).map(({ name }) => name);
  if (without.length > 0) report(path, `cannot apply to ${quoteAll(without)}: ${message}, expected a narrower "to"`);
}

function checkWords(
  when: When,
  path: readonly (string | number)[],
  selected: readonly PolicyConnection[],
  report: Report,
): void {
  const does = new Set(selected.flatMap(({ vocabulary }) => Object.keys(vocabulary.does)));
  const objects = new Set(selected.flatMap(({ vocabulary }) => vocabulary.objects));
  const check = (key: 'does' | 'objects', known: ReadonlySet<string>) =>
    when[key]?.forEach((word, i) => {
      if (known.has(word)) return;
      const near = nearest(word, known);
      const expected =
        near === undefined
          ? `one of ${[...known].sort().join(', ')}`
          : `a word of the protocol, did you mean "${near}"?`;
      report(
        [...path, key, i],
        `"${word}" is in the vocabulary of none of the selected connections, expected ${expected}`,
      );
    });
  for (const [key, particular] of NEEDED) {
    if (!when[key] || selected.some(({ vocabulary: { has } }) => has?.includes(particular) ?? true)) continue;
    report([...path, key], `can never hold: the protocol of no selected connection knows ${key}`);
  }
  check('does', does);
  check('objects', objects);
  const empty = selected.every(({ vocabulary: { dangerous } }) =>
    Object.values(dangerous).every((list) => list.length === 0),
  );
  if (when.dangerous && empty)
    report([...path, 'dangerous'], 'can never hold: none of the selected connections has a dangerous set');
}

function checkPatterns(
  patterns: readonly string[] | undefined,
  path: readonly (string | number)[],
  ok: (text: string) => boolean,
  expected: string,
  report: Report,
): void {
  patterns?.forEach((text, i) => {
    if (!ok(text))
      report([...path, i], `"${text}" is not well formed, expected ${expected}, names with dots in double quotes`);
  });
}

function checkMask(
  mask: MaskLine,
  path: readonly (string | number)[],
  selected: readonly PolicyConnection[],
  report: Report,
): void {
  requireAll(selected, 'mask', path, 'a mask needs a protocol that can mask', report);
  const streams = selected.filter(({ capabilities }) => capabilities.columns === false).map(({ name }) => name);
  if (mask.columns !== undefined && streams.length > 0) {
    const why = 'what comes back there has no columns, expected detect (in a mask of its own), or a narrower "to"';
    report([...path, 'columns'], `cannot apply to ${quoteAll(streams)}: ${why}`);
  }
  const { predicates, reviewers, wait } = mask;
  const reviews = Object.values(predicates === undefined ? {} : predicateUses(mask)).includes('review');
  if (predicates !== undefined && mask.columns === undefined) {
    report([...path, 'predicates'], 'has no effect without columns, expected columns beside it');
  }
  if (reviews) {
    if (reviewers === undefined) report([...path, 'predicates'], 'has review, expected reviewers beside it');
    const held = [...path, 'predicates'];
    requireAll(selected, 'hold', held, 'review needs a protocol that can hold an operation', report);
  } else {
    const idle = reviewers !== undefined ? 'reviewers' : wait !== undefined ? 'wait' : undefined;
    if (idle !== undefined) report([...path, idle], 'has no effect without predicates: review');
  }
  if (mask.safe !== undefined && mask.columns === undefined) {
    report([...path, 'safe'], 'has no effect without columns, expected columns beside it');
  }
  checkPatterns(mask.columns, [...path, 'columns'], isColumn, COLUMN, report);
}

const isColumn = (text: string): boolean => classOf(text) !== undefined || columnPattern(text) !== undefined;

function checkTests(document: PolicyDocument, connections: readonly PolicyConnection[], report: Report): void {
  const names = connections.map(({ name }) => name);
  const reasons = new Set([
    ...RESERVED_NAMES,
    ...document.rules.map(({ name }) => name),
    ...document.masks.map(({ name }) => name),
  ]);
  document.tests.forEach((test, i) => {
    if (!names.includes(test.to)) report(['tests', i, 'to'], unknown('connection', test.to, names));
    const words = connections.find(({ name }) => name === test.to)?.vocabulary.does ?? {};
    if (test.does !== undefined && names.includes(test.to) && !Object.hasOwn(words, test.does))
      report(['tests', i, 'does'], unknown(`word of ${test.to}`, test.does, Object.keys(words)));
    if (test.rule !== undefined && !reasons.has(test.rule))
      report(['tests', i, 'rule'], unknown('rule or mask', test.rule, [...reasons]));
  });
}

function unknown(what: string, name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return `"${name}" is no ${what}, expected ${near === undefined ? `one of ${quoteAll(known)}` : `the name of one, did you mean "${near}"?`}`;
}

function quoteAll(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const shown = names.slice(0, 10).map((name) => `"${name}"`);
  return names.length > 10 ? `${shown.join(', ')} and ${names.length - 10} more` : shown.join(', ');
}
