import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { run } from '../../../src/cli/run.ts';
import { refuse } from '../../../src/tunnel/accept.ts';
import { eventually, freePort, removeDirectory, temporaryDirectory } from '../../support/process.ts';
import { hoopctl, memoryIo } from './memory-io.ts';
import { type ReachedGateway, reachedGateway } from './reached.ts';

vi.mock('../../../src/protocol/index.ts', async () => (await import('./reached.ts')).fakeRegistry);

let gateway: ReachedGateway;
let directory: string;
let file: string;

beforeEach(async () => {
  gateway = await reachedGateway();
  directory = temporaryDirectory('exec');
  file = join(directory, 'out');
});

afterEach(async () => {
  await gateway.close();
  removeDirectory(directory);
});

function exec(args: string[], env: Record<string, string | undefined> = {}) {
  return hoopctl(['exec', ...args], { env: { ...gateway.env, OUT: file, ...env } });
}

const written = () => readFileSync(file, 'utf8').trim();

/** A program that talks to the port of a variable and writes what comes back. */
const TALK = `
  const socket = require('net').connect(process.env.PLAIN_PORT, process.env.PLAIN_HOST);
  socket.end('hello');
  let text = '';
  socket.on('data', (chunk) => { text += chunk; });
  socket.on('close', () => require('fs').writeFileSync(process.env.OUT, text));
`;

describe('exec', () => {
  it('runs the command with the connection open and its exit code passed through', async () => {
    const talked = await exec(['db', '--reason', 'to see', '--', process.execPath, '-e', TALK]);
    expect(talked).toEqual({ code: 0, out: '', err: '' });
    expect(written()).toBe('hello');
    expect((await exec(['db', '--', 'sh', '-c', 'exit 7'])).code).toBe(7);
    expect(gateway.requests[0]!.headers).toMatchObject({
      'hoopctl-reason': 'to%20see',
      'hoopctl-run': expect.stringMatching(/^run-/),
      authorization: expect.stringMatching(/^Bearer /),
    });
  });

  it('gives the command the variables of its tools, of hoopctl, and no secret', async () => {
    const env = {
      HOOPCTL_CLIENT_SECRET: 'geheim',
      HOOPCTL_REASON: 'because',
      PLAIN_SECRET: 'geheim',
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'geheim',
      HOOPCTL_AGENT: 'claude',
      HARMLESS: 'yes',
    };
    const ran = await exec(['prod-db=0,db=0', '--', 'sh', '-c', 'env > "$OUT"'], env);
    expect(ran.code).toBe(0);
    const child = Object.fromEntries(
      written()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    expect(child).toMatchObject({
      HARMLESS: 'yes',
      // The first of two that want the same variables has them.
      PLAIN_NAME: 'prod-db',
      PLAIN_PORT: child.HOOPCTL_CONNECTION_PROD_DB_PORT,
      HOOPCTL_CONNECTION_PROD_DB_HOST: '127.0.0.1',
      HOOPCTL_CONNECTION_PROD_DB_URL: `plain://127.0.0.1:${child.HOOPCTL_CONNECTION_PROD_DB_PORT}/prod-db-data`,
      HOOPCTL_CONNECTION_DB_URL: expect.stringContaining('/db-data'),
      HOOPCTL_SESSION_ID: gateway.requests[0]!.headers['hoopctl-run'],
      HOOPCTL_AGENT: 'claude',
      HOOPCTL_GATEWAY: gateway.url,
    });
    expect(written()).not.toContain('geheim');
    expect(written()).not.toContain(gateway.env.HOOPCTL_TOKEN);
    expect(child.HOOPCTL_REASON).toBeUndefined();
  });

  it('lets through what the command wrote last, also when it does not wait', async () => {
    let got = 0;
    gateway.serve = ({ stream }) => {
      stream.onData = (chunk) => {
        if (got === 0) {
          stream.pause();
          setTimeout(() => stream.resume(), 200);
        }
        got += chunk.length;
      };
      stream.onEnd = () => stream.end();
    };
    const LEAVE = `
      const socket = require('net').connect(process.env.PLAIN_PORT, '127.0.0.1');
      socket.end(Buffer.alloc(1_000_000), () => process.exit(0));`;
    expect((await exec(['db', '--', process.execPath, '-e', LEAVE])).code).toBe(0);
    expect(got).toBe(1_000_000);
  });

  it('is 128 + n when a signal ended the command', async () => {
    expect((await exec(['db', '--', 'sh', '-c', 'kill -9 $$'])).code).toBe(137);
  });

  it('is 127 for a command that is not there and 126 for one that cannot be run', async () => {
    const missing = await exec(['db', '--', 'no-such-command-anywhere']);
    expect(missing).toMatchObject({ code: 127, err: expect.stringContaining("cannot run 'no-such-command-anywhere'") });
    // EACCES to the system: something of that name, as behind a folder that may not be entered, but nothing to run.
    mkdirSync(join(directory, 'no-such'));
    const denied = await exec(['db', '--', 'no-such'], { PATH: `${directory}:${process.env.PATH}` });
    expect(denied).toMatchObject({ code: 127, err: expect.stringContaining('no such command') });
    writeFileSync(file, 'not executable', { mode: 0o600 });
    expect(await exec(['db', '--', file])).toMatchObject({ code: 126, err: expect.stringContaining('not executable') });
  });

  it('is 124 when the command ran out of time', async () => {
    const ran = await exec(['db', '--timeout', '150ms', '--', 'sleep', '60']);
    expect(ran).toMatchObject({ code: 124, err: expect.stringContaining('ran out of time after 150ms') });
  });

  it('is 125, in its own words and without the command, when hoopctl itself failed', async () => {
    const touch = ['--', 'touch', file];
    const unknown = await exec(['prod-bd', ...touch]);
    expect(unknown).toMatchObject({ code: 125, err: expect.stringContaining("did you mean 'prod-db'") });
    gateway.connections.db = { access: 'grant' };
    expect(await exec(['db', ...touch])).toMatchObject({
      code: 125,
      err: expect.stringContaining('hoopctl request db'),
    });
    gateway.intercept = (_, socket) => {
      refuse(socket, 403, { error: { code: 'access_denied', message: 'alice may not reach other' } });
      return true;
    };
    expect(await exec(['other', ...touch])).toMatchObject({
      code: 125,
      err: expect.stringContaining('alice may not reach other'),
    });
    const away = `https://127.0.0.1:${await freePort()}`;
    expect(await exec(['db', ...touch], { HOOPCTL_GATEWAY: away })).toMatchObject({
      code: 125,
      err: expect.stringContaining('cannot reach'),
    });
    expect((await exec(['db', '--timeout', 'soon', ...touch])).code).toBe(125);
    expect((await exec(['db,db', ...touch])).code).toBe(125);
    expect(existsSync(file)).toBe(false);
  });
});

describe('signals to exec', () => {
  /** Writes each signal that it gets; ends after two. */
  const COUNT = `
    const fs = require('fs');
    let seen = 0;
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => {
      fs.appendFileSync(process.env.OUT, name + ' ');
      if (++seen === 2) process.exit(5);
    });
    fs.writeFileSync(process.env.OUT, 'up ');
    setInterval(() => {}, 1000);
  `;

  async function started(terminal: boolean) {
    const io = memoryIo({ env: { ...gateway.env, OUT: file }, terminal });
    const code = run(io, ['exec', 'db', '--', process.execPath, '-e', COUNT]);
    await eventually('the child is up', () => existsSync(file) && written() === 'up');
    return { io, code };
  }

  it('are forwarded, however many, and never end hoopctl before its child', async () => {
    const { io, code } = await started(false);
    io.signal('SIGINT');
    await eventually('the first', () => written() === 'up SIGINT');
    io.signal('SIGTERM');
    expect(await code).toBe(5);
    expect(written()).toBe('up SIGINT SIGTERM');
  });

  it('are not sent twice when the terminal sent them to the child already', async () => {
    const { io, code } = await started(true);
    io.signal('SIGINT');
    io.signal('SIGINT');
    io.signal('SIGHUP');
    await eventually('the hang-up', () => written() === 'up SIGHUP');
    io.signal('SIGTERM');
    expect(await code).toBe(5);
    expect(written()).toBe('up SIGHUP SIGTERM');
  });

  it('end it with their number before the child is there', async () => {
    gateway.intercept = () => true; // the tunnel is never answered
    const io = memoryIo({ env: { ...gateway.env, OUT: file } });
    const code = run(io, ['exec', 'db', '--', 'touch', file]);
    await eventually('it dials', () => gateway.requests.length > 0);
    io.signal('SIGINT');
    expect(await code).toBe(130);
    expect(existsSync(file)).toBe(false);
  });
});

describe('the shorthand of a tool', () => {
  it("runs the protocol's own command with the arguments that follow the name", async () => {
    const { shorthand } = await import('../../../src/cli/shorthand.ts');
    const tree = [
      { name: 'sh', summary: 'a shell', load: async () => ({ command: shorthand('sh') }) },
      { name: 'psql', summary: 'psql', load: async () => ({ command: shorthand('psql') }) },
    ];
    const env = { ...gateway.env, OUT: file };
    const ran = await hoopctl(
      ['sh', '--reason', 'why', 'db', 'echo "$PLAIN_NAME $1" > "$OUT"; exit 3', '-', '--x'],
      { env },
      tree,
    );
    expect(ran).toMatchObject({ code: 3, err: '' });
    expect(written()).toBe('db --x');
    expect(gateway.requests[0]!.headers['hoopctl-reason']).toBe('why');
    expect(await hoopctl(['psql', 'db'], { env }, tree)).toMatchObject({
      code: 125,
      err: expect.stringContaining("'db' is not reached with psql"),
    });
  });

  it.each([
    [['psql', 'db', '--reason', 'ticket 7', '-c', 'x'], '--reason', 'hoopctl psql --reason TEXT db …'],
    [['psql', 'db', '-c', 'x', '--agent=claude'], '--agent', 'hoopctl psql --agent NAME db …'],
    [['ssh', 'db', '-tt', '--json', 'ls'], '--json', 'hoopctl ssh --json db …'],
  ])('says of an option of hoopctl behind the name where it goes: %j', async (argv, flag, right) => {
    const { code, err } = await hoopctl(argv, { env: gateway.env });
    expect(code).toBe(125);
    expect(err).toContain(`${flag} is an option of hoopctl, and everything behind 'db' is ${argv[0]}'s`);
    expect(err).toContain(right);
    expect(gateway.requests).toEqual([]);
  });

  it('leaves to a command what may be an option of its own', async () => {
    for (const argv of [
      ['ssh', 'db', 'list', '--json'],
      ['ssh', 'db', '--', '--json'],
      ['psql', 'db', '--', '--reason'],
    ])
      expect((await hoopctl(argv, { env: gateway.env })).err).toContain(`'db' is not reached with ${argv[0]}`);
  });
});
