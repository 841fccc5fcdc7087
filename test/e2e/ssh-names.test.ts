// What is asked for over SSH under another name than rules know it by: a NUL behind it, which a host drops, segments that lead
// nowhere, a port beyond the last. It is the same place, or none.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { sshConnectionTo } from '../support/ssh.ts';
import { bytes, directTcpip, exec, openMessage, RawSsh, request, string, uint32 } from '../support/ssh-raw.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';

describeWith(['sshd'], 'ssh: what is asked for under another name', () => {
  const places = createServer((socket) => socket.end('reached'));
  const sockets = createServer((socket) => socket.end('reached'));
  let port = 0;
  let path = '';
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let connected: Connected;
  beforeAll(async () => {
    sshd = await startSshd();
    path = join(sshd.directory, 'socket');
    await Promise.all([once(places.listen(0, '127.0.0.1'), 'listening'), once(sockets.listen(path), 'listening')]);
    port = (places.address() as AddressInfo).port;
    gateway = await startGateway({
      config: {
        connections: {
          host: sshConnectionTo(sshd, { options: { allow: ['subsystems'] } }),
          open: sshConnectionTo(sshd, { options: { allow: ['subsystems'] } }),
        },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        rules: [
          { name: 'forwards', to: { names: ['host'] }, when: { does: ['forward', 'forward-unix'] }, then: 'allow' },
          { name: 'not-there', to: { names: ['host'] }, when: { places: [`127.0.0.1:${port}`, path] }, then: 'deny' },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    connected = await alice.connect(['host', 'open']);
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    await sshd?.stop();
    places.close();
    sockets.close();
  });

  /** What comes through a channel of that kind, or why none does. */
  async function asked(name: string, type: string, rest: Buffer): Promise<string> {
    const client = await RawSsh.connect(connected.ports[name]!);
    client.send(openMessage(1, 100_000, type, rest));
    for (;;) {
      const message = await client.next();
      if (message[0] !== 94 && message[0] !== 92) continue;
      client.destroy();
      return message.subarray(9).toString('latin1');
    }
  }
  const socket = (at: string) => bytes(string(at), string(''), uint32(0));

  it('without rules the places are reached', async () => {
    expect(await asked('open', 'direct-tcpip', directTcpip('127.0.0.1', port))).toBe('reached');
    expect(await asked('open', 'direct-streamlocal@openssh.com', socket(path))).toBe('reached');
    expect(await asked('open', 'direct-streamlocal@openssh.com', socket(path.replace('/socket', '/./socket')))).toBe(
      'reached',
    );
  });

  it.each([
    ['host', 'a NUL', '127.0.0.1\0', 0],
    ['open', 'a NUL', '127.0.0.1\0', 0],
    ['open', 'a port beyond the last', '127.0.0.1', 65_536],
  ])('on connection %s an address with %s is none', async (name, _, host, more) => {
    const told = await asked(name, 'direct-tcpip', directTcpip(host, port + more));
    expect(told).toMatch(/hoopctl: (a channel of type "direct-tcpip" is refused|\d+ is no port)/);
  });

  it.each([
    ['a NUL behind it', () => `${path}\0`, 'is refused'],
    ['a segment of a dot', () => path.replace('/socket', '/./socket'), 'not-there'],
    ['an empty segment', () => `/${path}`, 'not-there'],
    ['a way there and back', () => path.replace('/socket', '/account/../socket'), 'is refused'],
  ])('a socket with %s', async (_, at, why) => {
    expect(await asked('host', 'direct-streamlocal@openssh.com', socket(at()))).toContain(why);
  });

  describe.each(['host', 'open'])('on connection %s', (name) => {
    it('a command with a NUL behind it is refused', async () => {
      const client = await RawSsh.connect(connected.ports[name]!);
      expect(await exec(client, 1, 'echo ran\0')).toEqual({ ok: false, told: expect.stringContaining('NUL') });
      client.destroy();
    });

    it('sftp is no subsystem that nobody inspects', async () => {
      const client = await RawSsh.connect(connected.ports[name]!);
      const channel = (await client.open(1))!;
      client.send(request(channel, 'subsystem', string('sftp\0')), bytes(94, uint32(channel), string(version())));
      const kinds: number[] = [];
      while (kinds.at(-1) !== 97) kinds.push((await client.next())[0]!);
      expect(kinds).not.toContain(94);
      client.destroy();
    });
  });
});

function version(): Buffer {
  return string(bytes(1, uint32(3)));
}
