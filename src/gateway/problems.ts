// What a document's schema cannot say: files that are not there, limits that bound nothing, secrets written out, rules that
// could never apply. Looks at the document as written and at each part by itself, so that one mistake hides no other.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { z } from 'zod';
import type { ConfigDocument } from '../config/document.ts';
import type { Path, Problem } from '../config/problem.ts';
import { declaredLimits, fixedLimits } from '../core/limits.ts';
import { nearest } from '../core/nearest.ts';
import { parseSecretRef } from '../core/secret.ts';
import type { Capabilities, Protocol, Vocabulary } from '../protocol/contract.ts';
import { checkPolicy, type PolicyConnection } from '../session/policy/check.ts';
import {
  accessSchema,
  classesSchema,
  maskSchema,
  policySchema,
  ruleSchema,
  testSchema,
} from '../session/policy/schema.ts';
import { CONNECTION_KEYS, connectionAs } from './document.ts';
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
  ['connections', '*', 'target', 'knownHosts'],
  ['connections', '*', 'target', '*', '*', 'knownHosts'],
  ['webhooks', '*', 'caFile'],
  ['exports', '*', 'caFile'],
  ['exports', '*', 'certFile'],
  ['recordings', 'store', 's3', 'caFile'],
];

const CREDENTIALS = ['connections', '*', 'credentials', '*'];

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
  return [...problems, ...strangers(document, raw, protocols)];
}

/** The protocols that a connection may be meant to have: what it says, what that is a mistake for, or else any. */
function meant(connection: Raw, protocols: readonly Protocol[]): readonly Protocol[] {
  const { protocol: word } = connection;
  const near =
    typeof word === 'string'
      ? nearest(
          word,
          protocols.map(({ name }) => name),
        )
      : undefined;
  const found = protocols.filter(({ name }) => name === word || name === near);
  return found.length === 0 ? protocols : found;
}

/** What else is wrong with a connection whose protocol is not known, whichever of those is meant. */
function strangers(document: ConfigDocument, raw: Raw, protocols: readonly Protocol[]): Problem[] {
  return Object.entries(asRecord(raw.connections)).flatMap(([name, written]) => {
    const connection = asRecord(written);
    const known = protocols.some((one) => one.name === connection.protocol);
    if (known || connection !== written) return [];
    const [first = [], ...others] = meant(connection, protocols).map(
      (protocol) => document.check(connectionAs(protocol), ['connections', name]).problems ?? [],
    );
    const same = (one: Problem) => (other: Problem) => other.path === one.path && other.message === one.message;
    return first.filter((one) => others.every((list) => list.some(same(one))));
  });
}

function checkLimits(raw: Raw, report: Report): void {
  const known = declaredLimits();
  for (const [name, value] of Object.entries(asRecord(raw.limits))) {
    const declared = known.get(name);
    if (declared !== undefined) {
      const { least = 0, unit } = declared;
      // Below 0 it is no limit of any kind, which the schema says.
      if (typeof value !== 'number' || value < 0 || value >= least) continue;
      report(
        ['limits', name],
        `is ${value}${unit === 'count' ? '' : ` ${unit}`}, expected at least ${least}: with less nothing works`,
      );
      continue;
    }
    if (fixedLimits().has(name)) {
      report(['limits', name], 'is fixed, nothing can change it');
      continue;
    }
    const near = nearest(name, known.keys());
    const expected =
      near === undefined ? `expected one of ${[...known.keys()].sort().join(', ')}` : `did you mean "${near}"?`;
    report(['limits', name], `is no limit, ${expected}`);
  }
}

function checkSecrets(raw: Raw, report: Report): void {
  // A target may have hosts on the way to it, each with its own.
  const places = [
    ...matches(raw, CREDENTIALS),
    ...matches(raw, ['connections', '*', 'target', '*', '*', 'credentials', '*']),
  ];
  for (const [path, value] of places) {
    if (typeof value !== 'string' || !SECRET_FIELD.test(String(path.at(-1)))) continue;
    if (parseSecretRef(value) === undefined) {
      report(path, 'is written out (not shown), expected a reference: env:NAME, file:PATH or exec:COMMAND');
    }
  }
}

/** Of a connection whose own part is wrong nothing is known: no rule is blamed for it. */
const EVERYTHING: Capabilities = {
  ...{ mask: true, hold: true, notify: true, refuse: true, inspect: true, meter: true },
  output: true,
};

function checkRules(raw: Raw, protocols: readonly Protocol[], report: Report): void {
  const connections = Object.entries(asRecord(raw.connections)).flatMap(([name, written]): PolicyConnection[] => {
    const connection = asRecord(written);
    const protocol = protocols.find((one) => one.name === connection.protocol);
    const labels = Object.fromEntries(
      Object.entries(asRecord(connection.labels)).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string',
      ),
    );
    // Where a connection is not understood, whatever selects it is blamed for no more than words that nobody has.
    if (protocol === undefined) {
      const vocabulary = together(meant(connection, protocols).map((one) => one.vocabulary));
      return [{ name, labels, vocabulary, capabilities: EVERYTHING }];
    }
    return [{ name, labels, vocabulary: protocol.vocabulary, capabilities: capabilitiesOf(protocol, connection) }];
  });
  const sections = {
    access: wellFormed(raw.access, accessSchema),
    rules: wellFormed(raw.rules, ruleSchema),
    masks: wellFormed(raw.masks, maskSchema),
    tests: wellFormed(raw.tests, testSchema),
  };
  const values = Object.fromEntries(
    Object.entries(sections).map(([name, list]) => [name, list.map(({ value }) => value)]),
  );
  const classes = classesSchema.safeParse(raw.classes ?? {});
  // What is wrong with a class is told where it stands; whoever means it is not blamed.
  const known = classes.success
    ? classes.data
    : Object.fromEntries(Object.keys(asRecord(raw.classes)).map((name) => [name, []]));
  const document = { ...policySchema.parse({}), ...values, classes: known };
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
    const value = parsed.success ? parsed.data : mended(item, schema);
    return value === undefined ? [] : [{ index, value }];
  });
}

/** Parts without which an item says something else. */
const ESSENTIAL = ['name', 'who', 'to', 'then', 'reviewers', 'columns', 'detect', 'predicates', 'grant', 'breakGlass'];

/** An item without those of its parts that are wrong by themselves, where the rest can still be judged. */
function mended<S extends z.ZodType>(item: unknown, schema: S): z.output<S> | undefined {
  const copy: unknown = structuredClone(item);
  for (let round = 0; round < 10; round++) {
    const parsed = schema.safeParse(copy);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) {
      const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
      for (const path of paths) {
        if (path.length === 0 || (issue.code !== 'unrecognized_keys' && ESSENTIAL.includes(String(path[0]))))
          return undefined;
        // What is missing makes what it is missing from wrong.
        if (!remove(copy, path) && path.length > 1) remove(copy, path.slice(0, -1));
      }
    }
  }
  return undefined;
}

/** False when there is nothing at that place. */
function remove(value: unknown, [key, ...rest]: readonly PropertyKey[]): boolean {
  if (typeof value !== 'object' || value === null || key === undefined || !(key in value)) return false;
  const holder = value as Record<PropertyKey, unknown>;
  // An item of a list takes the list with it: the places of the others would be wrong.
  if (rest.length > 0 && !Array.isArray(holder[key])) return remove(holder[key], rest);
  delete holder[key];
  return true;
}

/** Every word that any of them has. */
function together(all: readonly Vocabulary[]): Vocabulary {
  return {
    does: Object.assign({}, ...all.map(({ does }) => does)),
    objects: all.flatMap(({ objects }) => objects),
    opaque: all.flatMap(({ opaque }) => opaque),
    dangerous: {
      functions: all.flatMap(({ dangerous }) => dangerous.functions),
      does: all.flatMap(({ dangerous }) => dangerous.does),
      objects: all.flatMap(({ dangerous }) => dangerous.objects),
    },
  };
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
