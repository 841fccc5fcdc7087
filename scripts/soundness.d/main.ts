// Minutes of random statements with and without masks, from a seed: what scripts/soundness runs. Prints a line a minute,
// and at the end the tally as JSON; the exit status is 1 when anything was found.

import { parseArgs } from 'node:util';
import { Comparison, type Tally } from '../../test/conformance/postgres/soundness/compare.ts';
import { seeded } from '../../test/support/random.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
    version: { type: 'string', default: 'debian15' },
  },
});

const said = ({ statements, came, secret, columns, findings }: Tally) =>
  JSON.stringify({ statements, ...came, secret, columns, findings: findings.length });

const random = seeded(Number(values.seed));
const version = values.version === 'embedded18' ? 'embedded18' : 'debian15';
const comparison = await Comparison.open(random, version);
const { tally } = comparison;
const began = Date.now();
const until = began + Number(values.minutes) * 60_000;
let told = began;
let shown = 0;
try {
  while (Date.now() < until) {
    await comparison.once();
    for (; shown < tally.findings.length; shown++) console.log(tally.findings[shown]);
    if (Date.now() - told < 60_000) continue;
    told += 60_000;
    console.log(`${Math.round((told - began) / 60_000)} min: ${said(tally)}`);
  }
} finally {
  await comparison.close();
}
console.log(
  JSON.stringify({ seed: random.seed, version, minutes: Number(values.minutes), ...JSON.parse(said(tally)) }),
);
process.exitCode = tally.findings.length === 0 ? 0 : 1;
