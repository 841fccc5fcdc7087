// Who watches a live shell sees what its user sees, and nothing of it reaches their own terminal but cells. With OpenSSH's client and a
// watcher on terminals of their own, a real sshd, less and vi.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Client, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually } from '../support/process.ts';
import { sshConnectionTo } from '../support/ssh.ts';
import { bytes, data, exec, RawSsh, request, string, uint32 } from '../support/ssh-raw.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { CTRL_C, onTerminal, rowsOf, type Terminal } from '../support/terminal.ts';

// A shell on a terminal takes several programs to start.
vi.setConfig({ testTimeout: 120_000 });

const HOOPCTL = join(import.meta.dirname, '../../bin/hoopctl.js');
const USER = { columns: 100, rows: 30 };
/** Its last row is the status line, and there is room to the right. */
const WATCHER = { columns: 110, rows: 31 };
/** What a terminal heeds: the clipboard, titles and asking for them, reports, answers, links. */
const HOSTILE =
  '\\033]52;c;ZXZpbA==\\007\\033]0;evil title\\007\\033[21t\\033[6n\\033[c\\033P$qm\\033\\\\\\033]8;;http://evil/\\033\\\\';

describeWith(['sshd', 'less', 'vim'], 'ssh: watching a live shell', () => {
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let mallory: Client;
  let iris: Client;
  let auditorKey: string;
  const terminals: Terminal[] = [];

  beforeAll(async () => {
    sshd = await startSshd();
    const keeper = await startKey();
    gateway = await startGateway({
      config: {
        connections: {
          host: sshConnectionTo(sshd),
          secret: sshConnectionTo(sshd, { recording: { encrypt: { recipients: [keeper] } } }),
        },
        access: [{ who: { groups: ['*'] }, to: { names: ['*'] } }],
        masks: [
          { name: 'staff', to: { names: ['*'] }, detect: [{ name: 'employee', pattern: 'EMP-\\d{6}' }], as: 'full' },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    mallory = await gateway.user('mallory', { groups: ['engineering'] });
    iris = await gateway.user('iris', { groups: ['auditors'] });
  });
  afterAll(async () => {
    for (const terminal of terminals) await terminal.stop();
    await gateway?.[Symbol.asyncDispose]();
    await sshd?.stop();
  });

  function sized(client: Client, { columns, rows }: typeof USER, args: readonly string[]): Terminal {
    const line = `stty rows ${rows} cols ${columns}; exec "$0" "$@"`;
    const terminal = onTerminal('sh', ['-c', line, process.execPath, HOOPCTL, ...args], {
      env: { ...client.env, CI: undefined, NO_COLOR: undefined },
      cwd: client.home,
    });
    terminals.push(terminal);
    return terminal;
  }

  /** A shell of alice's at its prompt, and its session. */
  async function shell(name: string): Promise<{ terminal: Terminal; id: string }> {
    const terminal = sized(alice, USER, ['ssh', name, '-tt']);
    const bash = "exec env -i TERM=xterm PATH=$PATH PS1=re''ady'> ' bash --norc --noprofile +o history";
    terminal.type(`stty echo; ${bash}\n`);
    await terminal.waitFor(/ready> $/);
    // What ssh itself said before is none of the session's.
    terminal.type('\f');
    await terminal.waitFor(/\[2?J.*ready> $/);
    const { sessions } = await iris.json<{ sessions: { id: string }[] }>(['sessions', 'ls', '--connection', name]);
    return { terminal, id: sessions[0]!.id };
  }

  const watch = (client: Client, id: string, ...more: string[]) =>
    sized(client, WATCHER, ['sessions', 'watch', id, ...more]);

  const seen = async (watcher: Terminal) => (await rowsOf(watcher.screen, WATCHER)).slice(0, USER.rows);

  /** Until the watcher's screen is the user's. */
  async function same(watcher: Terminal, user: Terminal, what: RegExp): Promise<string[]> {
    return eventually(`the watcher sees ${what}`, async () => {
      const rows = await seen(watcher);
      expect(rows).toEqual(await rowsOf(user.screen, USER));
      expect(rows.join('\n')).toMatch(what);
      return rows;
    });
  }

  it('joins late, at the screen as it is, follows it masked, and is on record', async () => {
    const file = join(sshd.directory, 'numbers.txt');
    writeFileSync(file, Array.from({ length: 500 }, (_, i) => `number ${i + 1} of EMP-123456`).join('\n'));
    const { terminal, id } = await shell('host');
    terminal.type(`less ${file}\n`);
    await terminal.waitFor(/number 29 of/);
    terminal.type(' ');
    await terminal.waitFor(/number 58 of/);
    // Full screen, and only what changed is sent from here on.
    const watcher = watch(iris, id);
    const rows = await same(watcher, terminal, /^number 30 of /m);
    expect(rows.join('\n')).not.toContain('EMP-1');
    terminal.type('kk');
    await same(watcher, terminal, /^number 28 of /m);
    terminal.type('q');
    terminal.type(`vi -u NONE -N ${file}\n`);
    await same(watcher, terminal, /^number 2 of/m);
    terminal.type('25Gdd');
    const after = await same(watcher, terminal, /^number 24 of [^\n]*\nnumber 26 of/m);
    expect(after.join('\n')).not.toContain('number 25 of');
    terminal.type(':q!\n');
    await same(watcher, terminal, /ready> vi -u.*\nready>$/m);
    terminal.type('stty rows 20 cols 60; echo si""zed\n');
    await watcher.waitFor(/sized/);
    watcher.type('q');
    expect((await watcher.process.exited).code).toBe(0);
    // Its own terminal is as it was.
    expect(watcher.screen.trimEnd().endsWith('\u001b[?1049l')).toBe(true);
    expect(watcher.screen).not.toContain('EMP-1');
    const log = await iris.runOk(['audit', 'export', '--since', '1h', '--kind', 'log.playback', '--format', 'jsonl']);
    expect(log.stdout).toMatch(new RegExp(`"what":"watch"[^\\n]*"session":"${id}"[^\\n]*"by":"iris`));
    terminal.type('exit\n');
    await terminal.process.exited;
  });

  it('lets nothing of the host reach the terminal of whoever watches, and nothing of theirs the host', async () => {
    const { terminal, id } = await shell('host');
    const watcher = watch(iris, id);
    await same(watcher, terminal, /ready>/);
    terminal.type(`printf '${HOSTILE}'; cat >/dev/null; echo af""ter\n`);
    await terminal.waitFor(/\p{Cc}\]52;c/u);
    terminal.type('\u0004');
    await terminal.waitFor(/after\r/);
    await eventually('what follows is seen', async () => /^after/m.test((await seen(watcher)).join('\n')));
    watcher.type('touch me\n');
    watcher.type(CTRL_C);
    expect((await watcher.process.exited).code).toBe(0);
    // What it was sent: ours alone. Cursor, erasing, colours, its screen.
    const own = /\p{Cc}\[(?:\d+;\d+H|K|2J|[0-9;]*m|\?25[hl]|\?1049[hl])/gu;
    expect(watcher.screen.replace(own, '').trim()).not.toMatch(/\p{Cc}/u);
    expect(terminal.screen).not.toContain('touch me');
    terminal.type('exit\n');
    await terminal.process.exited;
  });

  it('is played on a terminal once it is over: at its pace or another, back and forth, to a text', async () => {
    const file = join(sshd.directory, 'played.txt');
    writeFileSync(file, Array.from({ length: 500 }, (_, i) => `played ${i + 1}`).join('\n'));
    const { terminal, id } = await shell('host');
    terminal.type(`less ${file}\n`);
    await terminal.waitFor(/played 29/);
    terminal.type(' ');
    await terminal.waitFor(/played 58/);
    const paged = (await rowsOf(terminal.screen, USER)).slice(0, 29);
    // Somebody reads it.
    await sleep(500);
    terminal.type('q');
    await terminal.waitFor(/ready> $/);
    terminal.type(`vi -u NONE -N ${file}\n`);
    await terminal.waitFor(/500L/);
    await sleep(500);
    terminal.type('25Gdd');
    await eventually('the line is gone', async () => !(await rowsOf(terminal.screen, USER)).includes('played 25'));
    const edited = (await rowsOf(terminal.screen, USER)).join('\n');
    terminal.type(':q!\n');
    await terminal.waitFor(/ready> $/);
    terminal.type(`printf '${HOSTILE}\\033[0mlast\\n'; exit\n`);
    await terminal.process.exited;

    const player = sized(iris, WATCHER, ['sessions', 'replay', id, '--speed', '64']);
    const status = (rows: string[]) => rows[USER.rows]!;
    const shows = (what: string, check: (rows: string[]) => boolean) =>
      eventually(what, async () => {
        const rows = await rowsOf(player.screen, WATCHER);
        if (!check(rows)) throw new Error(rows.join('\n'));
        return true;
      });
    await shows('it plays to its end', (rows) => /^ end /.test(status(rows)) && rows.includes('last'));
    player.type('g');
    await shows('it is at the beginning', (rows) => /▶ 64× {2}00:00/.test(status(rows)) || /^ end/.test(status(rows)));
    player.type('/played 58\r');
    await shows('the page', (rows) => isDeepStrictEqual(rows.slice(0, 29), paged) && status(rows).startsWith(' ⏸'));
    player.type('/500L\r');
    await shows('the line of vi', (rows) => /500L/.test(rows[29]!));
    // It may write that line a moment before the text above it.
    player.type('/played 24\r');
    await shows('vi', (rows) => rows[0] === 'played 1' && rows.includes('played 24'));
    player.type('\u001b[C\u001b[C');
    await shows('what followed', (rows) => rows.includes('last'));
    player.type('\u001b[D\u001b[D');
    await shows(
      'the beginning',
      (rows) => /^ready>$/.test(rows.slice(0, USER.rows).join('\n').trim()) || /00:00\//.test(status(rows)),
    );
    player.type('/nowhere to be found\r');
    await shows('it is told', (rows) => status(rows).includes('not found: nowhere'));
    expect(edited).toContain('played 24\nplayed 26');
    player.type('q');
    expect((await player.process.exited).code).toBe(0);
    expect(player.screen).toContain('the chain holds');
    const own = /\p{Cc}\[(?:\d+;\d+H|K|2J|[0-9;]*m|\?25[hl]|\?1049[hl])/gu;
    expect(player.screen.replace(own, '').replaceAll(/\r?\n/g, '')).not.toMatch(/\p{Cc}/u);

    const text = sized(iris, WATCHER, ['sessions', 'replay', id, '--text']);
    expect((await text.process.exited).code).toBe(0);
    expect(text.screen).toMatch(/ {4}\| last\r\n/);
    expect((await iris.runOk(['sessions', 'replay', id])).stdout).toContain('    | last\n');
  });

  it('is told which operations were not in what was played', async () => {
    const connected = await alice.connect('host');
    const client = await RawSsh.connect(connected.port);
    const terminal = bytes(string('xterm'), ...[80, 24, 0, 0].map(uint32), string(''));
    const first = (await client.open(1))!;
    client.send(request(first, 'pty-req', terminal), request(first, 'exec', string('echo first-shown; read line')));
    await client.next(94);
    const second = await exec(client, 2, 'echo meanwhile');
    expect(second.told).toBe('meanwhile\n');
    client.send(data(first, '\n'));
    await client.next(97);
    client.destroy();
    await connected.stop();
    const { sessions } = await iris.json<{ sessions: { id: string }[] }>(['sessions', 'ls', '--connection', 'host']);
    const player = sized(iris, WATCHER, ['sessions', 'replay', sessions[0]!.id, '--speed', '64']);
    await player.waitFor(/ end /);
    player.type('q');
    expect((await player.process.exited).code).toBe(0);
    expect(player.screen).toMatch(/not in what was played: #2; hoopctl sessions replay \S+ --text/);
    expect(player.screen).toContain('first-shown');
    expect(player.screen).not.toContain('meanwhile');
  });

  it('tells when the session ends, and of one that is over', async () => {
    const { terminal, id } = await shell('host');
    const watcher = watch(iris, id);
    await same(watcher, terminal, /ready>/);
    terminal.type('exit\n');
    await terminal.process.exited;
    expect((await watcher.process.exited).code).toBe(0);
    expect(watcher.screen).toMatch(new RegExp(`${id} ended`));
    const late = watch(iris, id);
    expect((await late.process.exited).code).toBe(1);
    expect(late.screen).toContain(`hoopctl sessions replay ${id}`);
  });

  it('refuses whoever may not, whether there is such a session or not', async () => {
    const { terminal, id } = await shell('host');
    for (const session of [id, 's-0']) {
      const watcher = watch(mallory, session);
      expect((await watcher.process.exited).code).toBe(3);
      expect(watcher.screen).toContain(`cannot watch session "${session}"`);
      expect(watcher.screen).not.toContain('ready>');
    }
    const own = watch(alice, id);
    await same(own, terminal, /ready>/);
    terminal.type('exit\n');
    await terminal.process.exited;
    const piped = await iris.run(['sessions', 'watch', id]);
    expect(piped.code).toBe(2);
    expect(piped.stderr).toContain(`hoopctl sessions tail ${id}`);
  });

  it('is plain lines with `tail`, or events', async () => {
    const { terminal, id } = await shell('host');
    const lines = iris.start(['sessions', 'tail', id]);
    const events = iris.start(['sessions', 'tail', id, '--json']);
    const entries = async () =>
      (await iris.runOk(['audit', 'export', '--since', '1h', '--kind', 'log.playback', '--session', id])).stdout;
    await eventually('both watch', async () => (await entries()).match(/"tail"/g)?.length === 2);
    terminal.type(`printf '${HOSTILE}\\033[31mEMP-123456\\033[0m wrong\\b\\b\\b\\b\\bright\\n'\n`);
    await lines.waitFor(/ {4}\| \*+ right\n/);
    expect(lines.stdout).not.toContain('\u001b');
    const output = /^\{"type":"output".*$/m;
    await events.waitFor(output);
    expect(JSON.parse(events.stdout.match(output)![0])).toMatchObject({ session: id, n: 1, stream: 'out' });
    expect(events.stdout).not.toContain('EMP-1');
    terminal.type('exit\n');
    await terminal.process.exited;
    expect((await lines.exited).code).toBe(0);
    expect(lines.stdout).toContain('ended:');
  });

  it('of an encrypted recording is for who can read it', async () => {
    const { terminal, id } = await shell('secret');
    const without = watch(iris, id);
    expect((await without.process.exited).code).toBe(1);
    expect(without.screen).toContain('is encrypted for age1');
    const watcher = watch(iris, id, '--identity', auditorKey);
    await same(watcher, terminal, /ready>/);
    terminal.type('exit\n');
    await terminal.process.exited;
    await watcher.process.exited;
  });

  /** An age identity in a file; its recipient. */
  async function startKey(): Promise<string> {
    const { generateIdentity, identityToRecipient } = await import('age-encryption');
    const identity = await generateIdentity();
    auditorKey = join(sshd.directory, 'auditor.key');
    writeFileSync(auditorKey, `${identity}\n`, { mode: 0o600 });
    return identityToRecipient(identity);
  }
});
