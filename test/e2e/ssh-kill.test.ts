// Recorded before it happens, for SSH: the gateway is killed with SIGKILL at random moments while commands run through it;
// the host's own audit knows no command that is not on record. scripts/torture does it hundreds of times.

import { expect, it } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { seeded } from '../support/random.ts';
import { sshKillTorture } from '../support/ssh-kills.ts';

const KILLS = Number(process.env.HOOPCTL_TEST_KILLS ?? 24);

describeWith(['linux', 'sshd'], `a gateway with ssh sessions, killed ${KILLS} times`, () => {
  it('has recorded every command that the host ran', { timeout: 500_000 }, async () => {
    const random = seeded(Date.now() % 1_000_000);
    console.log(`ssh kill torture: seed ${random.seed} (HOOPCTL_TEST_SEED), ${KILLS} kills (HOOPCTL_TEST_KILLS)`);
    const found = await sshKillTorture({ kills: KILLS, clients: 4, random });
    console.log(`ssh kill torture: ${JSON.stringify({ ...found, missing: found.missing.length })}`);
    expect(found.missing).toEqual([]);
    expect(found.problems).toEqual([]);
    expect(found.refusedButRun).toBe(0);
    expect(found.verified).toBe(0);
    // The test would show nothing if hardly anything had run, or none had been cut in the middle.
    expect(found.seen).toBeGreaterThan(KILLS * 2);
    expect(found.interrupted).toBeGreaterThan(KILLS / 3);
  });
});
