// The machine that a user works on: what others who have an account there can do with what is theirs, and what stays there.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROGRAM } from '../support/gateway.ts';
import { eventually, findProgram, type RunOptions, run, runOk, sleep } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { onTerminal } from '../support/terminal.ts';

/** Somebody else on the machine. To act as them takes root. */
const MALLORY = { uid: 65_534, gid: 65_534 };
const isRoot = process.getuid?.() === 0;

let stage: Stage;

beforeAll(async () => {
  stage = await startStage({ databases: ['app'] }, (server) => ({ connections: { app: connectionTo(server, 'app') } }));
});
afterAll(() => stage?.stop());

function psql(port: number, more: RunOptions = {}, host = '127.0.0.1') {
  const args = ['-XAtq', '-h', host, '-p', String(port), '-U', 'x', '-c', 'select 42', 'app'];
  const env = { PATH: process.env.PATH, PGCONNECT_TIMEOUT: '20', PGSSLMODE: 'disable' };
  return run(findProgram('psql') as string, args, { env, ...more });
}

const refused = {
  code: 2,
  stdout: '',
  stderr: expect.stringMatching(/this port is another user's \(0\).*user 65534's/),
};

describe.runIf(isRoot)('another user of the machine', () => {
  it('cannot act as whoever opened a port there, and is told why', async () => {
    await using connected = await stage.alice.connect('app');
    for (const host of ['127.0.0.1', '::ffff:127.0.0.1']) {
      expect(await psql(connected.port, {}, host), host).toMatchObject({ code: 0, stdout: '42\n' });
      expect(await psql(connected.port, { user: MALLORY }, host), host).toMatchObject(refused);
    }
    expect(await psql(connected.port)).toMatchObject({ code: 0 });
    await connected.process.waitFor(/"type":"refused".*"access_denied"/, 'stdout');
  });

  it('cannot by hanging up before it is asked who it is: a closed socket is of user 0', async () => {
    await using connected = await stage.alice.connect('app');
    // Startup, a statement, and gone.
    const bytes = String.raw`\0\0\0\x1a\0\3\0\0user\0x\0database\0app\0\0Q\0\0\0\x0dselect 42\0`;
    const one = `exec 3<>/dev/tcp/127.0.0.1/${connected.port}; printf '${bytes}' >&3; exec 3>&-`;
    await runOk('bash', ['-c', `for ((i = 0; i < 200; i++)); do ${one}; done`], { user: MALLORY });
    await eventually('all have come', () => (connected.process.stdout.match(/"refused"/g) ?? []).length >= 50);
    expect(await psql(connected.port)).toMatchObject({ code: 0 });
    expect(connected.process.stdout.match(/"type":"session"/g)).toHaveLength(1);
  });

  it('cannot use the port of an exec', async () => {
    const other = `cd /; setpriv --reuid 65534 --regid 65534 --clear-groups psql -XAtqc 'select 42' 2>&1; psql -XAtqc 'select 43'`;
    const done = await stage.alice.exec('app', ['sh', '-c', other]);
    expect(done.stdout).toMatch(/this port is another user's/);
    expect(done.stdout).toMatch(/\n43\n$/);
    expect(done.stdout).not.toMatch(/^42$/m);
    const allowed = await stage.alice.exec('app', ['sh', '-c', other], { args: ['--allow-other-users'] });
    expect(allowed.stdout).toBe('42\n43\n');
  });

  it('can where its owner says so', async () => {
    await using connected = await stage.alice.connect('app', ['--allow-other-users']);
    expect(await psql(connected.port, { user: MALLORY })).toMatchObject({ code: 0, stdout: '42\n' });
  });
});

describe.runIf(process.platform === 'linux')('an IPv6 port of the machine', () => {
  it('is its owner’s', async () => {
    await using connected = await stage.alice.connect('app', ['--bind', '::1']);
    expect(await psql(connected.port, {}, '::1')).toMatchObject({ code: 0, stdout: '42\n' });
    if (isRoot) expect(await psql(connected.port, { user: MALLORY }, '::1')).toMatchObject(refused);
  });
});

describe.runIf(process.platform === 'linux')('connect', () => {
  it('ends with the terminal that showed what its ports are for', async () => {
    const { home, env } = stage.alice;
    const pid = join(home, 'connect.pid');
    const command = ['-c', `echo $$ > ${pid}; exec "$0" "$@"`, process.execPath, PROGRAM, 'connect', 'app=0'];
    const terminal = onTerminal('sh', command, { env, cwd: home });
    await terminal.waitFor(/q quits/);
    // Until nothing is drawn any more: who writes learns without a signal that the terminal is gone.
    await sleep(1500);
    try {
      // Of script(1) alone, which holds the terminal: its window was closed.
      process.kill(terminal.process.pid, 'SIGKILL');
      await eventually('it has ended', () => !existsSync(`/proc/${readFileSync(pid, 'utf8').trim()}`));
    } finally {
      await terminal.stop();
      killed(Number(readFileSync(pid, 'utf8')));
    }
  });
});

function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
