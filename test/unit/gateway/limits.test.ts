import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { House, until } from '../../support/gateway-house.ts';

const houses: House[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const house of houses.splice(0)) await house.close();
});

async function open(limits: Record<string, number>): Promise<House> {
  const house = await House.open({ limits });
  houses.push(house);
  return house;
}

async function stranger(
  house: House,
  { host, port } = house.gateway.native.lines!,
  localAddress = '127.0.0.1',
): Promise<{ socket: Socket; closed: Promise<unknown> }> {
  const socket = connect({ host, port, localAddress });
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.resume();
  return { socket, closed: new Promise((resolve) => socket.once('close', resolve)) };
}

describe('native clients that have not said who they are', () => {
  it('have a time for it, in which TLS and every word count', async () => {
    const house = await open({ handshake_ms: 150 });
    const silent = await stranger(house);
    const slow = await stranger(house);
    slow.socket.write('STARTTLS\n');
    await Promise.all([silent.closed, slow.closed]);
  });

  it('that do are not cut by it', async () => {
    const house = await open({ handshake_ms: 1500 });
    const alice = await house.person('alice', ['dev']);
    const { token, user } = (await house.call(alice, 'POST', '/api/v1/connections/prod-db/token', {})).body;
    const client = await house.native(user, 'prod-db', token);
    client.say('say one');
    expect(await client.line()).toBe('say one');
    const late = await stranger(house);
    await late.closed;
    client.say('say two');
    expect(await client.line()).toBe('say two');
    client.end();
  });

  it('are counted: when one comes too many, the one that is unknown for longest goes, and nobody who is known', async () => {
    const house = await open({ unauthenticated_connections: 3 });
    const alice = await house.person('alice', ['dev']);
    const { token, user } = (await house.call(alice, 'POST', '/api/v1/connections/prod-db/token', {})).body;
    const known = await house.native(user, 'prod-db', token);
    known.say('say one');
    expect(await known.line()).toBe('say one');
    const idle = [];
    for (let i = 0; i < 8; i++) idle.push(await stranger(house));
    await Promise.all(idle.slice(0, 5).map(({ closed }) => closed));
    // Who comes now is let in, however many hold connections open.
    const late = await house.native(user, 'prod-db', token);
    late.say('say late');
    expect(await late.line()).toBe('say late');
    known.say('say two');
    expect(await known.line()).toBe('say two');
    expect(house.log.filter(({ message }) => message.includes('turned away'))).toHaveLength(1);
    late.end();
    known.end();
  });

  it('of the address that has the most: others have nothing of its flood', async () => {
    const house = await open({ unauthenticated_connections: 3 });
    const other = await stranger(house, house.gateway.native.lines!, '127.0.0.2');
    let gone = false;
    void other.closed.then(() => {
      gone = true;
    });
    const idle = [];
    for (let i = 0; i < 8; i++) idle.push(await stranger(house));
    await Promise.all(idle.slice(0, 6).map(({ closed }) => closed));
    expect(gone).toBe(false);
  });
});

describe('sessions', () => {
  it('of one principal are counted, agents with their person', async () => {
    const house = await open({ sessions_per_principal: 2 });
    const alice = await house.person('alice', ['dev']);
    const agent = await house.person('alice', ['dev'], 'claude');
    const bob = await house.person('bob', ['dev']);
    const speak = async (token: string) => {
      const client = await house.tunnel(token, 'prod-db');
      client.say('say hello');
      return { client, said: await client.line() };
    };
    const first = await speak(alice);
    expect((await speak(agent)).said).toBe('say hello');
    expect((await speak(alice)).said).toBe('ERROR limit_exceeded');
    expect((await speak(bob)).said).toBe('say hello');
    first.client.end();
    await until(async () => {
      const next = await speak(alice);
      next.client.end();
      return next.said === 'say hello';
    });
  });
});

describe('tunnels in reserve', () => {
  it('of one principal are counted, until they are used or closed', async () => {
    const house = await open({ unused_tunnels_per_principal: 2 });
    const alice = await house.person('alice', ['dev']);
    const first = await house.tunnel(alice, 'prod-db');
    await house.tunnel(alice, 'prod-db');
    await expect(house.tunnel(alice, 'prod-db')).rejects.toMatchObject({ code: 'limit_exceeded' });
    await house.tunnel(await house.person('bob', ['dev']), 'prod-db');
    first.say('say hello');
    expect(await first.line()).toBe('say hello');
    const third = await house.tunnel(alice, 'prod-db');
    await expect(house.tunnel(alice, 'prod-db')).rejects.toMatchObject({ code: 'limit_exceeded' });
    third.end();
    await until(() =>
      house.tunnel(alice, 'prod-db').then(
        () => true,
        () => false,
      ),
    );
  });
});

describe('clients of the HTTPS listener that have not said who they are', () => {
  it('are counted: when one comes too many, the one that is unknown for longest goes, and nobody who is known', async () => {
    const house = await open({ unauthenticated_connections: 3 });
    const alice = await house.person('alice', ['dev']);
    const known = await house.tunnel(alice, 'prod-db');
    known.say('say one');
    expect(await known.line()).toBe('say one');
    const idle = [];
    for (let i = 0; i < 8; i++) idle.push(await stranger(house, house.gateway.address));
    await Promise.all(idle.slice(0, 5).map(({ closed }) => closed));
    known.say('say two');
    expect(await known.line()).toBe('say two');
    expect((await house.call(undefined, 'GET', '/healthz')).status).toBe(200);
    expect(house.log.filter(({ message }) => message.includes('turned away'))).toHaveLength(1);
    known.end();
  });
});

describe('/metrics', () => {
  const scrape = (house: House, headers: Record<string, string> = {}) =>
    house.call(undefined, 'GET', '/metrics', undefined, headers).then(({ status }) => status);

  it('are for this machine, and for admins and auditors from anywhere', async () => {
    const house = await House.open({ roles: { auditor: { groups: ['audit'] } } });
    houses.push(house);
    expect(await scrape(house)).toBe(200);
    const elsewhere = { 'x-forwarded-for': '203.0.113.9' };
    expect(await scrape(house, elsewhere)).toBe(401);
    const bearer = async (name: string, group: string) => `Bearer ${await house.person(name, [group])}`;
    expect(await scrape(house, { ...elsewhere, authorization: await bearer('alice', 'dev') })).toBe(403);
    expect(await scrape(house, { ...elsewhere, authorization: await bearer('eve', 'audit') })).toBe(200);
  });

  it('are for whoever has their token, or for all, where the configuration says so', async () => {
    const house = await House.open({ metrics: { token: 'env:TARGET_PASSWORD' } });
    houses.push(house);
    expect(await scrape(house)).toBe(401);
    expect(await scrape(house, { authorization: 'Bearer hunter3' })).toBe(401);
    expect(await scrape(house, { authorization: 'Bearer hunter2' })).toBe(200);
    house.configure({ metrics: { open: true } });
    await house.gateway.reload();
    expect(await scrape(house, { 'x-forwarded-for': '203.0.113.9' })).toBe(200);
  });
});

describe('/metrics with a token that cannot be read', () => {
  it('are still for admins and auditors, and for nobody else', async () => {
    const house = await House.open({
      roles: { auditor: { groups: ['audit'] } },
      metrics: { token: 'file:/nowhere/at/all' },
    });
    houses.push(house);
    const scrape = (token: string) =>
      house.call(undefined, 'GET', '/metrics', undefined, { authorization: `Bearer ${token}` });
    const refused = await scrape('x');
    expect([refused.status, JSON.stringify(refused)]).toEqual([401, expect.not.stringContaining('/nowhere')]);
    expect((await scrape(await house.person('eve', ['audit']))).status).toBe(200);
    expect(house.log.filter(({ message }) => message.includes('token of /metrics'))).toHaveLength(1);
  });
});

describe('logins', () => {
  it('can be begun so often a minute by one address, and their pages looked at', async () => {
    const house = await open({ logins_per_minute: 2 });
    const begin = (path = '/oidc/device/auth') => house.form(path, { client_id: 'hoopctl', scope: 'openid' });
    expect([(await begin()).status, (await begin()).status]).toEqual([200, 200]);
    const refused = await begin();
    expect(refused).toMatchObject({ status: 429, body: { error: 'slow_down' } });
    const page = async (path = '/oidc/device') => (await house.call(undefined, 'GET', path)).status;
    expect([await page(), await page(), await page()]).toEqual([200, 200, 429]);
    // The provider takes these for the same.
    for (const other of ['/oidc/device/auth/', '/oidc/DEVICE/Auth', '/oidc/device/auth/?x'])
      expect([other, (await begin(other)).status]).toEqual([other, 429]);
    expect([await page('/oidc/Device'), await page('/oidc/device/')]).toEqual([429, 429]);
  });
});

describe('a credential that a command prints', () => {
  it('has the time that limits.credentials_exec_ms gives it', async () => {
    const house = await open({ credentials_exec_ms: 50 });
    const target = { host: '127.0.0.1', port: house.targetPort };
    house.configure({
      limits: { credentials_exec_ms: 50 },
      connections: {
        'prod-db': { protocol: 'lines', target, credentials: { user: 'app', password: 'exec:sleep 20' } },
        'guarded-db': { protocol: 'lines', target, credentials: { user: 'app', password: 'env:TARGET_PASSWORD' } },
        'hidden-db': { protocol: 'lines', target, credentials: { user: 'app', password: 'env:TARGET_PASSWORD' } },
      },
    });
    expect(await house.gateway.reload()).toBe(true);
    const alice = await house.person('alice', ['dev']);
    const { token, user } = (await house.call(alice, 'POST', '/api/v1/connections/prod-db/token', {})).body;
    const client = await house.native(user, 'prod-db', token);
    expect(await client.line()).toMatch(/credentials_unavailable/);
    expect(JSON.stringify(house.log)).toContain('longer than 50 ms (credentials_exec_ms)');
  });
});
