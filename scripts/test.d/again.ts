// Which files scripts/test runs once more, alone: one path a line, nothing when there is none to run.
//
//   node again.ts RESULTS.json
//
// Tests of test/e2e drive other people's programs for a quarter of an hour on two busy cores; one that fails there and passes
// alone is told as unsteady, by name, and does not stop a change. Unit and conformance tests have no second try, and neither have
// those that show an enforcement (what ran unrecorded, unmasked, refused or unapproved): one such failure is a finding, however rare.

import { readResults } from './results.ts';

const FINAL = new Set(
  [
    ...['kill', 'ssh-kill', 'masks', 'unmask', 'refusals'],
    ...['review-matrix', 'ssh-approvals', 'ssh-shell-editor'],
  ].map((name) => `test/e2e/${name}.test.ts`),
);
/** More than this is no accident of timing. */
const MOST = 4;

const results = readResults(process.argv[2] ?? '');
const failed = results?.tests.filter((result) => result.outcome === 'failed') ?? [];
const mayPass = failed.every((result) => result.file.startsWith('test/e2e/') && !FINAL.has(result.file));
if (mayPass && failed.length <= MOST && results?.outside.length === 0)
  for (const file of new Set(failed.map((result) => result.file))) console.log(file);
