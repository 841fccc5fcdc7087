import { connect, createServer, type Socket } from 'node:net';
import { endianness } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { ownerOf } from '../../../src/client/owner.ts';

const opened: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

/** As a listener sees it: only addresses count. */
function socket(remoteAddress: string, remotePort: number, localAddress: string, localPort: number): Socket {
  return { remoteAddress, remotePort, localAddress, localPort } as Socket;
}

function line(local: string, remote: string, user: number, inode: number): string {
  return `   1: ${local} ${remote} 01 00000000:00000000 00:00000000 00000000 ${String(user).padStart(5)}        0 ${inode} 1 0\n`;
}

describe.runIf(process.platform === 'linux')('the owner of a socket', () => {
  it.each(['127.0.0.1', '127.8.9.10', '::1'])('is found at %s', async (host) => {
    const server = createServer();
    opened.push(server);
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const came = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const client = connect((server.address() as { port: number }).port, host);
    const peer = await came;
    opened.push({ close: () => client.destroy() }, { close: () => peer.destroy() });
    expect(ownerOf(peer)).toBe(process.getuid!());
  });
});

describe.runIf(endianness() === 'LE')('the lists of sockets', () => {
  const [mine, theirs] = ['0100007F:1F90', '0100007F:C350'];
  const peer = socket('127.0.0.1', 50_000, '127.0.0.1', 8080);
  const found = (tcp: string, tcp6 = '') => ownerOf(peer, (list) => (list === 'tcp' ? tcp : tcp6));

  it('tell of the other end, not of ours', () => {
    expect(found(line(mine, theirs, 7, 5) + line(theirs, mine, 1000, 6))).toBe(1000);
    expect(found(line(mine, theirs, 7, 5))).toBeUndefined();
  });

  it('say 0 of a socket that is closed, which is nobody', () => {
    expect(found(line(theirs, mine, 0, 0))).toBeUndefined();
    expect(found(line(theirs, mine, 0, 9))).toBe(0);
  });

  it('have a socket of IPv6 at an IPv4 address among its own kind', () => {
    const mapped = (end: string) => `0000000000000000FFFF0000${end}`;
    expect(found('', line(mapped(theirs), mapped(mine), 1001, 6))).toBe(1001);
  });

  it('are read again where one is missing: they change meanwhile', () => {
    let reads = 0;
    const read = (list: string) => (list === 'tcp' && ++reads === 2 ? line(theirs, mine, 1000, 6) : '');
    expect(ownerOf(peer, read)).toBe(1000);
  });

  it('may not be there', () => {
    expect(found('')).toBeUndefined();
    expect(ownerOf({} as Socket)).toBeUndefined();
  });
});
