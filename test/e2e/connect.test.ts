// `hoopctl connect` as something that runs all day: several connections, stable ports, health, a gateway that goes and
// comes back.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, freePort } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { query, WireClient } from '../support/wire.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await startStage({ databases: ['app', 'two'] }, (server) => ({
    connections: {
      one: connectionTo(server, 'app'),
      two: connectionTo(server, 'two'),
      down: connectionTo(server, 'app', { target: { port: 1 } }),
    },
    rules: [{ name: 'no-drop', when: { does: ['drop'] }, then: 'deny' }],
  }));
});
afterAll(() => stage?.stop());

async function databaseAt(port: number, database = 'app'): Promise<string | undefined> {
  const client = await WireClient.connect({ port, user: 'x', database });
  client.send(query('select current_database()'));
  const row = (await client.until('Z')).find(({ type }) => type === 'D');
  client.close();
  return row?.body.subarray(6).toString();
}

/** The events of `connect --json`. */
function events(output: string): Record<string, unknown>[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('connect', () => {
  it('serves several connections from one process, on this machine only', async () => {
    const connected = await stage.alice.connect(['one', 'two']);
    expect(await databaseAt(connected.ports.one as number)).toBe('app');
    expect(await databaseAt(connected.ports.two as number, 'two')).toBe('two');
    const ready = events(connected.process.stdout).filter(({ type }) => type === 'ready');
    expect(ready).toHaveLength(2);
    expect(ready[0]).toMatchObject({
      connection: 'one',
      host: '127.0.0.1',
      url: expect.stringContaining(`:${connected.ports.one}/`),
    });
    await connected.stop();
  });

  it('takes the same port on every run, and any with --port 0', async () => {
    const portOf = async (args: string[]) => {
      const running = stage.alice.start(['connect', 'one', '--json', ...args]);
      const [, port] = await running.waitFor(/"port":(\d+)/, 'stdout');
      expect((await running.stop('SIGTERM')).code).toBe(143);
      return port;
    };
    const first = await portOf([]);
    expect(await portOf([])).toBe(first);
    expect(await portOf(['--port', '0'])).not.toBe(first);
  });

  it('tells of sessions, operations with their verdicts, and why a session ended', async () => {
    const connected = await stage.alice.connect('one');
    const client = await WireClient.connect({ port: connected.port, user: 'x', database: 'app' });
    client.send(query('select 1 /* told */'));
    await client.until('Z');
    client.send(query('drop table nothing'));
    await client.until('Z');
    client.close();
    const closed = () => events(connected.process.stdout).some(({ type }) => type === 'closed');
    await eventually('the socket is closed', closed);
    const told = events(connected.process.stdout);
    expect(told).toContainEqual(
      expect.objectContaining({ type: 'session', connection: 'one', session: expect.stringMatching(/^s-/) }),
    );
    const operations = told.filter(({ type }) => type === 'operation');
    expect(operations.map(({ text, verdict, rule }) => [text, verdict, rule])).toEqual([
      ['select 1 /* told */', 'allow', undefined],
      ['drop table nothing', 'deny', 'no-drop'],
    ]);
    await connected.stop();
  });

  it('closes one socket when a session is refused, never the port', async () => {
    const connected = await stage.alice.connect('down');
    for (let i = 0; i < 3; i++) {
      await expect(databaseAt(connected.port)).rejects.toThrow(/reach|refused|closed/);
    }
    expect(connected.process.running).toBe(true);
    await connected.stop();
  });

  it('answers a supervisor: alive, and ready while the gateway is', async () => {
    const health = await freePort();
    const connected = await stage.alice.connect('one', ['--health-port', String(health)]);
    const ask = async (path: string) => (await fetch(`http://127.0.0.1:${health}${path}`)).status;
    await eventually('ready', async () => (await ask('/readyz')) === 200);
    await stage.gateway.process.stop('SIGKILL');
    expect(await ask('/healthz')).toBe(200);
    await eventually('not ready', async () => (await ask('/readyz')) === 503);
    await stage.gateway.start();
    await eventually('ready again', async () => (await ask('/readyz')) === 200);
    await connected.stop();
  });

  it('outlives its gateway: a new connection waits for it and gets through', async () => {
    const connected = await stage.alice.connect('one');
    expect(await databaseAt(connected.port)).toBe('app');
    await stage.gateway.process.stop('SIGKILL');
    const waiting = databaseAt(connected.port);
    await stage.gateway.start();
    expect(await waiting).toBe('app');
    expect(connected.process.running).toBe(true);
    await connected.stop();
  });
});

describe.runIf(process.platform === 'linux')('pipes that other programs have too', () => {
  const O_NONBLOCK = 0o4000;
  const flags = (text: string) => Number.parseInt(/flags:\s+(\d+)/.exec(text)?.[1] ?? '', 8) & O_NONBLOCK;

  it('go on blocking them: a full one would be an error to them, and the rest lost', async () => {
    const silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const env = { HOOPCTL_GATEWAY: `https://127.0.0.1:${port}`, HOOPCTL_TOKEN: 'a-token' };
    const running = stage.alice.start(['exec', 'one', '--', 'true'], { env });
    const [socket] = await once(silent, 'connection');
    for (const at of [0, 1, 2]) {
      expect(flags(readFileSync(`/proc/${running.child.pid}/fdinfo/${at}`, 'utf8')), `descriptor ${at}`).toBe(0);
    }
    await running.stop('SIGKILL');
    socket.destroy();
    silent.close();
  });

  it('and the stderr of a child, when hoopctl has said something there', async () => {
    const command = 'psql -c "select 1"; cat /proc/self/fdinfo/2';
    const done = await stage.alice.run(['exec', 'down', '--', 'sh', '-c', command]);
    expect(done.stderr).toContain('hoopctl:');
    expect(flags(done.stdout)).toBe(0);
  });
});
