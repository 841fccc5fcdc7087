import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Client, type ClientOptions, openClient } from '../../../src/client/client.ts';
import type { ClientEvent } from '../../../src/client/events.ts';
import { serveHealth } from '../../../src/client/health.ts';
import type { HoopctlError } from '../../../src/core/errors.ts';
import type { ByteStream } from '../../../src/core/stream.ts';
import { refuse } from '../../../src/tunnel/accept.ts';
import { eventually, sleep } from '../../support/process.ts';
import { certificatesInMemory, echo, type FakeGateway, fakeGateway } from '../tunnel/gateway.ts';

vi.mock('../../../src/protocol/index.ts', () => ({
  loadProtocol: async (name: string) =>
    name !== 'plain'
      ? undefined
      : {
          local: (connection: string, described: Record<string, string>, host: string, port: number) => ({
            environment: { PLAIN_PORT: String(port) },
            url: `plain://${host}:${port}/${connection}`,
            facts: { database: described.database },
          }),
          turnAway: async (stream: ByteStream, { code, message, fix }: HoopctlError) => {
            stream.write(Buffer.from(`${code}: ${message}; ${fix}`));
            stream.end();
          },
        },
}));

let certificates: { ca: string; cert: string; key: string };
let gateway: FakeGateway;
let client: Client;
let events: ClientEvent[];
const sockets: Socket[] = [];

async function open(options: Partial<ClientOptions> = {}): Promise<Client> {
  // Not the variable: what a closed client still tells must not reach the next test.
  const mine = events;
  client = await openClient({
    gateway: { url: gateway.url, ca: gateway.ca },
    headers: async () => ({ 'Hoopctl-Run': 'x-1' }),
    connections: [{ name: 'db', protocol: 'plain', described: { database: 'app' }, port: 0 }],
    onEvent: (event) => mine.push(event),
    ...options,
  });
  return client;
}

function dial(index = 0): Promise<{ socket: Socket; text: () => string; closed: Promise<void> }> {
  const { host, port } = client.connections[index]!;
  const socket = connect({ host, port, allowHalfOpen: true });
  sockets.push(socket);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('end', () => socket.end());
  socket.on('error', () => {});
  return new Promise((resolve) => socket.once('connect', () => resolve({ socket, text: () => text, closed })));
}

const seen = (type: ClientEvent['type']) => events.filter((event) => event.type === type);

beforeEach(async () => {
  certificates ??= await certificatesInMemory();
  gateway = await fakeGateway(echo, { certificates });
  events = [];
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await client?.close();
  await gateway.close();
});

describe('a client', () => {
  it('opens each connection on this machine only, and tells where', async () => {
    await open({
      connections: [
        { name: 'db', protocol: 'plain', described: { database: 'app' }, port: 0 },
        { name: 'other', protocol: 'plain', described: { database: 'b' }, port: 0 },
      ],
    });
    const [db, other] = client.connections;
    expect(seen('ready')).toEqual([
      {
        type: 'ready',
        connection: 'db',
        host: '127.0.0.1',
        port: db!.port,
        url: db!.local.url,
        facts: { database: 'app' },
      },
      expect.objectContaining({ connection: 'other', port: other!.port }),
    ]);
    const one = await dial(0);
    const two = await dial(1);
    one.socket.write('one');
    two.socket.write('two');
    await eventually('both echoes', () => one.text() === 'one' && two.text() === 'two');
    expect(new Set(gateway.requests.map((request) => request.url))).toEqual(
      new Set(['/api/v1/connections/db/tunnel', '/api/v1/connections/other/tunnel']),
    );
    expect(gateway.requests[0]!.headers['hoopctl-run']).toBe('x-1');
  });

  it('passes a half-close on and delivers what comes after it', async () => {
    gateway.serve = ({ stream }) => {
      let got = '';
      stream.onData = (chunk) => {
        got += chunk.toString();
      };
      stream.onEnd = () => {
        stream.write(Buffer.from(`got ${got}`));
        stream.end();
      };
    };
    await open();
    const { socket, text, closed } = await dial();
    socket.end('all');
    await closed;
    expect(text()).toBe('got all');
    await eventually('the closed event', () => seen('closed').length === 1);
    expect(seen('closed')[0]).toMatchObject({ sent: 3, received: 7, error: undefined });
    expect(client.status.connection('db')).toMatchObject({ open: 0, total: 1, sent: 3, received: 7 });
  });

  it('closes one socket when its session breaks, and neither the others nor the listener', async () => {
    const accepted: (() => void)[] = [];
    gateway.serve = (tunnel) => {
      void tunnel.started.then(() => accepted.push(() => tunnel.stream.destroy(new Error('broken'))));
      echo(tunnel);
    };
    await open();
    const first = await dial();
    await eventually('the first', () => accepted.length === 1);
    const second = await dial();
    await eventually('the second', () => accepted.length === 2);
    accepted[0]!();
    await first.closed;
    second.socket.write('alive');
    await eventually('the second lives', () => second.text() === 'alive');
    const third = await dial();
    third.socket.write('new');
    await eventually('a third gets in', () => third.text() === 'new');
    expect(seen('closed')).toHaveLength(1);
  });

  it('tells what the gateway tells of sessions, and why they end', async () => {
    gateway.serve = (tunnel) => {
      void tunnel.started.then(() => {
        tunnel.sendEvent({ type: 'session', id: 's-1' });
        tunnel.sendEvent({ type: 'operation', n: 1, text: 'select 1', verdict: 'allow' });
        tunnel.sendEvent({ type: 'review', id: 'r-1', rule: 'writes', state: 'pending' });
      });
      tunnel.stream.onData = () => {
        tunnel.stream.write(Buffer.from('last words'));
        tunnel.sendEvent({ type: 'end', session: 's-1', code: 'session_killed', message: 'killed by bob' });
        tunnel.stream.destroy(new Error('session_killed'));
      };
    };
    await open();
    const { socket, text, closed } = await dial();
    await eventually('the review', () => client.status.reviews.has('r-1'));
    expect(client.status.operations).toMatchObject([{ connection: 'db', session: 's-1', n: 1, text: 'select 1' }]);
    socket.write('x');
    await closed;
    expect(text()).toBe('last words');
    await eventually('the closed event', () => seen('closed').length === 1);
    expect(seen('end')).toMatchObject([{ session: 's-1', code: 'session_killed', message: 'killed by bob' }]);
    expect(seen('closed')).toMatchObject([{ session: 's-1', error: undefined }]);
    expect(client.status.reviews.size).toBe(0);
  });

  it('does not start when the gateway refuses, and leaves nothing open', async () => {
    gateway.intercept = (_, socket) => {
      refuse(socket, 403, { error: { code: 'grant_needed', message: "'db' needs a grant", next: 'request it' } });
      return true;
    };
    await expect(open()).rejects.toMatchObject({ code: 'grant_needed', fix: 'request it' });
    expect(events.filter((event) => event.type === 'ready')).toEqual([]);
  });

  it('does not start a protocol that it does not know', async () => {
    await expect(open({ connections: [{ name: 'x', protocol: 'odd', described: {} }] })).rejects.toMatchObject({
      code: 'not_supported',
    });
  });
});

describe('a client whose gateway goes away', () => {
  it('keeps its port, lets new sockets wait, and serves them when the gateway is back', async () => {
    await open();
    const port = Number(new URL(gateway.url).port);
    const before = await dial();
    before.socket.write('a');
    await eventually('the echo', () => before.text() === 'a');
    await gateway.close();
    await before.closed;
    const waiting = await dial();
    waiting.socket.write('patience');
    await eventually('it is told', () => seen('gateway').some((event) => 'reachable' in event && !event.reachable));
    gateway = await fakeGateway(echo, { certificates, port });
    await eventually('the echo', () => waiting.text() === 'patience');
    await eventually('it is told', () => client.status.gateway.reachable);
  });

  it('waits for one that stops, as another may take its place', async () => {
    await open({ spares: 0 });
    let refused = 0;
    gateway.intercept = (_, socket) => {
      refused++;
      refuse(socket, 503, { error: { code: 'gateway_stopping', message: 'the gateway is stopping' } });
      return true;
    };
    const waiting = await dial();
    waiting.socket.write('patience');
    await eventually('it is refused', () => refused > 0);
    gateway.intercept = () => false;
    await eventually('the echo', () => waiting.text() === 'patience');
  });

  it('closes a socket that waited for the named time, with the reason', async () => {
    await open({ retryMs: 300 });
    await gateway.close();
    await eventually('it is noticed', () => !client.status.gateway.reachable);
    const waiting = await dial();
    await waiting.closed;
    expect(waiting.text()).toMatch(/^gateway_unreachable: the gateway cannot be reached: .*; this port of .* stays/);
    expect(seen('refused')).toMatchObject([{ connection: 'db', error: { code: 'gateway_unreachable' } }]);
    gateway = await fakeGateway(echo, { certificates });
  });

  it('closes a socket at once when it is refused, and stays', async () => {
    await open({ spares: 0 });
    gateway.intercept = (_, socket) => {
      refuse(socket, 401, { error: { code: 'principal_revoked', message: 'alice is shut out' } });
      return true;
    };
    const refused = await dial();
    await refused.closed;
    expect(refused.text()).toMatch(/^principal_revoked: alice is shut out; /);
    expect(seen('refused')).toMatchObject([{ error: { code: 'principal_revoked' } }]);
    gateway.intercept = () => false;
    const next = await dial();
    next.socket.write('again');
    await eventually('the echo', () => next.text() === 'again');
  });
});

describe('closing a client', () => {
  it('lets open sockets end for the drain time', async () => {
    await open();
    const { socket, text, closed } = await dial();
    socket.write('a');
    await eventually('the echo', () => text() === 'a');
    let done = false;
    const closing = client.close(20_000).then(() => {
      done = true;
    });
    await sleep(50);
    expect(done).toBe(false);
    socket.write('b');
    await eventually('it still works', () => text() === 'ab');
    socket.end();
    await closed;
    await closing;
  });

  it('cuts them without one', async () => {
    await open();
    const { closed } = await dial();
    await client.close();
    await closed;
    const again = connect({ host: '127.0.0.1', port: client.connections[0]!.port });
    expect(
      await new Promise((resolve) => again.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))),
    ).toBe('ECONNREFUSED');
  });
});

describe('the health server', () => {
  it('is live always, and ready when a connection would get through', async () => {
    await open({ spares: 0 });
    const health = await serveHealth(client, '127.0.0.1', 0);
    const get = async (path: string) => (await fetch(`http://127.0.0.1:${health.port}${path}`)).status;
    expect([await get('/healthz'), await get('/readyz'), await get('/other')]).toEqual([200, 200, 404]);
    gateway.intercept = (_, socket) => {
      refuse(socket, 401, { error: { code: 'login_expired', message: 'the login has expired' } });
      return true;
    };
    expect([await get('/healthz'), await get('/readyz')]).toEqual([200, 503]);
    const body = (await (await fetch(`http://127.0.0.1:${health.port}/readyz`)).json()) as object;
    expect(body).toMatchObject({ ready: false, connections: [{ name: 'db', problem: 'the login has expired' }] });
    await health.close();
  });
});
