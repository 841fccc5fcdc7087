// A YAML text → a typed value, or everything that is wrong with it, each with its line and column.
// Knows no section of any configuration: the schema is the caller's.

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument as parseYaml,
  visit,
} from 'yaml';
import type { z } from 'zod';
import { fixedLimit } from '../core/limits.ts';
import { explainIssues, type Finding } from './issue.ts';
import { formatPath, type Path, type Problem, sortProblems } from './problem.ts';

/** Larger texts are not read. */
export const CONFIG_LENGTH = fixedLimit('config_length', 'count', 4 * 1024 * 1024);

/** How many values aliases may stand for, all together. */
const MOST_ALIASED = 1000;

export interface Valid<T> {
  readonly value: T;
  readonly problems?: undefined;
}

export interface Invalid {
  readonly problems: readonly Problem[];
  readonly value?: undefined;
}

/** `schema` → the value it makes of the document, or every problem, in the order of the document. */
export function parseDocument<S extends z.ZodType>(
  text: string,
  { file, schema }: { readonly file: string; readonly schema: S },
): (Valid<z.output<S>> & { readonly document: ConfigDocument }) | Invalid {
  const opened = openDocument(text, file);
  if (opened.problems !== undefined) return opened;
  const checked = opened.value.check(schema);
  return checked.problems === undefined ? { value: checked.value, document: opened.value } : checked;
}

/** The text as YAML alone: for a caller that checks parts of it against several schemas. */
export function openDocument(text: string, file: string): Valid<ConfigDocument> | Invalid {
  const lines = new LineCounter();
  const at = (offset: number, message: string): Problem => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col), path: '', message };
  };
  const whole = (message: string): Invalid => ({ problems: [{ file, line: 1, column: 1, path: '', message }] });
  if (text.length > CONFIG_LENGTH.value) {
    return whole(`the document has ${text.length} characters, expected at most ${CONFIG_LENGTH.value}`);
  }
  try {
    const yaml = parseYaml(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error', strict: true });
    const problems = [...yaml.errors, ...yaml.warnings].map((error) =>
      at(error.pos[0], yamlMessage(error.code, error.message)),
    );
    problems.push(...badNodes(yaml, at));
    if (problems.length > 0) return { problems: sortProblems(problems) };
    return { value: new ConfigDocument(file, yaml, yaml.toJS({ maxAliasCount: MOST_ALIASED }) ?? {}, lines) };
  } catch (thrown) {
    // Nested too deeply, or aliases that multiply.
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return whole(`the document cannot be read: ${lowerFirst(why)}, expected fewer aliases and less nesting`);
  }
}

function yamlMessage(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'key given twice, expected each key once';
  if (code === 'MULTIPLE_DOCS') return 'a second document begins, expected one';
  return `not valid YAML: ${lowerFirst(message.replace(/\.$/, ''))}`;
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

/** Keys that are no text, the one that JavaScript takes for something else, and aliases of nothing. */
function badNodes(yaml: Document, at: (offset: number, message: string) => Problem): Problem[] {
  const problems: Problem[] = [];
  visit(yaml, {
    Alias(_, alias) {
      if (alias.resolve(yaml) !== undefined) return;
      problems.push(
        at(
          alias.range?.[0] ?? 0,
          `alias "*${alias.source}" stands for nothing, expected an anchor "&${alias.source}" before it`,
        ),
      );
    },
    Pair(_, pair) {
      const offset = (pair.key as Node | null)?.range?.[0] ?? 0;
      const key = isScalar(pair.key) ? pair.key.value : undefined;
      if (key === '__proto__') problems.push(at(offset, 'key "__proto__" cannot be used, expected another name'));
      else if (typeof key !== 'string' && typeof key !== 'number') {
        problems.push(at(offset, 'key is no text, expected a name'));
      }
    },
  });
  return problems;
}

/** A YAML document that can be checked, as a whole or in parts, and that knows where each of its values stands. */
export class ConfigDocument {
  readonly file: string;
  /** What the YAML says, before any schema. */
  readonly value: unknown;
  readonly #yaml: Document;
  readonly #lines: LineCounter;

  constructor(file: string, yaml: Document, value: unknown, lines: LineCounter) {
    this.file = file;
    this.value = value;
    this.#yaml = yaml;
    this.#lines = lines;
  }

  /** The value at `path` through a schema. */
  check<S extends z.ZodType>(schema: S, path: Path = []): Valid<z.output<S>> | Invalid {
    let value = this.value;
    for (const step of path) value = (value as Record<string | number, unknown> | undefined)?.[step];
    const result = schema.safeParse(value);
    if (result.success) return { value: result.data };
    const findings = explainIssues(result.error.issues, { schema, root: this.value, base: path });
    return { problems: sortProblems(findings.map((finding) => this.#problem(finding))) };
  }

  /** A problem that somebody else found at `path` (a rule that cannot apply, a file that is not there). */
  problem(path: Path, message: string): Problem {
    return this.#problem({ path, at: 'value', message: `${formatPath(path)} ${message}`.trim() });
  }

  #problem({ path, at, message }: Finding): Problem {
    const { line, col } = this.#lines.linePos(this.#offset(path, at));
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col), path: formatPath(path), message };
  }

  /** Where the value (or its key) stands; for one that is missing, its nearest parent that is there. */
  #offset(path: Path, at: 'key' | 'value'): number {
    let node: unknown = this.#yaml.contents;
    let best = offsetOf(node) ?? 0;
    for (const [depth, step] of path.entries()) {
      const inside = child(resolve(node, this.#yaml), step);
      if (inside === undefined) return best;
      const last = depth === path.length - 1;
      const key = inside.key === undefined ? undefined : offsetOf(inside.key);
      // An empty value stands nowhere: its key does.
      const value = isScalar(inside.value) && inside.value.value === null ? undefined : offsetOf(inside.value);
      best = (last && at === 'key' ? key : undefined) ?? value ?? key ?? best;
      node = inside.value;
    }
    return best;
  }
}

function resolve(node: unknown, yaml: Document): unknown {
  return isAlias(node) ? (node as Alias).resolve(yaml) : node;
}

function child(node: unknown, step: string | number): { key: unknown; value: unknown } | undefined {
  if (isSeq(node)) {
    const value = node.items[Number(step)];
    return value === undefined ? undefined : { key: undefined, value };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(
    (item: Pair) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
  );
  return pair === undefined ? undefined : { key: pair.key, value: pair.value };
}

function offsetOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
