import { connect as dial } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { run } from '../../../src/cli/run.ts';
import { eventually, freePort } from '../../support/process.ts';
import { hoopctl, type MemoryIo, memoryIo } from './memory-io.ts';
import { type ReachedGateway, reachedGateway } from './reached.ts';

vi.mock('../../../src/protocol/index.ts', async () => (await import('./reached.ts')).fakeRegistry);

let gateway: ReachedGateway;
let io: MemoryIo;
let code: Promise<number>;

beforeEach(async () => {
  gateway = await reachedGateway();
});

afterEach(() => gateway.close());

function connect(args: string[], env: Record<string, string> = {}): void {
  io = memoryIo({ env: { ...gateway.env, ...env } });
  code = run(io, ['connect', ...args]);
}

/** The objects on stdout so far. */
const objects = () =>
  io
    .out()
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function ready(count = 1): Promise<Record<string, unknown>[]> {
  await eventually('ready', () => objects().filter(({ type }) => type === 'ready').length === count);
  return objects().filter(({ type }) => type === 'ready');
}

function talk(port: unknown, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = dial(port as number, '127.0.0.1');
    let got = '';
    socket.on('data', (chunk) => {
      got += chunk.toString();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(got));
    socket.end(text);
  });
}

describe('connect', () => {
  it('opens ports and prints what happens as JSON Lines on stdout, nothing else', async () => {
    connect(['db=0', 'other=0', '--json', '--reason', 'to see']);
    const [db, other] = await ready(2);
    expect(db).toMatchObject({
      connection: 'db',
      host: '127.0.0.1',
      url: `plain://127.0.0.1:${String(db!.port)}/db-data`,
      facts: { database: 'db-data' },
      at: expect.stringMatching(/^20/),
    });
    expect(await talk(db!.port, 'one')).toBe('one');
    expect(await talk(other!.port, 'two')).toBe('two');
    await eventually('both are closed', () => objects().filter(({ type }) => type === 'closed').length === 2);
    expect(objects().find(({ type }) => type === 'closed')).toMatchObject({ sent: 3, received: 3 });
    expect(gateway.requests[0]!.headers['hoopctl-reason']).toBe('to%20see');
    io.signal('SIGTERM');
    expect(await code).toBe(143);
    expect(io.err()).toBe('');
  });

  it('prints plain lines on stderr without a terminal, and leaves stdout empty', async () => {
    gateway.serve = (tunnel) => {
      tunnel.stream.onData = (chunk) => {
        tunnel.sendEvent({ type: 'session', id: 's-1' });
        tunnel.sendEvent({ type: 'operation', n: 1, text: 'drop table t', verdict: 'deny', rule: 'no-drop' });
        tunnel.sendEvent({ type: 'review', id: 'r-1', rule: 'writes', state: 'pending' });
        tunnel.stream.write(chunk);
        tunnel.sendEvent({ type: 'end', session: 's-1', code: 'session_killed', message: 'killed by bob\u001b[2J' });
        tunnel.stream.end();
      };
    };
    connect(['db', '--port', '0']);
    const [, port] = await eventually('ready', () => /db: ready at 127\.0\.0\.1:(\d+)/.exec(io.err()));
    await talk(Number(port), 'x');
    await eventually('the end', () => io.err().includes('closed'));
    expect(io.err().split('\n').slice(0, -1)).toEqual([
      `db: ready at 127.0.0.1:${port}, database db-data, plain://127.0.0.1:${port}/db-data`,
      'db: session s-1',
      "db: deny by rule 'no-drop': drop table t",
      "db: waiting for approval by rule 'writes', review r-1: hoopctl reviews approve r-1",
      'db: session s-1 ended: killed by bob\\x1b[2J (session_killed)',
      'db: session s-1 closed, 1 B out, 1 B in',
    ]);
    io.signal('SIGINT');
    expect(await code).toBe(130);
    expect(io.out()).toBe('');
  });

  it('has the same port on the next run', async () => {
    const home = memoryIo().env.HOME!;
    const name = `db-${await freePort()}`;
    gateway.connections[name] = {};
    const ports: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      connect([name, '--json'], { HOME: home });
      ports.push((await ready())[0]!.port);
      io.signal('SIGINT');
      await code;
    }
    expect(ports[1]).toBe(ports[0]);
  });

  it('serves health and ends with the terminal', async () => {
    connect(['db=0', '--json', '--health-port', '0']);
    const health = await eventually('health', () => objects().find(({ type }) => type === 'health'));
    expect((await fetch(`http://127.0.0.1:${String(health.port)}/readyz`)).status).toBe(200);
    io.signal('SIGHUP');
    expect(await code).toBe(129);
    await expect(fetch(`http://127.0.0.1:${String(health.port)}/healthz`)).rejects.toThrow();
  });
});

describe('connect refuses', () => {
  const failed = (args: string[]) => hoopctl(['connect', ...args], { env: gateway.env });

  it.each([
    ['an address that others can reach', ['db', '--bind', '0.0.0.0'], 2, 'would let others connect as you'],
    ['one port for two connections', ['db', 'other', '--port', '5000'], 2, 'cannot be the port of 2'],
    ['a connection named twice', ['db', 'db'], 2, "'db' is named twice"],
    ['a port that is none', ['db=70000'], 2, "'70000' is not a port"],
    ['a connection that there is not', ['dbb'], 1, "did you mean 'db'"],
  ])('%s', async (_, args, exit, words) => {
    expect(await failed(args)).toMatchObject({ code: exit, out: '', err: expect.stringContaining(words) });
  });

  it('a taken port, by name', async () => {
    connect(['db=0', '--json']);
    const [{ port }] = (await ready()) as [{ port: number }];
    const { code: exit, err } = await failed([`other=${port}`]);
    expect([exit, err]).toEqual([1, expect.stringContaining(`cannot listen on 127.0.0.1:${port} for 'other'`)]);
    io.signal('SIGINT');
    await code;
  });

  it('access that has to be asked for', async () => {
    gateway.connections.db = { access: 'grant' };
    expect(await failed(['db'])).toMatchObject({ code: 3, err: expect.stringContaining('hoopctl request db') });
  });
});

describe('connect lets others in', () => {
  it('only when that is said in so many words', async () => {
    connect(['db=0', '--json', '--bind', '0.0.0.0', '--allow-non-loopback']);
    const [{ host, port }] = (await ready()) as [{ host: string; port: number }];
    expect(host).toBe('127.0.0.1');
    expect(await talk(port, 'x')).toBe('x');
    io.signal('SIGINT');
    await code;
  });
});
