// The last line of scripts/test, from vitest's JSON report and the checks that ran before it.
//
//   node summary.ts RESULTS.json VITEST_STATUS CHECKS_PASSED CHECKS_FAILED

import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: { status: string; fullName: string; duration?: number | null }[];
  }[];
}

const [file = '', vitestStatus = '1', checksPassed = '0', checksFailed = '0'] = process.argv.slice(2);
let passed = Number(checksPassed);
let failed = Number(checksFailed);
let skipped = 0;

const report: Report | undefined = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
if (report !== undefined) {
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  for (const suite of report.testResults) {
    const name = relative(process.cwd(), suite.name);
    const failures = suite.assertionResults.filter((test) => test.status === 'failed');
    for (const test of failures) console.log(`failed: ${name} > ${test.fullName}`);
    // A file that cannot even be loaded has no test that could have failed.
    if (suite.status === 'failed' && failures.length === 0) {
      failed += 1;
      console.log(`failed: ${name}: ${(suite.message ?? '').split('\n')[0]}`);
    }
    for (const test of suite.assertionResults) {
      if (test.status !== 'pending' && test.status !== 'skipped' && test.status !== 'todo') continue;
      skipped += 1;
      console.log(`skipped: ${name} > ${test.fullName}`);
    }
  }
}
// An error outside of any test, or vitest itself: never a green run.
if (vitestStatus !== '0' && failed === Number(checksFailed)) {
  failed += 1;
  console.log(`failed: vitest ended with status ${vitestStatus}`);
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
