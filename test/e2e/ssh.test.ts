// SSH through the gateway: OpenSSH's client, unchanged, against a real sshd.

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually, type Finished, freePort, type RunOptions, run, start } from '../support/process.ts';
import { readRecordings } from '../support/recordings.ts';
import { pendingReview } from '../support/reviews.ts';
import { endedSession } from '../support/sessions.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { onTerminal } from '../support/terminal.ts';

interface ConnectionItem {
  described: Record<string, string>;
}

describeWith(['sshd'], 'ssh', () => {
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let dana: Client;
  let web: Server;

  const connection = (more: Record<string, unknown> = {}, target: Record<string, unknown> = {}) => ({
    protocol: 'ssh',
    target: { host: sshd.host, port: sshd.port, hostKeys: [sshd.hostKey], ...target },
    credentials: { user: sshd.user, key: `file:${sshd.keyFile}` },
    ...more,
  });

  beforeAll(async () => {
    sshd = await startSshd();
    web = createServer((_, answer) => void answer.end('the web page\n')).listen(0, '127.0.0.1');
    const other = await startSshd();
    const wrong = other.hostKey;
    const wrongKey = readFileSync(other.keyFile, 'utf8');
    await other.stop();
    gateway = await startGateway({
      native: 'ssh',
      env: { WRONG_KEY: wrongKey },
      config: {
        connections: {
          host: connection(),
          impostor: connection({}, { hostKeys: [wrong] }),
          stranger: connection({ credentials: { user: sshd.user, key: 'env:WRONG_KEY' } }),
          few: connection(),
          dead: connection({}, { port: await freePort() }),
          agents: connection({ options: { allow: ['agent-forwarding', 'subsystems'] } }),
        },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        rules: [
          { name: 'shells', to: { names: ['host'] }, when: { does: ['shell', 'forward'] }, then: 'allow' },
          {
            name: 'no-reboot',
            when: { does: ['exec'], text: '\\breboot\\b' },
            then: 'deny',
            message: 'ask operations',
          },
          {
            name: 'ask-first',
            when: { does: ['exec'], text: '^rm ' },
            then: 'review',
            reviewers: { groups: ['dba'] },
          },
          {
            name: 'few',
            to: { names: ['few'] },
            when: { does: ['exec'], otherPrograms: ['echo', 'uptime'] },
            then: 'deny',
          },
          { name: 'no-metadata', when: { does: ['forward'], text: '^169\\.254\\.' }, then: 'deny' },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    dana = await gateway.user('dana', { groups: ['dba'] });
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await sshd?.stop();
    web?.close();
  });

  const ssh = (args: string[], options: RunOptions = {}): Promise<Finished> => alice.run(['ssh', ...args], options);

  /** Arguments of ssh for a local port of `connect`, and nothing else of hoopctl. */
  async function plain(port: number, name = 'host'): Promise<string[]> {
    const { described } = await alice.json<ConnectionItem>(['describe', name]);
    const known = join(alice.home, `known-${port}`);
    writeFileSync(known, `[127.0.0.1]:${port} ${described['host-key']}\n`);
    return ['-F', 'none', '-p', `${port}`, '-o', `UserKnownHostsFile=${known}`, '-o', 'BatchMode=yes', '127.0.0.1'];
  }

  describe('commands', () => {
    it('have their own stdout, stderr and exit code', async () => {
      const done = await ssh(['host', 'echo out; echo err >&2; exit 7']);
      expect(done).toMatchObject({ code: 7, stdout: 'out\n', stderr: 'err\n' });
    });

    it('read stdin to its end', async () => {
      const done = await ssh(['host', 'wc -c'], { input: 'x'.repeat(3_000_000) });
      expect(done.stdout.trim()).toBe('3000000');
    });

    it('end when nobody reads what they write, as without a gateway', async () => {
      const connected = await alice.connect('host');
      const args = await plain(connected.port);
      const done = await run('bash', ['-c', 'ssh "$@" yes | head -n 1', 'ssh', ...args], {
        env: alice.env,
        timeout: 30_000,
      });
      expect(done.stdout).toBe('y\n');
      await connected.stop();
      const id = await endedSession(alice, 'host');
      const [recording] = readRecordings(gateway.recordings, (name) => name.includes(id));
      const told = recording?.lines.map(({ kind, note, status }) => ({ kind, note, status }));
      expect(told).toContainEqual({ kind: 'note', note: 'unread', status: undefined });
      expect(told).toContainEqual({ kind: 'result', note: undefined, status: 'error' });
    });

    it('write to the last byte', async () => {
      const done = await ssh(['host', 'head -c 5000000 /dev/zero | tr "\\0" y']);
      expect(done.stdout.length).toBe(5_000_000);
    });

    it('end with a signal as ssh tells it', async () => {
      const done = await ssh(['host', 'kill -TERM $$']);
      expect(done.code).not.toBe(0);
    });

    it('get the variables that the connection allows, and no others', async () => {
      const done = await ssh(['host', '-o', 'SendEnv=LC_ALL EXTRA', 'echo "$LC_ALL/$EXTRA"'], {
        env: { ...alice.env, LC_ALL: 'C.UTF-8', EXTRA: 'no' },
      });
      expect(done.stdout).toBe('C.UTF-8/\n');
    });

    it('are refused by rule, with the reason on stderr and exit code 126', async () => {
      const done = await ssh(['host', 'sudo reboot']);
      expect(done.code).toBe(126);
      expect(done.stderr).toContain('no-reboot');
      expect(done.stderr).toContain('ask operations');
      expect(sshd.log()).not.toContain('reboot');
    });

    it.each([
      ['a program behind another', 'echo x; touch $FILE'],
      ['one in a substitution', 'echo "$(touch $FILE)"'],
      ['one by its quotes', 't"ou"ch $FILE'],
      ['one that the text does not tell', 'x=touch; $x $FILE'],
      ['a shell that reads', 'echo touch $FILE | sh'],
      ['another search path', 'PATH=/tmp echo $FILE'],
      ['a substitution over the end of a line', 'echo "$\\\n(touch $FILE)"'],
      ['a here-document whose end is told over the end of a line', 'uptime <<E\\\nOF\n$(touch $FILE)\nEOF'],
    ])('of a list run nothing else: %s', async (_, text) => {
      const file = join(sshd.directory, 'touched');
      const done = await ssh(['few', text.replaceAll('$FILE', file)]);
      expect(done.code, done.stdout).toBe(126);
      expect(existsSync(file)).toBe(false);
      expect((await ssh(['few', 'echo "still $(echo here)"'])).stdout).toBe('still here\n');
    });

    it('wait for approval, told on stderr, and then run with what was typed meanwhile', async () => {
      const file = join(sshd.directory, 'condemned');
      writeFileSync(file, '');
      const running = alice.start(['ssh', 'host', `rm -v ${file}; cat`]);
      running.child.stdin?.end('typed while it waits\n');
      const review = await pendingReview(dana, `rm -v ${file}`);
      await running.waitFor(/hoopctl reviews approve/, 'stderr');
      await dana.runOk(['reviews', 'approve', review.id]);
      expect((await running.exited).code).toBe(0);
      expect(running.stdout).toBe(`removed '${file}'\ntyped while it waits\n`);
    });

    it('are recorded with what they wrote and how they ended', async () => {
      await ssh(['host', 'echo findme-4711; exit 3']);
      const replay = await alice.runOk(['sessions', 'replay', await endedSession(alice)]);
      expect(replay.stdout).toContain('echo findme-4711; exit 3');
      expect(replay.stdout).toContain('exit 3');
    });
  });

  describe('shells', () => {
    it('have a terminal with its size, and end with their exit code', async () => {
      const connected = await alice.connect('host');
      const terminal = onTerminal('ssh', ['-tt', ...(await plain(connected.port))], { env: alice.env });
      terminal.type('stty size; echo "a-$((40+2))"\n');
      await terminal.waitFor(/a-42/);
      terminal.type('exit 5\n');
      expect((await terminal.process.exited).code).toBe(5);
      await connected.stop();
    });

    it('are refused where rules apply and none allows them', async () => {
      const done = await ssh(['agents'], { input: 'echo hello\n' });
      expect(done.code).toBe(126);
      expect(done.stdout).toBe('');
    });
  });

  describe('forwarding', () => {
    it('-L reaches an address through the host', async () => {
      const connected = await alice.connect('host');
      const port = await freePort();
      const to = (web.address() as AddressInfo).port;
      const args = ['-N', '-L', `${port}:127.0.0.1:${to}`, ...(await plain(connected.port))];
      const tunnel = start('ssh', args, { env: alice.env });
      const page = await eventually('the page comes', async () => {
        const done = await run('curl', ['-s', `http://127.0.0.1:${port}/`]);
        return done.code === 0 ? done.stdout : undefined;
      });
      expect(page).toBe('the web page\n');
      await tunnel.stop();
      await connected.stop();
    });

    it('-W to a refused address is told, and goes nowhere', async () => {
      const connected = await alice.connect('host');
      const done = await run('ssh', ['-W', '169.254.169.254:80', ...(await plain(connected.port))], { env: alice.env });
      expect(done.code).not.toBe(0);
      expect(done.stderr).toContain('no-metadata');
      await connected.stop();
    });

    it('-R and agent forwarding are refused', async () => {
      const connected = await alice.connect('host');
      const args = await plain(connected.port);
      const remote = await run('ssh', ['-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1', ...args, 'true'], {
        env: alice.env,
      });
      expect(remote.code).not.toBe(0);
      const agent = await run('ssh-agent', ['ssh', '-A', ...args, 'echo "agent=$SSH_AUTH_SOCK"'], { env: alice.env });
      expect(agent.stdout).toBe('agent=\n');
      await connected.stop();
    });
  });

  it('many channels share one connection (ControlMaster)', async () => {
    const connected = await alice.connect('host');
    const args = await plain(connected.port);
    const socket = join(alice.home, 'm');
    const master = start('ssh', ['-MNS', socket, ...args], { env: alice.env });
    await eventually('the master is up', async () => (await run('ssh', ['-S', socket, '-O', 'check', 'x'])).code === 0);
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, i) => run('ssh', ['-S', socket, 'x', `echo ${i}; exit ${i}`], { env: alice.env })),
    );
    expect(all.map((done) => [done.stdout.trim(), done.code])).toEqual(all.map((_, i) => [`${i}`, i]));
    await master.stop();
    await connected.stop();
  });

  it('keys are exchanged anew while data flows', async () => {
    const connected = await alice.connect('host');
    const args = ['-o', 'RekeyLimit=1M', ...(await plain(connected.port))];
    const done = await run('ssh', [...args, 'head -c 8000000 /dev/zero | tr "\\0" z'], { env: alice.env });
    expect(done.stdout.length).toBe(8_000_000);
    await connected.stop();
  });

  it('the native listener lets in with a token as password', async () => {
    const token = await alice.token('host');
    const { described } = await alice.json<ConnectionItem>(['describe', 'host']);
    const known = join(alice.home, 'known-native');
    writeFileSync(known, `[127.0.0.1]:${gateway.nativePort} ${described['host-key']}\n`);
    const ask = join(alice.home, 'askpass');
    writeFileSync(ask, `#!/bin/sh\necho "$TOKEN"\n`);
    chmodSync(ask, 0o700);
    const args = ['-F', 'none', '-p', `${gateway.nativePort}`, '-o', `UserKnownHostsFile=${known}`];
    const env = { ...alice.env, SSH_ASKPASS: ask, SSH_ASKPASS_REQUIRE: 'force' };
    const done = await run('ssh', [...args, 'host@127.0.0.1', 'echo native'], { env: { ...env, TOKEN: token } });
    expect(done).toMatchObject({ code: 0, stdout: 'native\n' });
    const wrong = await run('ssh', [...args, 'host@127.0.0.1', 'echo native'], { env: { ...env, TOKEN: 'wrong' } });
    expect(wrong.code).toBe(255);
    expect(wrong.stderr).toContain('Permission denied');
  });

  describe('a host that is not as it should be', () => {
    it('with another key: nothing is said to it, the user is told', async () => {
      const done = await ssh(['impostor', 'true']);
      expect(done.code).toBe(255);
      expect(done.stderr).toContain('the host key of "impostor" is not the one that is configured');
    });

    it('that does not take the key', async () => {
      const done = await ssh(['stranger', 'true']);
      expect(done.stderr).toContain("did not take the gateway's credentials: it refused the key (ssh-ed25519)");
    });

    it('that is dead', async () => {
      const done = await ssh(['dead', 'true']);
      expect(done.stderr).toContain('cannot reach the target of "dead": connection refused');
    });
  });
});
