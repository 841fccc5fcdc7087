// A shell whose commands are decided one by one, in bash and zsh, with OpenSSH's client on a terminal.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually, run } from '../support/process.ts';
import { pendingReview } from '../support/reviews.ts';
import { endedSession } from '../support/sessions.ts';
import { type ShellHost, startShellHost } from '../support/shell-host.ts';
import type { Sshd } from '../support/sshd.ts';
import { CTRL_C, onTerminal, type Terminal } from '../support/terminal.ts';

/** What runs on a host, by the directory that the host gives it: number and command line. */
function programs(directory: string): [number, string][] {
  return readdirSync('/proc').flatMap((name): [number, string][] => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const ours = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(`TMPDIR=${directory}`);
      return ours ? [[Number(name), readFileSync(`/proc/${name}/cmdline`, 'utf8')]] : [];
    } catch {
      return [];
    }
  });
}

/** The gateway's helpers among them: each has a copy of itself that reads the questions. */
const helpers = (directory: string) =>
  programs(directory).flatMap(([pid, line]) => (line.startsWith('sh\0-c\0umask 077') ? [pid] : []));

/** Field 4 of /proc/PID/stat, behind the name in parentheses. */
const parentOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ')[1]);

/** Nothing of a shell in command mode is on the host any more. */
const gone = (directory: string) =>
  eventually('its programs and files are gone from the host', async () => {
    const files = readdirSync(directory).filter((file) => file.startsWith('hoopctl.'));
    return files.length === 0 && programs(directory).length === 0;
  });

describeWith(['sshd', 'zsh'], 'a shell whose commands are decided', () => {
  const hosts: Record<string, Sshd> = {};
  let gateway: Gateway;
  let alice: Client;
  let dana: Client;
  let connected: Connected;

  async function host(shell: string): Promise<ShellHost['connection']> {
    const slow = '[ -e slow ] && { echo begins; sleep 3; }\n';
    const own = shell === 'bash' ? `PROMPT_COMMAND='true from-profile'\n${slow}` : slow;
    const { sshd, connection } = await startShellHost(shell, own);
    hosts[shell] = sshd;
    return connection;
  }

  beforeAll(async () => {
    const [bash, zsh, dash] = [await host('bash'), await host('zsh'), await host('dash')];
    gateway = await startGateway({
      config: {
        connections: { bash, zsh, dash, noted: { ...bash, options: { shell: 'commands', onLeave: 'note' } } },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        rules: [
          { name: 'no-wipe', when: { programs: ['wipe'] }, then: 'deny', message: 'ask operations' },
          {
            name: 'ask-first',
            when: { does: ['command'], programs: ['touch'] },
            then: 'review',
            reviewers: { groups: ['dba'] },
          },
          { name: 'leave', to: { names: ['noted'] }, when: { opaque: true }, then: 'allow' },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    dana = await gateway.user('dana', { groups: ['dba'] });
    connected = await alice.connect(['bash', 'zsh', 'dash', 'noted']);
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    for (const sshd of Object.values(hosts)) await sshd.stop();
  });

  const options = (name: string) => [
    ...['-F', 'none', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
    ...['-o', 'LogLevel=ERROR', '-o', `Port=${connected.ports[name]}`],
  ];

  async function shell(name: string): Promise<Terminal> {
    const terminal = onTerminal('ssh', ['-tt', ...options(name), '127.0.0.1'], { env: alice.env });
    await terminal.waitFor(/ready> /);
    return terminal;
  }

  /** The last session's commands as they were recorded. */
  async function recorded(): Promise<string> {
    return (await alice.runOk(['sessions', 'replay', await endedSession(alice)])).stdout;
  }

  describe.each(['bash', 'zsh'])('in %s', (name) => {
    it('runs what is allowed, with its exit code, and leaves nothing behind', async () => {
      const terminal = await shell(name);
      terminal.type('echo "sum-$((40 + 2))"\r');
      await terminal.waitFor(/cannot be told/);
      terminal.type('echo out-put | tr u U; ls /nope\r');
      await terminal.waitFor(/oUt-pUt/);
      terminal.type('for i in 1 2 3; do echo "number-$i"; done\r');
      await terminal.waitFor(/number-3/);
      terminal.type('exit 5\r');
      expect((await terminal.process.exited).code).toBe(5);
      const record = await recorded();
      expect(record).toContain('echo out-put | tr u U; ls /nope');
      expect(record).toContain('exit 2');
      await gone(hosts[name]!.directory);
    });

    it.each([
      ['plainly', 'wipe x'],
      ['among others', 'echo before; wipe; echo after'],
      ['in a loop', 'while true; do wipe; done'],
      ['in a subshell', '(wipe); true'],
      ['in a substitution', 'echo "$(wipe)"'],
      ['in a pipe', 'echo x | wipe'],
      ['by its quotes', 'w"ip"e'],
      ['in a function', 'f() { wipe; }; f'],
      ['by eval', 'eval wi""pe'],
      ['by a variable', 'x=wipe; $x'],
      ['behind a blank', ' wipe'],
      ['in the prompt', "PS1='$(wipe)ready> '"],
      ['of several lines', 'if true; then\rwipe\rfi'],
      ['pasted', '\u001b[200~wipe x\u001b[201~'],
      ['pasted with carriage returns', 'true\rwipe x'],
    ])('refuses what a rule forbids: %s', async (_, typed) => {
      const ran = join(hosts[name]!.directory, 'ran');
      const terminal = await shell(name);
      terminal.type(`${typed}\r`);
      await terminal.waitFor(/denied by rule "no-wipe"|cannot be told/);
      terminal.type('echo still-"here"\r');
      await terminal.waitFor(/still-here/);
      expect(existsSync(ran)).toBe(false);
      expect(terminal.screen).not.toContain('after\r\n');
      terminal.type('exit\r');
      await terminal.process.exited;
    });

    it.each(['alias', 'function'])(
      'refuses what the account has by another name, which the line does not tell: %s',
      async (kind) => {
        const terminal = await shell(name);
        terminal.type(`account-${kind}\r`);
        await terminal.waitFor(/denied by rule "no-wipe"/);
        expect(existsSync(join(hosts[name]!.directory, 'ran'))).toBe(false);
        terminal.type('exit\r');
        await terminal.process.exited;
      },
    );

    it('holds what has to be approved, then runs it; Ctrl-C gives it up', async () => {
      const file = join(hosts[name]!.directory, 'touched');
      const terminal = await shell(name);
      terminal.type(`touch ${file}\r`);
      const review = await pendingReview(dana, `touch ${file}`);
      await terminal.waitFor(/hoopctl reviews approve/);
      expect(existsSync(file)).toBe(false);
      await dana.runOk(['reviews', 'approve', review.id]);
      await eventually('it ran', async () => existsSync(file));
      terminal.type(`touch ${file}-2\r`);
      await pendingReview(dana, `touch ${file}-2`);
      const prompts = () => terminal.screen.split('ready> ').length;
      const before = prompts();
      terminal.type(CTRL_C);
      // What is typed before it may go with what was given up.
      await eventually('the next prompt', () => prompts() > before);
      terminal.type('echo given-"up"\r');
      await terminal.waitFor(/given-up/);
      expect(existsSync(`${file}-2`)).toBe(false);
      terminal.type('exit\r');
      await terminal.process.exited;
    });

    it.each([
      ['exec', 'exec sleep 60', /it replaces the shell/],
      ['the trap', 'trap - DEBUG', /it touches DEBUG/],
      ['its functions', 'unset -f __hoop_ask', /it touches what asks/],
      ['a name in quotes', 'unset -f __ho""op_ask', /it touches what asks/],
      ['the trap of functions', 'set "+T"', /it takes the trap from functions/],
    ])('refuses what would leave it: %s', async (_, typed, why) => {
      const terminal = await shell(name);
      terminal.type(`${typed}\r`);
      await terminal.waitFor(why);
      terminal.type('echo still-"here"\r');
      await terminal.waitFor(/still-here/);
      terminal.type('exit\r');
      await terminal.process.exited;
    });

    it('ends where Ctrl-C keeps it from asking', async () => {
      const { directory } = hosts[name]!;
      const slow = join(directory, 'home/slow');
      writeFileSync(slow, '');
      const terminal = onTerminal('ssh', ['-tt', ...options(name), '127.0.0.1'], { env: alice.env });
      await terminal.waitFor(/begins/);
      terminal.type(CTRL_C);
      terminal.type('account-function\r');
      await terminal.waitFor(/interrupted before it could ask/);
      expect((await terminal.process.exited).code).toBe(130);
      rmSync(slow);
      expect(existsSync(join(directory, 'ran'))).toBe(false);
      await gone(directory);
    });

    it('ends with what asks, however that ends', async () => {
      // Those of the shells before this one take a moment to end.
      await gone(hosts[name]!.directory);
      const terminal = await shell(name);
      const all = helpers(hosts[name]!.directory);
      const first = all.find((pid) => !all.includes(parentOf(pid)))!;
      process.kill(first, 'SIGKILL');
      await terminal.waitFor(/the shell is ended: what asks is gone/);
      expect((await terminal.process.exited).code).toBe(126);
      await gone(hosts[name]!.directory);
    });

    it('takes no answer that was written on the host', async () => {
      const directory = hosts[name]!.directory;
      const terminal = await shell(name);
      terminal.type('echo pid-$$\r');
      const [, pid] = await terminal.waitFor(/pid-(\d+)/);
      const [own] = readdirSync(directory).filter((file) => file.startsWith('hoopctl.'));
      const file = join(directory, own!, 'a');
      const allowed = Array.from({ length: 40 }, (_, i) => `${pid}.${i + 1} allow\\n`).join('');
      terminal.type(`printf '${allowed}' > ${file}; echo writ"ten"\r`);
      await terminal.waitFor(/written/);
      terminal.type('account-function\r');
      await terminal.waitFor(/denied by rule "no-wipe"/);
      terminal.type('exit\r');
      await terminal.process.exited;
      expect(existsSync(join(directory, 'ran'))).toBe(false);
    });
  });

  it('ends a shell that was replaced in spite of it', async () => {
    const terminal = await shell('noted');
    terminal.type('x=exec; $x sleep 30\r');
    await terminal.waitFor(/commands are not decided any more: the shell was replaced by .*sleep/);
    terminal.process.child.kill();
    await terminal.process.exited;
  });

  it('is refused where the shell cannot ask, and without a terminal', async () => {
    const done = onTerminal('ssh', ['-tt', ...options('dash'), '127.0.0.1'], { env: alice.env });
    await done.waitFor(/decided in bash and zsh, and the account's shell is "dash"/);
    expect((await done.process.exited).code).toBe(126);
    const bare = await run('ssh', ['-T', ...options('bash'), '127.0.0.1'], { env: alice.env, input: 'wipe\n' });
    expect(bare.code).toBe(126);
    expect(bare.stderr).toContain('needs a terminal');
  });
});
