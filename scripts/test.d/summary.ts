// The last lines of scripts/test, from the results of vitest and the checks that ran before it.
//
//   node summary.ts CHECKS_PASSED CHECKS_FAILED VITEST_STATUS RESULTS.json [AGAIN_STATUS AGAIN.json]

import { type Result, readResults, titleOf } from './results.ts';

const [checksPassed, checksFailed, status, file = '', againStatus, againFile = ''] = process.argv.slice(2);
let passed = Number(checksPassed);
let failed = Number(checksFailed);
let skipped = 0;

const results = readResults(file);
const again = readResults(againFile);
const passedAgain = (first: Result) => {
  const same = again?.tests.filter(
    (result) => result.file === first.file && (first.name === '' || result.name === first.name),
  );
  return (
    againStatus === '0' && same !== undefined && same.length > 0 && same.every((result) => result.outcome === 'passed')
  );
};
const fail = (line: string) => {
  failed += 1;
  console.log(`failed: ${line}`);
};

for (const result of results?.tests ?? []) {
  if (result.outcome === 'passed') passed += 1;
  else if (result.outcome === 'skipped') {
    skipped += 1;
    console.log(`skipped: ${titleOf(result)}`);
  } else if (passedAgain(result)) {
    passed += 1;
    console.log(`unsteady: ${titleOf(result)}: failed, and passed when its file ran again alone: ${result.why}`);
  } else fail(`${titleOf(result)}: ${result.why}`);
}
for (const error of results?.outside ?? []) fail(`outside of any test: ${error}`);
if (results === undefined) fail(`vitest ended with status ${status} and told no results`);
// Whatever else vitest has against the run: never a green one.
else if (status !== '0' && failed === Number(checksFailed) && againStatus === undefined)
  fail(`vitest ended with status ${status}`);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
