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

async function stranger(house: House): Promise<{ socket: Socket; closed: Promise<unknown> }> {
  const { host, port } = house.gateway.native.lines!;
  const socket = connect({ host, port });
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
    const house = await open({ handshake_ms: 150 });
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

  it('are counted: one more is turned away, and there is room again when one goes', async () => {
    const house = await open({ unauthenticated_connections: 2 });
    const [first] = [await stranger(house), await stranger(house)];
    await (await stranger(house)).closed;
    first!.socket.destroy();
    await until(async () => {
      const next = await stranger(house);
      const turnedAway = await Promise.race([
        next.closed.then(() => true),
        new Promise((r) => setTimeout(r, 50, false)),
      ]);
      return turnedAway === false;
    });
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
