// Reads of a target that sends faster than its bytes are dealt with: others have their turn in between.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Log } from '../../../src/core/log.ts';
import type { Upstream } from '../../../src/protocol/contract.ts';
import { dialTcp } from '../../../src/target/dial.ts';

const BYTES = 2 * 1024 * 1024;
const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
let server: Server;

beforeAll(async () => {
  server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(Buffer.alloc(BYTES));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => server.close());

function dial(): Promise<Upstream> {
  const { port } = server.address() as AddressInfo;
  return dialTcp({ connection: 'x', host: '127.0.0.1', port }, new AbortController().signal, { log });
}

describe('reads', () => {
  it('that take long are one a turn of the event loop', async () => {
    const upstream = await dial();
    let turn = 0;
    let over = false;
    const next = () => {
      turn++;
      if (!over) setImmediate(next);
    };
    const turns: number[] = [];
    let bytes = 0;
    await new Promise<void>((resolve) => {
      upstream.onEnd = () => resolve();
      next();
      upstream.onData = (chunk) => {
        turns.push(turn);
        bytes += chunk.length;
        const begun = performance.now();
        while (performance.now() - begun < 12);
      };
    });
    over = true;
    upstream.destroy();
    expect(bytes).toBe(BYTES);
    expect(turns.length).toBeGreaterThan(10);
    expect(new Set(turns).size).toBe(turns.length);
  });

  it('do not go on for one that was paused meanwhile', async () => {
    const upstream = await dial();
    let bytes = 0;
    let paused = false;
    let tooEarly = 0;
    const ended = new Promise<void>((resolve) => {
      upstream.onEnd = () => resolve();
    });
    upstream.onData = (chunk) => {
      if (paused) tooEarly++;
      bytes += chunk.length;
      const begun = performance.now();
      while (performance.now() - begun < 12);
      paused = true;
      upstream.pause();
      let left = 5;
      const wait = () => {
        if (--left > 0) {
          setImmediate(wait);
          return;
        }
        paused = false;
        upstream.resume();
      };
      setImmediate(wait);
    };
    await ended;
    upstream.destroy();
    expect([bytes, tooEarly]).toEqual([BYTES, 0]);
  });
});
