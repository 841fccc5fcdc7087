// What a document's schema cannot say: files that are not there, limits that bound nothing, secrets written out, rules that
// could never apply. Looks at the document as written and at each part by itself, so that one mistake hides no other.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { z } from 'zod';
import type { ConfigDocument } from '../config/document.ts';
import type { Path, Problem } from '../config/problem.ts';
import { declaredLimits } from '../core/limits.ts';
import { nearest } from '../core/nearest.ts';
import { parseSecretRef } from '../core/secret.ts';
import type { Capabilities, Protocol } from '../protocol/contract.ts';
import { checkPolicy, type PolicyConnection } from '../session/policy/check.ts';
import { accessSchema, maskSchema, policySchema, ruleSchema, testSchema } from '../session/policy/schema.ts';
import { CONNECTION_KEYS } from './document.ts';
import './limits.ts';

type Report = (path: Path, message: string) => void;
type Raw = Readonly<Record<string, unknown>>;

/** Paths of files in the document, `*` for each item. */
const FILES: readonly (readonly string[])[] = [
  ['tls', 'cert'],
  ['tls', 'key'],
  ['identity', 'issuers', '*', 'caFile'],
  ['identity', 'workloads', '*', 'caFile'],
  ['connections', '*', 'target', 'caFile'],
  ['webhooks', '*', 'caFile'],
];

/** Fields of `credentials` that are secrets: never in the document itself, where backups and colleagues see them. */
const SECRET_FIELD = /pass|secret|token|private|key$/i;

export function problemsOf(document: ConfigDocument, protocols: readonly Protocol[], directory: string): Problem[] {
  const problems: Problem[] = [];
  const report: Report = (path, message) => problems.push(document.problem(path, message));
  const raw = asRecord(document.value);
  for (const pattern of FILES) {
    for (const [path, value] of matches(raw, pattern)) {
      if (typeof value !== 'string' || value === '' || existsSync(resolve(directory, value))) continue;
      report(path, `is "${value}", which does not exist, expected a file`);
    }
  }
  checkLimits(raw, report);
  checkSecrets(raw, report);
  checkRules(raw, protocols, report);
  return problems;
}

function checkLimits(raw: Raw, report: Report): void {
  const known = declaredLimits();
  for (const name of Object.keys(asRecord(raw.limits))) {
    if (known.has(name)) continue;
    const near = nearest(name, known.keys());
    const expected =
      near === undefined ? `expected one of ${[...known.keys()].sort().join(', ')}` : `did you mean "${near}"?`;
    report(['limits', name], `is no limit, ${expected}`);
  }
}

function checkSecrets(raw: Raw, report: Report): void {
  for (const [path, value] of matches(raw, ['connections', '*', 'credentials', '*'])) {
    if (typeof value !== 'string' || !SECRET_FIELD.test(String(path.at(-1)))) continue;
    if (parseSecretRef(value) === undefined) {
      report(path, 'is written out (not shown), expected a reference: env:NAME, file:PATH or exec:COMMAND');
    }
  }
}

/** Of a connection whose own part is wrong nothing is known: no rule is blamed for it. */
const EVERYTHING: Capabilities = { mask: true, hold: true, notify: true, refuse: true, inspect: true };

function checkRules(raw: Raw, protocols: readonly Protocol[], report: Report): void {
  const connections = Object.entries(asRecord(raw.connections)).flatMap(([name, written]): PolicyConnection[] => {
    const connection = asRecord(written);
    const protocol = protocols.find((one) => one.name === connection.protocol);
    if (protocol === undefined) return [];
    const labels = Object.fromEntries(
      Object.entries(asRecord(connection.labels)).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string',
      ),
    );
    return [{ name, labels, vocabulary: protocol.vocabulary, capabilities: capabilitiesOf(protocol, connection) }];
  });
  // Where a connection is not understood, what selects it would be blamed for selecting nothing.
  if (connections.length < Object.keys(asRecord(raw.connections)).length) return;
  const sections = {
    access: wellFormed(raw.access, accessSchema),
    rules: wellFormed(raw.rules, ruleSchema),
    masks: wellFormed(raw.masks, maskSchema),
    tests: wellFormed(raw.tests, testSchema),
  };
  const values = Object.fromEntries(
    Object.entries(sections).map(([name, list]) => [name, list.map(({ value }) => value)]),
  );
  const document = { ...policySchema.parse({}), ...values };
  for (const { path, message } of checkPolicy(document as never, connections)) {
    const [section, index, ...rest] = path;
    const written = sections[section as keyof typeof sections]?.[Number(index)]?.index;
    // A test may speak of a rule that is not well-formed: only what is wrong by itself is told then.
    if (section === 'tests' && rest[0] === 'rule' && incomplete(raw, sections)) continue;
    report(written === undefined ? path : [section!, written, ...rest], message);
  }
}

function incomplete(raw: Raw, sections: Readonly<Record<string, readonly unknown[]>>): boolean {
  return ['rules', 'masks'].some((name) => Array.isArray(raw[name]) && raw[name].length > sections[name]!.length);
}

function capabilitiesOf(protocol: Protocol, connection: Raw): Capabilities {
  const part = Object.fromEntries(Object.entries(connection).filter(([key]) => !CONNECTION_KEYS.includes(key)));
  const parsed = protocol.schema.safeParse(part);
  return parsed.success ? protocol.capabilities(parsed.data) : EVERYTHING;
}

/** The items that fit the schema, each with its place in the document. */
function wellFormed<S extends z.ZodType>(list: unknown, schema: S): { index: number; value: z.output<S> }[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((item, index) => {
    const parsed = schema.safeParse(item);
    return parsed.success ? [{ index, value: parsed.data }] : [];
  });
}

/** Every value at a path with `*` for any key or index. */
function matches(value: unknown, pattern: readonly string[], path: Path = []): [Path, unknown][] {
  const [step, ...rest] = pattern;
  if (step === undefined) return value === undefined ? [] : [[path, value]];
  const inside: readonly [string | number, unknown][] = Array.isArray(value)
    ? value.map((item, i) => [i, item])
    : Object.entries(asRecord(value));
  return inside
    .filter(([key]) => step === '*' || key === step)
    .flatMap(([key, item]) => matches(item, rest, [...path, key]));
}

function asRecord(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : {};
}
