// zod's issues → what was found and what was expected, in words. Values under a key that may name a secret are never quoted
// (promise 4: a literal password in the wrong place must not reach a log).

import type { z } from 'zod';
import { nearest } from '../core/nearest.ts';
import { formatPath, type Path } from './problem.ts';
import { describeAt, knownKeys, orList, typeWord, wordsAt } from './shape.ts';

type Issue = z.core.$ZodIssue;

/** Something wrong, before it has a line and a column. `at`: point at the key, or at the value. */
export interface Finding {
  readonly path: Path;
  readonly at: 'key' | 'value';
  readonly message: string;
}

interface Context {
  readonly schema: z.core.$ZodType;
  /** The whole document's value. */
  readonly root: unknown;
  /** Where in the document the schema begins. */
  readonly base: Path;
}

/** One finding an issue, except unknown keys: one each. */
export function explainIssues(issues: readonly Issue[], context: Context): Finding[] {
  // A mapping with a key mistyped has often too few of the known ones: the typing mistake says it all.
  const mistyped = new Set(
    issues.filter((issue) => issue.code === 'unrecognized_keys').map((issue) => formatPath(issue.path)),
  );
  const kept = issues.filter((issue) => issue.code !== 'custom' || !mistyped.has(formatPath(issue.path)));
  return kept.flatMap((issue) => explainIssue(issue, context));
}

function explainIssue(issue: Issue, context: Context): Finding[] {
  const local = issue.path as Path;
  const path = [...context.base, ...local];
  const value = valueAt(context.root, path);
  const expected = (words: string): Finding[] => [{ path, at: 'value', message: `${found(path, value)}, ${words}` }];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey([...path, key], knownKeys(context.schema, local)));
    case 'invalid_type':
      return expected(
        `expected ${issue.expected === 'object' ? (describeAt(context.schema, local) ?? 'a mapping') : typeWord(issue.expected)}`,
      );
    case 'invalid_value':
      return expected(`expected ${oneOf(issue.values, value)}`);
    case 'invalid_union':
      return (
        explainUnion(issue, local, value, context) ??
        expected(
          `expected ${describeAt(context.schema, local) ?? 'something else'}${didYouMean(value, wordsAt(context.schema, local))}`,
        )
      );
    case 'invalid_key':
      return [
        {
          path,
          at: 'key',
          message: `key ${JSON.stringify(path.at(-1))} does not fit, ${words(issue.issues[0]?.message, 'expected another key')}`,
        },
      ];
    case 'too_small':
      return expected(`expected ${bound(issue.origin, 'at least', Number(issue.minimum), issue.inclusive !== false)}`);
    case 'too_big':
      return expected(`expected ${bound(issue.origin, 'at most', Number(issue.maximum), issue.inclusive !== false)}`);
    case 'not_multiple_of':
      return expected(`expected a multiple of ${issue.divisor}`);
    case 'invalid_format':
      return expected(words(issue.message, `expected ${formatWord(issue.format, issue.pattern)}`));
    default:
      return expected(words(issue.message, 'expected something else'));
  }
}

/** A message of ours says what is expected; zod's own are not shown. */
function words(message: string | undefined, otherwise: string): string {
  return message === undefined || message === '' || message.startsWith('Invalid') ? otherwise : message;
}

/** The issues of the one alternative that was meant, where the kind of value tells which. */
function explainUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  local: Path,
  value: unknown,
  context: Context,
): Finding[] | undefined {
  if (typeof value !== 'object' || value === null) {
    // Of the alternatives for a scalar, the one that took the type and refused the content has the better message.
    const content = issue.errors.filter((branch) =>
      branch.every(
        (inner) =>
          inner.code === 'custom' ||
          inner.code === 'invalid_format' ||
          inner.code === 'too_small' ||
          inner.code === 'too_big',
      ),
    );
    if (content.length !== 1) return undefined;
    return explainIssues(prefixed(content[0]!, local), context);
  }
  const fitting = issue.errors.filter(
    (branch) =>
      !branch.some((inner) => inner.path.length === 0 && ['invalid_type', 'invalid_value'].includes(inner.code)),
  );
  const ranked = fitting.map((branch) => ({ branch, misfit: misfit(branch) })).sort((a, b) => a.misfit - b.misfit);
  return ranked[0] === undefined ? undefined : explainIssues(prefixed(ranked[0].branch, local), context);
}

/** How far a branch is from fitting: keys it does not know weigh most, they belong to another branch. */
function misfit(branch: readonly Issue[]): number {
  return branch.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? 10 * issue.keys.length : 1), 0);
}

function prefixed(issues: readonly Issue[], path: Path): Issue[] {
  return issues.map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
}

function unknownKey(path: Path, known: readonly string[] | undefined): Finding {
  const key = String(path.at(-1));
  const parent = formatPath(path.slice(0, -1));
  const near = known === undefined ? undefined : nearest(key, known);
  const expected =
    near !== undefined
      ? `did you mean "${near}"?`
      : known === undefined
        ? 'expected no such key'
        : `expected one of ${known.join(', ')}`;
  return {
    path,
    at: 'key',
    message: `unknown key ${JSON.stringify(key)}${parent === '' ? '' : ` in ${parent}`}, ${expected}`,
  };
}

const SECRET = /pass|secret|token|credential|private|\bkey\b/i;

/** `rules[0].then is "dney"`, `"name" is missing in rules[0]`. */
function found(path: Path, value: unknown): string {
  const where = formatPath(path);
  if (value === undefined && path.length > 0) {
    const parent = formatPath(path.slice(0, -1));
    return `${JSON.stringify(String(path.at(-1)))} is missing${parent === '' ? '' : ` in ${parent}`}`;
  }
  const subject = where === '' ? 'the document' : where;
  if (value === null || value === undefined) return `${subject} is empty`;
  if (Array.isArray(value)) return `${subject} is ${value.length === 0 ? 'an empty list' : 'a list'}`;
  if (typeof value === 'object')
    return `${subject} is ${Object.keys(value).length === 0 ? 'an empty mapping' : 'a mapping'}`;
  // Limits are numbers, whatever their names are about (`access_token_ms`).
  if (path[0] !== 'limits' && path.some((step) => typeof step === 'string' && SECRET.test(step)))
    return `${subject} (not shown) does not fit`;
  // A URL in the wrong place brings its password along, and an identity in the place of its recipient is a secret by itself.
  const text = JSON.stringify(value)
    .replace(/(:\/\/[^\s/@]*:)[^\s/]*@/g, '$1…@')
    .replace(/(age-secret-key-1)\w+/gi, '$1…');
  return `${subject} is ${text.length > 60 ? `${text.slice(0, 57)}…"` : text}`;
}

function oneOf(values: readonly unknown[], value: unknown): string {
  const shown = values.map((one) => (typeof one === 'string' ? JSON.stringify(one) : String(one)));
  return `${orList(shown)}${didYouMean(value, values)}`;
}

function didYouMean(value: unknown, words: readonly unknown[]): string {
  const texts = words.filter((word) => typeof word === 'string');
  const near = typeof value === 'string' ? nearest(value, texts) : undefined;
  return near === undefined ? '' : `, did you mean "${near}"?`;
}

function bound(origin: string, side: string, amount: number, inclusive: boolean): string {
  const many = (unit: string) => `${side} ${amount} ${unit}${amount === 1 ? '' : 's'}`;
  if (origin === 'string') return many('character');
  if (origin === 'array' || origin === 'set') return many('item');
  if (origin === 'object' || origin === 'map') return many('key');
  return inclusive ? `a number of ${side} ${amount}` : `a number ${side === 'at least' ? 'over' : 'under'} ${amount}`;
}

function formatWord(format: string, pattern: string | undefined): string {
  if (format === 'datetime') return 'a date and time such as 2026-01-05T09:00:00Z';
  if (format === 'regex') return `text that matches ${pattern}`;
  if (format === 'url') return 'a URL';
  return `a valid ${format.replaceAll('_', ' ')}`;
}

/** The value at a path; undefined where there is none. */
export function valueAt(root: unknown, path: Path): unknown {
  let here = root;
  for (const step of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Record<string | number, unknown>)[step];
  }
  return here;
}
