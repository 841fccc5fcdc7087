// Property: random statements, with and without masks, on two databases that differ in masked values only. Thousands a
// minute; for many minutes: scripts/soundness.

import { expect, it } from 'vitest';
import { available } from '../../../support/needs.ts';
import { seeded } from '../../../support/random.ts';
import { Comparison } from './compare.ts';

const ROUNDS = Number(process.env.HOOPCTL_FUZZ ?? 1) * 350;
const versions = (['debian15', 'embedded18'] as const).filter(
  (version) => version === 'embedded18' || available('postgresql-15'),
);

it.each(versions)(
  'no random statement tells anything of a masked value: %s',
  { timeout: 3_600_000 },
  async (version) => {
    const random = seeded(20_261_120);
    const comparison = await Comparison.open(random, version);
    try {
      for (let round = 0; round < ROUNDS; round++) await comparison.once();
    } finally {
      await comparison.close();
    }
    const { tally } = comparison;
    expect(tally.findings, `seed ${random.seed}`).toEqual([]);
    // The grammar has to hit the mark: statements that run, some masked and some not, values that are there to be leaked.
    expect(tally.came.equal).toBeGreaterThan(ROUNDS / 8);
    expect(tally.came.masked).toBeGreaterThan(ROUNDS / 8);
    expect(tally.secret).toBeGreaterThan(ROUNDS / 5);
    expect(tally.came.failed).toBeLessThan(ROUNDS / 3);
  },
);
