// One thing that is wrong with a configuration: where, what, and what was expected.

export interface Problem {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in UTF-16 units, as editors do. */
  readonly column: number;
  /** Where in the document, e.g. `rules[2].when.does`; empty for the document as a whole. */
  readonly path: string;
  /** What, and what was expected: lower case, no full stop. */
  readonly message: string;
}

/** `file:line:column: message` lines in the order of the document, each problem once. */
export function formatProblems(problems: readonly Problem[]): string {
  const lines = sortProblems(problems).map(
    ({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`,
  );
  return [...new Set(lines)].join('\n');
}

export function sortProblems(problems: readonly Problem[]): readonly Problem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column || (a.message < b.message ? -1 : 1));
}

export type Path = readonly (string | number)[];

/** `['rules', 2, 'when', 'a b']` → `rules[2].when."a b"`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let out = '';
  for (const step of path) {
    if (typeof step === 'number') out += `[${step}]`;
    else {
      const key = String(step);
      out += `${out === '' ? '' : '.'}${/^[\w-]+$/.test(key) ? key : JSON.stringify(key)}`;
    }
  }
  return out;
}
