// What one run of vitest found: written by reporter.ts, read by again.ts and summary.ts.

import { existsSync, readFileSync } from 'node:fs';

export interface Results {
  tests: Result[];
  /** The first lines of errors outside of any test. */
  outside: string[];
}

export interface Result {
  /** Path from the project's root. */
  file: string;
  /** The test's name with those of its groups; empty for a file that cannot be loaded or whose hooks failed. */
  name: string;
  outcome: 'passed' | 'failed' | 'skipped';
  /** The first line of what failed. */
  why: string;
}

/** The results in `path`; undefined when the run wrote none. */
export function readResults(path: string): Results | undefined {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

export const titleOf = (result: Result) => (result.name === '' ? result.file : `${result.file} > ${result.name}`);
