// What a host shows, through the gateway: masked on the way, watched by rules, and recorded so that no secret is in it. With
// OpenSSH's client on a terminal, a real sshd and its pseudo-terminals.

import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Client, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { run, sleep } from '../support/process.ts';
import { pendingReview } from '../support/reviews.ts';
import { endedSession } from '../support/sessions.ts';
import { data, directTcpip, RawSsh } from '../support/ssh-raw.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { onTerminal, type Terminal } from '../support/terminal.ts';

// A shell on a terminal takes several programs to start.
vi.setConfig({ testTimeout: 90_000 });

const CARD = '4111 1111 1111 1111';
const KEPT = '***************1111';

interface Line {
  kind: string;
  op?: number;
  how?: string;
  stream?: string;
  text?: string;
  withheld?: boolean;
  note?: string;
  fields?: Record<string, unknown>;
  [member: string]: unknown;
}

describeWith(['sshd', 'asciinema'], 'ssh: what a host shows', () => {
  let sshd: Sshd;
  /** One that leaves a client which does not answer it. */
  let watchful: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let privy: Client;
  let dana: Client;
  const terminals: Terminal[] = [];

  beforeAll(async () => {
    sshd = await startSshd();
    watchful = await startSshd({ config: ['ClientAliveInterval 1', 'ClientAliveCountMax 1'] });
    const connection = (options: Record<string, unknown> = {}, host = sshd) => ({
      protocol: 'ssh',
      target: { host: host.host, port: host.port, hostKeys: [host.hostKey] },
      credentials: { user: host.user, key: `file:${host.keyFile}` },
      options,
    });
    gateway = await startGateway({
      config: {
        connections: {
          masked: connection(),
          open: connection({ unmasked: ['transfers', 'sftp', 'forward'] }),
          ruled: connection(),
          bare: connection(),
          watchful: connection({}, watchful),
        },
        access: [{ who: { groups: ['*'] }, to: { names: ['*'] } }],
        masks: [
          {
            name: 'pii',
            to: { names: ['masked', 'open'] },
            detect: ['credit-card', 'pem-private-key', { name: 'employee', pattern: 'EMP-\\d{6}' }],
            as: 'partial',
            unless: { groups: ['privacy'] },
            unmask: { max: '1h', reviewers: { groups: ['dba'] } },
          },
        ],
        rules: [
          { name: 'shells', to: { names: ['ruled'] }, when: { does: ['shell'] }, then: 'allow' },
          { name: 'no-shadow', to: { names: ['ruled'] }, when: { output: '^root:[$]' }, then: 'deny' },
          {
            name: 'ask-secret',
            to: { names: ['ruled', 'watchful'] },
            when: { does: ['exec', 'shell'], output: 'TOP SECRET' },
            then: 'review',
            reviewers: { groups: ['dba'] },
          },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    privy = await gateway.user('privy', { groups: ['privacy'] });
    dana = await gateway.user('dana', { groups: ['dba', 'auditors'] });
  });
  afterAll(async () => {
    for (const terminal of terminals) await terminal.stop();
    await gateway?.[Symbol.asyncDispose]();
    await Promise.all([sshd?.stop(), watchful?.stop()]);
  });

  /** A shell of the connection on a terminal of its own, at its prompt. */
  async function shell(name: string, client = alice): Promise<Terminal> {
    const args = [process.execPath, join(import.meta.dirname, '../../bin/hoopctl.js'), 'ssh', name, '-tt'];
    const terminal = onTerminal(args[0]!, args.slice(1), { env: client.env, cwd: client.home });
    terminals.push(terminal);
    // The terminal of the test does not echo, and ssh tells the host so. A plain prompt, no history file of whoever runs this.
    terminal.type("stty echo; exec env -i TERM=xterm PATH=$PATH PS1=re''ady'> ' bash --norc --noprofile +o history\n");
    await terminal.waitFor(/ready> $/);
    return terminal;
  }

  const latest = (name: string) => endedSession(dana, name);

  async function recorded(id: string): Promise<Line[]> {
    const { stdout } = await dana.runOk(['sessions', 'export', id, '-o', '-']);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  }

  const streamOf = (lines: readonly Line[], stream: string) =>
    lines
      .filter((line) => line.kind === 'data' && line.stream === stream)
      .map(({ text, base64 }) => text ?? Buffer.from(String(base64 ?? ''), 'base64').toString())
      .join('');

  describe('masks', () => {
    it('on commands: both streams, whatever the pieces, and in the record', async () => {
      const done = await alice.run([
        'ssh',
        'masked',
        `printf '4111 1111 '; sleep 0.1; echo '1111 1111'; echo EMP-123456 >&2; echo plain`,
      ]);
      expect(done).toMatchObject({ code: 0, stdout: `${KEPT}\nplain\n`, stderr: '******3456\n' });
      const lines = await recorded(await latest('masked'));
      expect(streamOf(lines, 'out')).toBe(done.stdout);
      expect(streamOf(lines, 'err')).toBe(done.stderr);
      expect(lines).toContainEqual(
        expect.objectContaining({ kind: 'masks', columns: [expect.objectContaining({ mask: 'pii', by: 'detector' })] }),
      );
    });

    it('on a shell: through colours, overstrikes and a private key over lines', async () => {
      const terminal = await shell('masked');
      terminal.type(`printf '4111 \\033[31m%s\\033[0m 1111 1111\\n' 1111; echo do''ne1\n`);
      await terminal.waitFor(/done1/);
      expect(terminal.screen).toContain('*****\u001b[31m****\u001b[0m******1111');
      terminal.type(
        `echo -----BE''GIN PRIVATE KEY-----; echo MIIEabcd; echo -----EN''D PRIVATE KEY-----; echo do''ne2\n`,
      );
      await terminal.waitFor(/done2/);
      expect(terminal.screen.slice(terminal.screen.lastIndexOf('ready> echo'))).not.toContain('\nMIIE');
      terminal.type('exit\n');
      await terminal.process.exited;
      expect(streamOf(await recorded(await latest('masked')), 'out')).not.toContain('\nMIIE');
    });

    it('spare whom they spare, and say so in the record', async () => {
      const done = await privy.run(['ssh', 'masked', `echo '${CARD}'`]);
      expect(done.stdout).toBe(`${CARD}\n`);
      const [opening] = await recorded(await latest('masked'));
      expect(opening!.exempt).toEqual([{ mask: 'pii', by: 'unless' }]);
    });

    it('are lifted for a time in the middle of a shell, and come back', async () => {
      const terminal = await shell('masked');
      const show = async (word: string) => {
        terminal.type(`echo '4111 1111' "1111 1111" ${word}''!\n`);
        const [line] = await terminal.waitFor(new RegExp(`.*${word}!`));
        return line;
      };
      expect(await show('before')).toContain(KEPT);
      const request = ['request', 'masked', '--unmask', 'pii', '--for', '10m', '--reason', 'test'];
      const { id } = await alice.json<{ id: string }>(request);
      await dana.runOk(['reviews', 'approve', id]);
      expect(await show('while')).toContain(CARD);
      const { grants } = await dana.json<{ grants: { id: string }[] }>(['grants', 'ls']);
      await dana.runOk(['grants', 'revoke', grants[0]!.id]);
      expect(await show('after')).toContain(KEPT);
      terminal.type('exit\n');
      await terminal.process.exited;
      const lines = await recorded(await latest('masked'));
      expect(lines.filter(({ kind }) => kind === 'unmask').map(({ state }) => state)).toEqual(['on', 'off']);
    });

    it('refuse by name what they would break, unless the connection lets it pass', async () => {
      const file = join(sshd.directory, 'cards.txt');
      writeFileSync(file, `${CARD}\n`);
      const to = join(alice.home, 'copied.txt');
      const rsync = (name: string) => alice.run(['exec', name, '--', 'sh', '-c', `rsync $0:${file} ${to}`, name]);
      const refused = await rsync('masked');
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain('what rsync transfers cannot be masked');
      expect(refused.stderr).toContain('options.unmasked: [transfers]');
      expect(existsSync(to)).toBe(false);
      const sftp = (name: string) => alice.exec(name, ['sh', '-c', `scp ${name}:${file} ${to}`]);
      expect((await sftp('masked')).code).not.toBe(0);
      const passed = await rsync('open');
      expect(passed.stderr).toBe('');
      expect(readFileSync(to, 'utf8')).toBe(`${CARD}\n`);
      // What is no transfer is masked there too, also behind one.
      expect((await alice.run(['ssh', 'open', `cat ${file}; scp -V 2>/dev/null`])).stdout).toBe(`${KEPT}\n`);
    });

    it('cut output that is no text before they would change it', async () => {
      const done = await alice.run(['ssh', 'masked', `printf 'ustar\\0\\0'; echo '${CARD}'`]);
      expect(done.code).toBe(126);
      expect(done.stdout).toBe('ustar\0\0');
      expect(done.stderr).toContain('it is no text, and mask "pii" would change');
    });

    it('refuse a forwarding, through which they see nothing', async () => {
      const done = await alice.exec('masked', ['sh', '-c', 'eval "$GIT_SSH_COMMAND -W 127.0.0.1:1 masked"']);
      expect(done.stderr).toContain('cannot be masked');
    });

    it('that are put back end a forwarding that was begun while they were lifted', async () => {
      const echo = createServer((socket) => void socket.pipe(socket)).listen(0, '127.0.0.1');
      await once(echo, 'listening');
      const { port } = echo.address() as AddressInfo;
      const { id } = await alice.json<{ id: string }>([
        'request',
        'masked',
        '--unmask',
        'pii',
        '--for',
        '10m',
        '--reason',
        'a',
      ]);
      await dana.runOk(['reviews', 'approve', id]);
      const connected = await alice.connect('masked');
      const client = await RawSsh.connect(connected.port);
      const channel = (await client.open(1, 2 ** 20, 'direct-tcpip', directTcpip('127.0.0.1', port)))!;
      client.send(data(channel, `${CARD}\n`));
      expect((await client.next(94)).subarray(9).toString()).toBe(`${CARD}\n`);
      const { grants } = await dana.json<{ grants: { id: string; state: string }[] }>(['grants', 'ls']);
      await dana.runOk(['grants', 'revoke', grants.find(({ state }) => state === 'active')!.id]);
      client.send(data(channel, `${CARD}\n`));
      const answers: number[] = [];
      while (answers.at(-1) !== 97) answers.push((await client.next())[0]!);
      expect(answers).not.toContain(94);
      client.destroy();
      await connected.stop();
      echo.close();
      const lines = await recorded(await latest('masked'));
      expect(lines.find(({ kind }) => kind === 'result')).toMatchObject({
        ...{ status: 'error', tag: 'opaque, 20 bytes up, 20 down' },
        error: { code: 'unmasked' },
      });
    });

    it('of columns are an error at load', async () => {
      const file = join(alice.home, 'columns.yaml');
      const config = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as { masks: Record<string, unknown>[] };
      config.masks = [{ name: 'pii', to: { names: ['masked'] }, columns: ['customers.ssn'] }];
      writeFileSync(file, JSON.stringify(config));
      const checked = await alice.run(['policy', 'check', file]);
      expect(checked.code).not.toBe(0);
      expect(checked.stdout + checked.stderr).toContain('what comes back there has no columns');
    });
  });

  describe('rules on output', () => {
    it('end the session before what they are about', async () => {
      const done = await alice.run(['ssh', 'ruled', `echo first; printf 'root:'; printf '$6$abc\\n'; echo later`]);
      expect(done.stdout).toBe('first\n');
      expect(done.stderr).toContain('output is denied by rule "no-shadow"');
      expect(done.code).toBe(126);
      const lines = await recorded(await latest('ruled'));
      expect(lines).toContainEqual(expect.objectContaining({ kind: 'intent', how: 'output', rule: 'no-shadow' }));
      expect(streamOf(lines, 'out')).toBe('first\n');
    });

    it('end a shell', async () => {
      const terminal = await shell('ruled');
      terminal.type(`echo root':$'6\n`);
      await terminal.waitFor(/output is denied by rule "no-shadow"/);
      await terminal.process.exited;
      expect(terminal.screen).not.toMatch(/^root:\$6/m);
    });

    it('hold it for review, and then let it go on to its end', async () => {
      const running = alice.start(['ssh', 'ruled', 'echo first; echo TOP SECRET 1; echo TOP SECRET 2; exit 3']);
      const review = await pendingReview(dana, 'TOP SECRET 1');
      await running.waitFor(/is held for review/, 'stderr');
      await running.waitFor(/first\n/, 'stdout');
      expect(running.stdout).toBe('first\n');
      await dana.runOk(['reviews', 'approve', review.id]);
      expect((await running.exited).code).toBe(3);
      expect(running.stdout).toBe('first\nTOP SECRET 1\nTOP SECRET 2\n');
    });

    it('hold it for longer than the host waits for an answer', async () => {
      const running = alice.start(['ssh', 'watchful', 'echo TOP SECRET 5; sleep 10; echo done']);
      const review = await pendingReview(dana, 'TOP SECRET 5');
      await sleep(8000);
      await dana.runOk(['reviews', 'approve', review.id]);
      expect((await running.exited).code).toBe(0);
      expect(running.stdout).toBe('TOP SECRET 5\ndone\n');
    });

    it('end the session when the review says no', async () => {
      const running = alice.start(['ssh', 'ruled', 'echo TOP SECRET 9; sleep 60']);
      const review = await pendingReview(dana, 'TOP SECRET 9');
      await dana.runOk(['reviews', 'deny', review.id]);
      expect((await running.exited).code).toBe(126);
      expect(running.stdout).toBe('');
    });
  });

  describe('the record of a shell', () => {
    it('has what was typed as far as it was shown, and no secret', async () => {
      const terminal = await shell('bare');
      // What it says first it says when nothing is shown any more.
      terminal.type('read -rsp sil""ent hidden; echo got $' + '{#hidden}\n');
      await terminal.waitFor(/silent$/);
      for (const key of 'hunter2-hidden') terminal.type(key);
      terminal.type('\n');
      await terminal.waitFor(/got 14/);
      terminal.type(`read -rp 'Password: ' shown; echo got2 $` + '{#shown}\n');
      await terminal.waitFor(/Password: $/);
      terminal.type('hunter2-shown\n');
      await terminal.waitFor(/got2 13/);
      terminal.type(`read -rp 'Name: ' name; echo got3 $name\n`);
      await terminal.waitFor(/Name: $/);
      terminal.type('bob-visible\n');
      await terminal.waitFor(/got3 bob-visible/);
      terminal.type('exit\n');
      await terminal.process.exited;
      expect(terminal.screen).toContain('hunter2-shown');

      const lines = await recorded(await latest('bare'));
      const all = JSON.stringify(lines);
      expect(all).not.toContain('hunter2');
      expect(streamOf(lines, 'in')).not.toMatch(/h.?u.?n.?t.?e.?r/);
      expect(lines.filter(({ withheld }) => withheld === true).length).toBeGreaterThanOrEqual(2);
      expect(streamOf(lines, 'in')).toContain('bob-visible');
      expect(streamOf(lines, 'in')).toContain('read -rsp');
    });

    it('can be exported: as asciicast for asciinema, as plain text', async () => {
      const terminal = await shell('bare');
      terminal.type(`printf '\\033[1;31mcoloured\\033[0m wrong\\b\\b\\b\\b\\bright\\n'; stty cols 90\n`);
      await terminal.waitFor(/right\r/);
      terminal.type('exit 4\n');
      await terminal.process.exited;
      const id = await latest('bare');
      const file = join(dana.home, 'session.cast');
      await dana.runOk(['sessions', 'export', id, '--format', 'asciicast-v2', '-o', file]);
      // asciinema reads version 2, and shows what the terminal showed.
      const played = onTerminal('asciinema', ['cat', file], { env: { ...dana.env, HOME: dana.home } });
      expect((await played.process.exited).code, played.screen).toBe(0);
      expect(played.screen).toContain('\u001b[1;31mcoloured\u001b[0m wrong\b\b\b\b\bright\r');
      const third = await dana.runOk(['sessions', 'export', id, '--format', 'asciicast', '-o', '-']);
      const [header, ...events] = third.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      expect(header).toMatchObject({ version: 3, term: { cols: expect.any(Number), rows: expect.any(Number) } });
      expect(events.at(-1)).toEqual([expect.any(Number), 'x', '4']);
      expect(
        (events as [number, string, string][]).every(([since, code]) => since >= 0 && 'oirmx'.includes(code)),
      ).toBe(true);
      const text = await dana.runOk(['sessions', 'export', id, '--format', 'text', '-o', '-']);
      expect(text.stdout).toContain('\ncoloured right\n');
      expect((await dana.runOk(['sessions', 'replay', id])).stdout).toContain('    | coloured right\n');
      const none = await dana.run(['sessions', 'export', id, '--format', 'text', '--operation', '7', '-o', '-']);
      expect(none.stderr).toContain('operation 7 showed anything');
    });

    it('is whole beyond what is kept of results, and has its size', async () => {
      const terminal = await shell('bare');
      terminal.type('seq 1 300000 | tail -c 1500000; echo e""nd\n');
      await terminal.waitFor(/\nend\r/);
      terminal.type('exit\n');
      await terminal.process.exited;
      const lines = await recorded(await latest('bare'));
      const out = streamOf(lines, 'out');
      expect(out).toContain('\n299999\r\n300000\r\nend');
      expect(out.length).toBeGreaterThan(1_500_000);
      const noted = lines.find(({ note }) => note === 'terminal')!;
      expect(noted.fields).toMatchObject({ operation: expect.any(Number), term: 'xterm' });
    });
  });

  it('a command without end is recorded up to the limit, and behind it by its digest', async () => {
    const done = await run(
      process.execPath,
      [join(import.meta.dirname, '../../bin/hoopctl.js'), ...['ssh', 'bare', 'head -c 3000000 /dev/zero | tr "\\0" x']],
      { env: alice.env },
    );
    expect(done.stdout.length).toBe(3_000_000);
    const lines = await recorded(await latest('bare'));
    const kept = streamOf(lines, 'out').length;
    const result = lines.find(({ kind }) => kind === 'result') as Line & { rest: { bytes: number } };
    expect(kept).toBeGreaterThan(1_000_000);
    expect(kept + result.rest.bytes).toBe(3_000_000);
  });
});
