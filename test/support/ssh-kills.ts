// Kill torture for SSH: clients run commands on many channels while the gateway is killed; the host's own audit (a forced
// command that writes each one down before it runs it) has no command that is not on record. For the suite and scripts/torture.

import { startAudited } from '../conformance/contract/ssh.ts';
import { startGateway } from './gateway.ts';
import { type KillOptions, killUnder, LIMITS, startLoads, tags } from './kills.ts';
import { runOk, sleep } from './process.ts';
import { seeded } from './random.ts';
import { chainProblems, readRecordings, recordedStatements } from './recordings.ts';
import { sshConnectionTo } from './ssh.ts';
import { exec, RawSsh } from './ssh-raw.ts';

/** One client that goes on whatever happens to its gateway; several commands at once, each with a tag of its own. */
async function load(
  name: string,
  seed: number,
  port: number,
  run: { over: boolean; answered: number },
): Promise<number> {
  const random = seeded(seed);
  let sent = 0;
  while (!run.over) {
    let client: RawSsh | undefined;
    try {
      client = await RawSsh.connect(port);
      for (let own = 0; !run.over && own < 200; own++) {
        const tag = `tag-${name}-${sent++}-`;
        await exec(client, own, random.below(5) === 0 ? `forbidden ${tag}` : `echo ${tag}`);
        run.answered += 1;
        if (random.below(20) === 0) break;
      }
    } catch {
      // Killed under us: again.
      await sleep(20);
    } finally {
      client?.destroy();
    }
  }
  return sent;
}

export async function sshKillTorture(options: KillOptions) {
  const { sshd, ran } = await startAudited();
  const gateway = await startGateway({
    config: {
      connections: {
        kept: sshConnectionTo(sshd),
        sure: sshConnectionTo(sshd, { recording: { durability: 'synced' } }),
      },
      access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
      rules: [{ name: 'no', when: { text: '^forbidden' }, then: 'deny' }],
      limits: LIMITS,
    },
  });
  try {
    const alice = await gateway.user('alice', { groups: ['engineering'] });
    const connected = await alice.connect(['kept', 'sure'], [], { quiet: true });
    const loads = startLoads(options, (name, seed, run, i) =>
      load(name, seed, connected.ports[i % 3 === 2 ? 'sure' : 'kept'] as number, run),
    );
    const { sent, problems, whileStarting } = await killUnder(loads, { gateway, connected }, options);
    const verified = await runOk(process.execPath, ['bin/hoopctl.js', 'audit', 'verify', gateway.recordings]);
    const seen = tags([ran()]);
    const recordings = readRecordings(gateway.recordings);
    const recorded = tags(recordedStatements(recordings));
    return {
      sent,
      seen: seen.size,
      missing: [...seen].filter((tag) => !recorded.has(tag)),
      refusedButRun: ran().includes('forbidden') ? 1 : 0,
      recordings: recordings.length,
      interrupted: recordings.filter(({ lines }) => lines.at(-1)?.interrupted !== undefined).length,
      whileStarting,
      verified: verified.code,
      problems: [...problems, ...recordings.flatMap(chainProblems)],
    };
  } finally {
    await gateway[Symbol.asyncDispose]();
    await sshd.stop();
  }
}
