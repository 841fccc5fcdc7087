// Writes what a run of vitest found to the file that HOOPCTL_TEST_RESULTS names, in the shape of results.ts.

import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';
import type { Result, Results } from './results.ts';

export default class ResultsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly { message?: string }[]): void {
    const results: Results = {
      tests: modules.flatMap(resultsOf),
      outside: errors.map((error) => firstLine(error.message)),
    };
    const path = process.env.HOOPCTL_TEST_RESULTS;
    if (path !== undefined) writeFileSync(path, JSON.stringify(results));
  }
}

function resultsOf(module: TestModule): Result[] {
  const file = relative(process.cwd(), module.moduleId);
  const tests: Result[] = [];
  for (const test of module.children.allTests()) {
    const { state, errors } = test.result();
    const outcome = state === 'passed' || state === 'failed' ? state : 'skipped';
    tests.push({ file, name: test.fullName, outcome, why: firstLine(errors?.[0]?.message) });
  }
  // A file that cannot be loaded, or a hook that fails, has no test of its own that failed.
  if (!module.ok() && !tests.some((test) => test.outcome === 'failed')) {
    const errors = [module.errors(), ...[...module.children.allSuites()].map((suite) => suite.errors())].flat();
    tests.push({ file, name: '', outcome: 'failed', why: firstLine(errors[0]?.message) });
  }
  return tests;
}

function firstLine(text = ''): string {
  return text.trimStart().split('\n')[0] ?? '';
}
