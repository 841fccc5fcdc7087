// SSH beside what it stands beside: sshd directly, and OpenSSH's own ProxyJump through a second sshd. One cipher for all.
// Refuses to know: what is to be reached (sections.ts).

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, type Gateway, startGateway } from '../../test/support/gateway.ts';
import { memoryKb, runOk, sleep, start } from '../../test/support/process.ts';
import { plainSsh, sshConnectionTo } from '../../test/support/ssh.ts';
import { bytes, RawSsh, request, string, uint32 } from '../../test/support/ssh-raw.ts';
import { type Sshd, startSshd } from '../../test/support/sshd.ts';
import { median } from './numbers.ts';

export type SshPath = 'direct' | 'jump' | 'native' | 'connect';

export interface SshStage {
  readonly gateway: Gateway;
  readonly paths: Readonly<Record<SshPath, readonly string[]>>;
  /** The local port of `connect`. */
  readonly port: number;
  readonly env: Record<string, string | undefined>;
  stop(): Promise<void>;
}

const CIPHER = ['-F', 'none', '-c', 'aes128-gcm@openssh.com', '-o', 'LogLevel=ERROR'];
const UNKNOWN = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'];

function reached(sshd: Sshd): string[] {
  return [...UNKNOWN, '-o', 'BatchMode=yes', '-i', sshd.keyFile, '-p', String(sshd.port), sshd.host];
}

async function nativeArguments(
  gateway: Gateway,
  alice: Client,
): Promise<{ args: string[]; env: Record<string, string> }> {
  const ask = join(alice.home, 'askpass');
  writeFileSync(ask, '#!/bin/sh\necho "$BENCH_TOKEN"\n');
  chmodSync(ask, 0o700);
  const env = {
    SSH_ASKPASS: ask,
    SSH_ASKPASS_REQUIRE: 'force',
    BENCH_TOKEN: await alice.token('host', ['--ttl', '1h']),
  };
  return { args: [...UNKNOWN, '-p', String(gateway.nativePort), 'host@127.0.0.1'], env };
}

export async function sshStage(): Promise<SshStage> {
  const config = ['MaxStartups 1000', 'MaxSessions 1000'];
  const [sshd, hop] = await Promise.all([startSshd({ config }), startSshd({ config })]);
  const gateway = await startGateway({
    native: 'ssh',
    config: {
      connections: { host: sshConnectionTo(sshd) },
      access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
      rules: [
        { name: 'no-reboot', when: { does: ['exec'], text: '\\breboot\\b' }, then: 'deny' },
        { name: 'shells', when: { does: ['shell'] }, then: 'allow' },
      ],
    },
  });
  const alice = await gateway.user('alice', { groups: ['engineering'] });
  const connected = await alice.connect('host', [], { quiet: true });
  const native = await nativeArguments(gateway, alice);
  const through = ['ssh', ...CIPHER, '-W', '[%h]:%p', ...reached(hop)].join(' ');
  return {
    gateway,
    port: connected.port,
    env: { ...alice.env, ...native.env },
    paths: {
      direct: [...CIPHER, ...reached(sshd)],
      jump: [...CIPHER, '-o', `ProxyCommand=${through}`, ...reached(sshd)],
      native: [...CIPHER, ...native.args],
      connect: [...CIPHER, ...(await plainSsh(alice, connected.port, 'host'))],
    },
    async stop() {
      await connected.stop();
      await gateway[Symbol.asyncDispose]();
      await Promise.all([sshd.stop(), hop.stop()]);
    },
  };
}

const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(' ');

/** MB/s of so many MiB. */
export async function transfer(stage: SshStage, path: SshPath, way: 'up' | 'down', mib: number): Promise<number> {
  const ssh = `ssh ${quoted(stage.paths[path])}`;
  const text =
    way === 'down' ? `${ssh} 'head -c ${mib}M /dev/zero' | wc -c` : `head -c ${mib}M /dev/zero | ${ssh} 'wc -c'`;
  const from = process.hrtime.bigint();
  const { stdout } = await runOk('bash', ['-c', text], { env: stage.env, timeout: 300_000 });
  const seconds = Number(process.hrtime.bigint() - from) / 1e9;
  if (Number(stdout) !== mib * 2 ** 20) throw new Error(`${path} ${way}: ${stdout} bytes came`);
  return (mib * 2 ** 20) / 1e6 / seconds;
}

/** Milliseconds from a byte written to the same byte echoed by the host, of so many, sorted. */
export async function keystrokes(stage: SshStage, path: SshPath, count: number): Promise<number[]> {
  const running = start('ssh', [...stage.paths[path], 'echo ready; exec cat'], { env: stage.env });
  try {
    await running.waitFor(/ready/, 'stdout');
    const { stdin, stdout } = running.child;
    const found: number[] = [];
    for (let i = 0; i < count; i++) {
      const from = process.hrtime.bigint();
      const echoed = new Promise((resolve) => stdout?.once('data', resolve));
      stdin?.write('x');
      await echoed;
      found.push(Number(process.hrtime.bigint() - from) / 1e6);
      await sleep(5);
    }
    return found.sort((a, b) => a - b);
  } finally {
    await running.stop();
  }
}

/** Milliseconds of `ssh … true`, process start to end: the median of a few. */
export async function newSession(stage: SshStage, path: SshPath, times: number): Promise<number> {
  const found: number[] = [];
  for (let i = 0; i < times; i++) {
    const from = process.hrtime.bigint();
    await runOk('ssh', [...stage.paths[path], 'true'], { env: stage.env });
    found.push(Number(process.hrtime.bigint() - from) / 1e6);
  }
  return median(found);
}

const SETTLE_MS = 8000;

/** kB of the gateway's resident memory for each of many idle shells with a terminal. */
export async function idleShells(stage: SshStage, count: number): Promise<number> {
  const open = async (many: number) => {
    const opened: RawSsh[] = [];
    while (opened.length < many) {
      const next = Math.min(8, many - opened.length);
      opened.push(...(await Promise.all(Array.from({ length: next }, () => shell(stage.port)))));
    }
    return opened;
  };
  const shells = await open(Math.max(30, Math.round(count / 3)));
  await sleep(SETTLE_MS);
  const before = memoryKb(stage.gateway.process.pid);
  shells.push(...(await open(count)));
  await sleep(SETTLE_MS);
  const after = memoryKb(stage.gateway.process.pid);
  for (const one of shells) one.destroy();
  return (after - before) / count;
}

async function shell(port: number): Promise<RawSsh> {
  const client = await RawSsh.connect(port);
  const channel = await client.open(0);
  if (channel === undefined) throw new Error('a shell was refused');
  const terminal = bytes(string('xterm'), uint32(80), uint32(24), uint32(0), uint32(0), string(''));
  client.send(request(channel, 'pty-req', terminal), request(channel, 'shell'));
  await client.next(94);
  return client;
}
