// Keys that change on both sides of the gateway while data flows both ways: what each side has to read for that is read.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually, run } from '../support/process.ts';
import { plainSsh, sshConnectionTo } from '../support/ssh.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';

const MIB = 1024 * 1024;

describeWith(['sshd'], 'keys that change', () => {
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let connected: Connected;
  let words: string[];
  beforeAll(async () => {
    sshd = await startSshd();
    gateway = await startGateway({
      config: {
        connections: { host: sshConnectionTo(sshd, { recording: { bytes: 16_384 } }) },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        limits: { ssh_rekey_bytes: 8 * MIB },
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    connected = await alice.connect(['host'], [], { quiet: true });
    words = await plainSsh(alice, connected.ports.host as number, 'host');
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    await sshd?.stop();
  });

  it('do not stop what flows both ways on several channels', { timeout: 180_000 }, async () => {
    const control = join(alice.home, 'm');
    const shared = ['-S', control, ...words];
    const master = spawn('ssh', ['-M', '-N', ...shared], { env: { ...process.env, ...alice.env }, stdio: 'ignore' });
    await eventually('the connection is there', async () => (await run('ssh', ['-O', 'check', ...shared])).code === 0);
    // More than a MiB a side is under way when both begin to change keys.
    const bytes = 40 * MIB;
    const echo = `head -c ${bytes} /dev/zero | ssh ${shared.join(' ')} cat | wc -c`;
    const done = await Promise.all(Array.from({ length: 3 }, () => run('sh', ['-c', echo], { timeout: 150_000 })));
    master.kill();
    expect(done.map(({ stdout }) => stdout.trim())).toEqual(Array.from({ length: 3 }, () => `${bytes}`));
  });
});
