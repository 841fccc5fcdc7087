// scripts/torture: runs of test/support/kills.ts, longer than the suite's, one with a single session and one with many; and
// of ssh-kills.ts.

import { killStage, killTorture } from '../../test/support/kills.ts';
import { seeded } from '../../test/support/random.ts';
import { sshKillTorture } from '../../test/support/ssh-kills.ts';

const kills = Number(process.argv[2] ?? 520);
if (!Number.isInteger(kills) || kills < 2) {
  console.error('usage: scripts/torture [KILLS]');
  process.exit(2);
}

let wrong = 0;

async function round(name: string, count: number, clients: number): Promise<void> {
  const random = seeded(Date.now() % 1_000_000);
  const began = Date.now();
  const say = (text: string) => console.log(`  ${name}: ${text}`);
  console.log(`${name}: ${count} kills, seed ${random.seed}`);
  const stage = await killStage();
  try {
    const found = await killTorture(stage, { kills: count, clients, random, say });
    const verified = await stage.alice.run(['audit', 'verify', stage.gateway.data], { timeout: 600_000 });
    const { missing, problems, ...counts } = found;
    say(`${Math.round((Date.now() - began) / 1000)} s, ${JSON.stringify(counts)}`);
    say(`${missing.length} seen by the server and not recorded, ${problems.length} problems of recordings`);
    say(`audit verify of everything: exit code ${verified.code}, ${verified.stdout.trimEnd().split('\n').at(-1)}`);
    for (const one of [...missing, ...problems].slice(0, 20)) say(one);
    if (verified.code !== 0) console.log(verified.stdout.slice(-4000), verified.stderr);
    wrong += missing.length + problems.length + counts.refusedButRun + (verified.code === 0 ? 0 : 1);
  } finally {
    await stage.stop();
  }
}

/** Commands over SSH, against the host's own audit. */
async function commands(count: number): Promise<void> {
  const random = seeded(Date.now() % 1_000_000);
  const say = (text: string) => console.log(`  ssh: ${text}`);
  console.log(`ssh: ${count} kills, seed ${random.seed}`);
  const { missing, problems, ...counts } = await sshKillTorture({ kills: count, clients: 6, random, say });
  say(JSON.stringify(counts));
  say(`${missing.length} run by the host and not recorded, ${problems.length} problems of recordings`);
  for (const one of [...missing, ...problems].slice(0, 20)) say(one);
  wrong += missing.length + problems.length + counts.refusedButRun + (counts.verified === 0 ? 0 : 1);
}

// What was started is ended and removed on the way out (test/support/process.ts); a signal has to take that way.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

await round('one session at a time', Math.floor(kills / 3), 1);
await round('many sessions', kills - Math.floor(kills / 3), 8);
await commands(Math.max(2, Math.floor(kills / 4)));
console.log(wrong === 0 ? 'nothing was lost, nothing ran unrecorded' : `${wrong} things were wrong`);
process.exitCode = wrong === 0 ? 0 : 1;
