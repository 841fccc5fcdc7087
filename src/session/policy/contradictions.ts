// What can never come to anything, though each part of it is well formed: a line that another line makes idle, a mask that
// spares everybody who could see its values, conditions that exclude each other. Pure; reports as check.ts does.

import { allHold } from './condition.ts';
import { nameParts } from './pattern.ts';
import type { AccessLine, MaskLine, PolicyDocument, Rule, To, Who } from './schema.ts';
import type { ConnectionRef } from './types.ts';
import { toConditions } from './who.ts';

/** Where, and what. */
export type Report = (path: readonly (string | number)[], message: string) => void;

export function checkContradictions(
  document: PolicyDocument,
  connections: readonly ConnectionRef[],
  report: Report,
): void {
  document.access.forEach((line, i) => {
    const open = document.access.findIndex(
      (other) => isOpen(other) && same(other.who, line.who) && same(other.to, line.to),
    );
    if (open < 0 || open === i) return;
    const idle = isOpen(line) ? open < i : true;
    if (idle) report(['access', i], `has no effect: access[${open}] gives the same people open access there`);
  });
  document.rules.forEach((rule, i) => {
    checkTwin(document.rules, rule, i, report);
    checkRule(rule, i, report);
  });
  document.masks.forEach((mask, i) => {
    checkExemption(document.access, mask, i, connections, report);
  });
}

const isOpen = (line: AccessLine) => line.grant === undefined && line.breakGlass === undefined;

/** Rules about exactly the same: beside one that denies none ever speaks. */
function checkTwin(rules: readonly Rule[], rule: Rule, i: number, report: Report): void {
  if (rule.alert !== undefined || rule.then === 'deny') return;
  const twin = rules.findIndex(
    (other, at) =>
      at !== i &&
      other.then === 'deny' &&
      same(other.who, rule.who) &&
      same(other.to, rule.to) &&
      same(other.when, rule.when),
  );
  if (twin < 0) return;
  const { name } = rules[twin]!;
  report(
    ['rules', i, 'then'],
    `can never count: rule "${name}" has the same conditions and says deny, expected one of the two`,
  );
}

function checkRule({ when, reason, then }: Rule, i: number, report: Report): void {
  if (when === undefined) return;
  const never = (key: string, message: string) => report(['rules', i, 'when', key], message);
  if (when.reasonMissing === true && reason === 'required') {
    never(
      'reasonMissing',
      'can never be reviewed: reason: required refuses every session that has none, expected then: deny',
    );
  }
  const { relations, columns } = when;
  // Where every relation that columns are of is named, and none of them among the relations.
  if (relations === undefined || columns === undefined) return;
  const tables = columns.map((text) => nameParts(text)?.at(-2));
  const wanted = relations.map((text) => nameParts(text)?.at(-1));
  const plain = (name: string | undefined) => name !== undefined && !/[*?]/.test(name);
  if (then === 'allow' && [...tables, ...wanted].every(plain) && !tables.some((table) => wanted.includes(table))) {
    never('columns', 'can never hold together with relations: none of the columns is of any of the relations');
  }
}

/** `unless` that covers everybody whom any line lets in to the mask's connections. */
function checkExemption(
  access: readonly AccessLine[],
  { to, unless }: MaskLine,
  i: number,
  connections: readonly ConnectionRef[],
  report: Report,
): void {
  if (unless === undefined) return;
  const names = selected(to, connections);
  const lines = access.filter((line) => selected(line.to, connections).some((name) => names.includes(name)));
  if (lines.length === 0 || !lines.every(({ who }) => covers(unless, who))) return;
  report(['masks', i, 'unless'], 'exempts everybody who has access there, so that the mask can never apply');
}

function selected(to: To | undefined, connections: readonly ConnectionRef[]): readonly string[] {
  const conditions = toConditions(to);
  return connections.filter((connection) => allHold(conditions, connection)).map(({ name }) => name);
}

/** Whether for certain whoever fits `narrow` fits `wide` too. */
function covers(wide: Who, narrow: Who): boolean {
  const lists = (who: Who) =>
    Object.entries({ ...who, ...prefixed(who.claims), claims: undefined }).filter((entry) => entry[1] !== undefined);
  const given = new Map(lists(narrow));
  return lists(wide).every(([key, value]) => {
    const patterns = [value].flat() as readonly string[];
    // Everybody has a subject and an issuer, and is of one of three kinds.
    if (['subjects', 'issuers'].includes(key) && patterns.includes('*')) return true;
    if (key === 'kinds' && ['person', 'workload', 'agent'].every((kind) => patterns.includes(kind))) return true;
    const wanted = given.get(key);
    if (wanted === undefined) return false;
    return ([wanted].flat() as readonly string[]).every((one) => patterns.includes(one) || patterns.includes('*'));
  });
}

function prefixed(claims: Who['claims']): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(claims ?? {}).map(([name, value]) => [`claims ${name}`, value]));
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

/** The order of keys and of alternatives says nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter((entry) => entry[1] !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sorted(one)]));
}
