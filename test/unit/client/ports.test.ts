import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listenFor, PortMemory, STABLE_PORTS, stablePort } from '../../../src/client/ports.ts';
import { freePort, removeDirectory, temporaryDirectory } from '../../support/process.ts';

let directory: string;
let file: string;
const servers: Server[] = [];

beforeEach(() => {
  directory = temporaryDirectory('ports');
  file = join(directory, 'deep', 'ports.json');
});

afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  removeDirectory(directory);
});

function listening(connection: string, port: number | undefined, memory: PortMemory | undefined): Promise<number> {
  const server = createServer();
  servers.push(server);
  return listenFor(server, { connection, host: '127.0.0.1', port, memory });
}

describe('the stable port of a connection', () => {
  it('follows from its name alone and stays in its range', () => {
    expect(stablePort('prod-db')).toBe(stablePort('prod-db'));
    const ports = new Set<number>();
    for (let i = 0; i < 500; i++) {
      const port = stablePort(`db-${i}`);
      expect(port).toBeGreaterThanOrEqual(STABLE_PORTS.first);
      expect(port).toBeLessThanOrEqual(STABLE_PORTS.last);
      ports.add(port);
    }
    expect(ports.size).toBeGreaterThan(450);
  });

  it('is the one it had before, also for a connection whose first choice was taken', async () => {
    const memory = new PortMemory(file, 'https://gw');
    const name = `db-${await freePort()}`;
    const blocker = await listening('other', stablePort(name), undefined);
    const given = await listening(name, undefined, memory);
    expect(given).not.toBe(blocker);
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    expect(await listening(name, undefined, new PortMemory(file, 'https://gw'))).toBe(given);
  });

  it('moves on while the remembered one is taken, without forgetting it', async () => {
    const memory = new PortMemory(file, 'https://gw');
    const name = `db-${await freePort()}`;
    const first = await listening(name, undefined, memory);
    const second = await listening(name, undefined, memory);
    expect(second).not.toBe(first);
    expect(memory.get(name)).toBe(first);
  });

  it('is not one that another connection has been given', async () => {
    const name = `db-${await freePort()}`;
    new PortMemory(file, 'https://gw').remember('squatter', stablePort(name));
    expect(await listening(name, undefined, new PortMemory(file, 'https://gw'))).not.toBe(stablePort(name));
  });

  it('is computed anew when the memory cannot be read', async () => {
    const broken = join(directory, 'ports.json');
    writeFileSync(broken, '{"https://gw":{"db":"many"}}');
    expect(new PortMemory(broken, 'https://gw').get('db')).toBeUndefined();
    writeFileSync(broken, 'not json');
    expect(new PortMemory(broken, 'https://gw').get('db')).toBeUndefined();
  });

  it('is kept apart for each gateway in one file', () => {
    new PortMemory(file, 'https://a').remember('db', 21_000);
    new PortMemory(file, 'https://b').remember('db', 22_000);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      'https://a': { db: 21_000 },
      'https://b': { db: 22_000 },
    });
  });
});

describe('a port that the user named', () => {
  it('is used or is an error that says what to do', async () => {
    const port = await freePort();
    expect(await listening('db', port, undefined)).toBe(port);
    await expect(listening('db', port, undefined)).rejects.toMatchObject({
      code: 'port_taken',
      message: `cannot listen on 127.0.0.1:${port} for 'db': the port is taken`,
      fix: expect.stringContaining('db=PORT'),
    });
  });

  it('is any free one for 0, and is not remembered', async () => {
    const memory = new PortMemory(file, 'https://gw');
    expect(await listening('db', 0, memory)).toBeGreaterThan(0);
    expect(memory.get('db')).toBeUndefined();
  });
});
