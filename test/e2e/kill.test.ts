// Recorded before it happens (promise 1) and nothing lost (promise 10): the gateway is killed with SIGKILL at random
// moments under load, many times. Every statement that the server's own log has seen is in a recording, and every
// recording verifies after the restart. scripts/torture does it hundreds of times.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { killStage, killTorture } from '../support/kills.ts';
import { describeWith } from '../support/needs.ts';
import { seeded } from '../support/random.ts';
import type { Stage } from '../support/stage.ts';

const KILLS = Number(process.env.HOOPCTL_TEST_KILLS ?? 30);

let stage: Stage;

beforeAll(async () => {
  stage = await killStage();
});
afterAll(() => stage?.stop());

describeWith(['linux'], `a gateway killed ${KILLS} times`, () => {
  it('has recorded everything that the server saw, in recordings that verify', { timeout: 500_000 }, async () => {
    const random = seeded(Date.now() % 1_000_000);
    console.log(`kill torture: seed ${random.seed} (HOOPCTL_TEST_SEED), ${KILLS} kills (HOOPCTL_TEST_KILLS)`);
    const found = await killTorture(stage, { kills: KILLS, clients: 6, random });
    console.log(`kill torture: ${JSON.stringify({ ...found, missing: found.missing.length })}`);
    expect(found.missing).toEqual([]);
    expect(found.problems).toEqual([]);
    // The test would show nothing if hardly anything had run, or none had been cut in the middle.
    expect(found.seen).toBeGreaterThan(KILLS * 5);
    expect(found.interrupted).toBeGreaterThan(KILLS / 2);
    expect(found.segmented).toBeGreaterThan(0);
    // Nothing that a rule refuses was run.
    expect(found.refusedButRun).toBe(0);
    const verified = await stage.alice.run(['audit', 'verify', stage.gateway.recordings], { timeout: 120_000 });
    expect(verified.code, verified.stdout.slice(-2000) + verified.stderr).toBe(0);
  });
});
