// Programs that know nothing of hoopctl, led to connections by what it writes for them: ssh, scp, sftp, rsync, git, ansible.

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually, type Finished, freePort, type RunOptions, run, start } from '../support/process.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';

interface Written {
  hosts: string[];
  files: string[];
  include: { file: string; line: string; there: boolean };
}

describeWith(['sshd', 'rsync', 'ansible'], 'tools over ssh', () => {
  let first: Sshd;
  let second: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let web: Server;

  beforeAll(async () => {
    web = createServer((_, answer) => void answer.end('the web page\n')).listen(0, '127.0.0.1');
    [first, second] = await Promise.all([
      startSshd({ config: ['SetEnv WHERE=first'] }),
      startSshd({ config: ['SetEnv WHERE=second'] }),
    ]);
    const connection = (sshd: Sshd) => ({
      protocol: 'ssh',
      target: { host: sshd.host, port: sshd.port, hostKeys: [sshd.hostKey] },
      credentials: { user: sshd.user, key: `file:${sshd.keyFile}` },
    });
    gateway = await startGateway({
      config: {
        connections: { 'prod-host': connection(first), 'other-host': connection(second), hidden: connection(second) },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['prod-host', 'other-host'] } }],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await Promise.all([first?.stop(), second?.stop()]);
    web?.close();
  });

  describe('hoopctl ssh', () => {
    it('takes a command behind --, and its words as they are', async () => {
      const done = await alice.run(['ssh', 'prod-host', '--', 'echo', '"a  b"', '-n', '$WHERE']);
      expect(done).toMatchObject({ code: 0, stdout: 'a  b -n first\n' });
    });

    it("passes ssh's own options, in front of the command", async () => {
      const done = await alice.run(['ssh', 'prod-host', '-v', '-n', 'cat; echo end'], { input: 'not read' });
      expect(done).toMatchObject({ code: 0, stdout: 'end\n' });
      expect(done.stderr).toContain('debug1: Sending command: cat; echo end');
    });

    it.each([0, 1, 42, 255])('exits as the command did: %i', async (code) => {
      expect((await alice.run(['ssh', 'prod-host', `exit ${code}`])).code).toBe(code);
    });

    it('passes a signal on, and the command on the host ends', async () => {
      const pid = join(first.directory, 'pid-of-sleep');
      const running = alice.start(['ssh', 'prod-host', '-tt', `echo $$ > ${pid}; exec sleep 1000`]);
      await eventually('it runs', () => existsSync(pid) && readFileSync(pid, 'utf8') !== '');
      running.child.kill('SIGTERM');
      expect((await running.exited).code).not.toBe(0);
      await eventually('sleep has ended', () => !existsSync(`/proc/${readFileSync(pid, 'utf8').trim()}`));
    });

    it('says what it takes, and does not start without a name', async () => {
      const done = await alice.run(['ssh']);
      expect(done.code).toBe(125);
      expect(done.stderr).toContain("missing required argument 'name'");
    });
  });

  describe('hoopctl ssh --config', () => {
    let config: string;
    /** An environment in which nothing is of hoopctl. */
    const machine = () => ({ PATH: alice.env.PATH, HOME: alice.home });

    /** What stands in ~/.ssh/config: ssh reads that of the account, whatever HOME is. */
    const plain = (args: string[], options: RunOptions = {}): Promise<Finished> =>
      run('ssh', ['-F', config, ...args], { env: machine(), cwd: alice.home, ...options });

    beforeAll(async () => {
      const { stdout, stderr } = await alice.runOk(['ssh', '--config']);
      expect(stdout).toMatch(/^Include \/.*\/ssh\/\*\.conf\n$/);
      expect(stderr).toContain("add the line above to '~/.ssh/config'");
      config = join(alice.home, 'my-ssh-config');
      writeFileSync(config, `${stdout}\nHost *\n  LogLevel ERROR\n`);
    });

    it('writes the same again, private, with the connections that one may reach', async () => {
      const { hosts, files } = await alice.json<Written>(['ssh', '--config']);
      expect(hosts).toEqual(['other-host', 'prod-host']);
      const before = files.map((file) => readFileSync(file, 'utf8'));
      await alice.runOk(['ssh', '--config']);
      expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(before);
      expect(files.map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600]);
    });

    it('knows when it is included already', async () => {
      const line = readFileSync(config, 'utf8').split('\n')[0]!;
      mkdirSync(join(alice.home, '.ssh'));
      writeFileSync(join(alice.home, '.ssh/config'), `${line}\n`);
      const { stdout, stderr } = await alice.runOk(['ssh', '--config']);
      expect(stdout).toBe('');
      expect(stderr).toContain("'~/.ssh/config' includes them already");
    });

    it('refuses a name that is not there', async () => {
      const done = await alice.run(['ssh', '--config', 'hidden']);
      expect(done.code).not.toBe(0);
      expect(done.stderr).toContain("there is no connection 'hidden' that you may reach");
    });

    it('plain ssh works, asks nothing, and each name leads to its own host', async () => {
      expect(await plain(['prod-host', 'echo $WHERE; exit 3'])).toMatchObject({
        code: 3,
        stdout: 'first\n',
        stderr: '',
      });
      expect(await plain(['other-host', 'echo $WHERE'])).toMatchObject({ code: 0, stdout: 'second\n', stderr: '' });
    });

    it('the session is known as the one who logged in', async () => {
      await plain(['prod-host', 'echo by-whom-4711']);
      // The index is about a second behind.
      await eventually('it is found by the name of who logged in', async () => {
        const found = await alice.runOk(['sessions', 'search', 'by-whom-4711']);
        return found.stdout.includes('alice@example.com');
      });
    });

    it('scp and sftp copy', async () => {
      const file = join(alice.home, 'copied');
      writeFileSync(file, 'the content\n');
      const there = join(first.directory, 'copied');
      const env = machine();
      expect((await run('scp', ['-F', config, file, `prod-host:${there}`], { env })).code).toBe(0);
      expect(readFileSync(there, 'utf8')).toBe('the content\n');
      const done = await run('sftp', ['-F', config, '-b', '-', 'prod-host'], {
        env,
        input: `get ${there} ${file}.back\n`,
      });
      expect(done.code, done.stderr).toBe(0);
      expect(readFileSync(`${file}.back`, 'utf8')).toBe('the content\n');
    });

    it('an editor works as VS Code does: a shell with a script on stdin, and -D', async () => {
      const port = await freePort();
      const args = ['-F', config, '-T', '-D', String(port), '-o', 'ConnectTimeout=15', 'prod-host', 'bash'];
      const editor = start('ssh', args, { env: machine() });
      editor.child.stdin?.write('echo "started-$((40+2))"; cat /dev/null; echo "$WHERE"\n');
      await editor.waitFor(/started-42\nfirst/);
      const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/`;
      expect((await run('curl', ['-s', '--socks5', `127.0.0.1:${port}`, url])).stdout).toBe('the web page\n');
      editor.child.stdin?.end('exit 0\n');
      expect((await editor.exited).code).toBe(0);
    });

    it('a gateway with another key is not talked to', async () => {
      const { files } = await alice.json<Written>(['ssh', '--config']);
      const known = files.find((file) => file.endsWith('known_hosts'))!;
      const right = readFileSync(known, 'utf8');
      writeFileSync(known, right.replaceAll(/ssh-ed25519 .*/g, second.hostKey));
      const done = await plain(['prod-host', 'echo hello']);
      writeFileSync(known, right);
      expect(done).toMatchObject({ code: 255, stdout: '' });
      expect(done.stderr).toContain('WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!');
      expect(done.stderr).toContain('Host key verification failed.');
    });

    it('of who is logged out it says what to do', async () => {
      const bob = await gateway.user('bob', { groups: ['engineering'] });
      const { stdout } = await bob.runOk(['ssh', '--json', '--config', 'prod-host']);
      const { include } = JSON.parse(stdout) as Written;
      const own = join(bob.home, 'config');
      writeFileSync(own, `${include.line}\n`);
      await bob.runOk(['logout']);
      const done = await run('ssh', ['-F', own, 'prod-host', 'true'], { env: { PATH: bob.env.PATH, HOME: bob.home } });
      expect(done.code).toBe(255);
      expect(done.stderr).toContain('hoopctl login');
    });
  });

  describe('hoopctl exec', () => {
    it('rsync goes to the host that is named, of several', async () => {
      const from = join(alice.home, 'tree');
      mkdirSync(join(from, 'deep/er'), { recursive: true });
      writeFileSync(join(from, 'deep/er/file'), 'in the tree\n');
      for (const [name, sshd] of [
        ['prod-host', first],
        ['other-host', second],
      ] as const) {
        const to = join(sshd.directory, 'synced');
        const done = await alice.exec('prod-host,other-host', ['rsync', '-a', `${from}/`, `${name}:${to}`]);
        expect(done.code, done.stderr).toBe(0);
        expect(readFileSync(join(to, 'deep/er/file'), 'utf8')).toBe('in the tree\n');
      }
    });

    it('git clones and pushes', async () => {
      const bare = join(first.directory, 'repository.git');
      await run('git', ['init', '-q', '--bare', bare]);
      const script = `set -e
        git clone -q ssh://prod-host${bare} work && cd work
        git -c user.name=a -c user.email=a@b.c commit -q --allow-empty -m first
        git push -q origin HEAD:main`;
      const done = await alice.exec('prod-host', ['sh', '-c', script]);
      expect(done.code, done.stderr).toBe(0);
      expect((await run('git', ['-C', bare, 'log', '--format=%s', 'main'])).stdout).toBe('first\n');
    });

    it('scp, sftp and ssh by -F "$HOOPCTL_SSH_CONFIG", which is gone afterwards', async () => {
      const script =
        'scp -qF "$HOOPCTL_SSH_CONFIG" prod-host:/etc/hostname got && ssh -F "$HOOPCTL_SSH_CONFIG" other-host "echo \\$WHERE"; echo "$HOOPCTL_SSH_CONFIG"';
      const done = await alice.exec('prod-host,other-host', ['sh', '-c', script]);
      expect(done.code, done.stderr).toBe(0);
      const [where, file] = done.stdout.trim().split('\n');
      expect(where).toBe('second');
      expect(existsSync(file!)).toBe(false);
      expect(readFileSync(join(alice.home, 'got'), 'utf8')).toBe(readFileSync('/etc/hostname', 'utf8'));
    });

    it('ansible runs a playbook', { timeout: 120_000 }, async () => {
      const marker = join(first.directory, 'by-ansible');
      writeFileSync(join(alice.home, 'inventory'), 'prod-host ansible_python_interpreter=/usr/bin/python3\n');
      const tasks = [
        { copy: { content: 'made by ansible\n', dest: marker } },
        { command: 'printenv WHERE', register: 'where' },
        { assert: { that: "where.stdout == 'first'" } },
      ];
      writeFileSync(join(alice.home, 'play.yml'), JSON.stringify([{ hosts: 'all', gather_facts: false, tasks }]));
      const done = await alice.exec('prod-host', ['/usr/bin/ansible-playbook', '-i', 'inventory', 'play.yml'], {
        env: { ANSIBLE_LOCAL_TEMP: join(alice.home, 'tmp'), ANSIBLE_REMOTE_TEMP: join(first.directory, 'ansible') },
        timeout: 110_000,
      });
      expect(done.code, done.stdout + done.stderr).toBe(0);
      expect(readFileSync(marker, 'utf8')).toBe('made by ansible\n');
    });
  });
});
