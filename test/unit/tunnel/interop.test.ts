// Against `ws`, which others wrote: our half has to be a WebSocket to it, whichever half that is.

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { TunnelDialer } from '../../../src/tunnel/dial.ts';
import { eventually } from '../../support/process.ts';
import { certificatesInMemory, echo, fakeGateway } from './gateway.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

describe('the tunnel is a WebSocket', () => {
  it('to a client that is not ours: masked with random keys, pinging, closing', async () => {
    const gateway = await fakeGateway(echo);
    cleanups.push(gateway.close);
    const ws = new WebSocket(`${gateway.url.replace('https', 'wss')}/x`, 'hoopctl.tunnel.v1', { ca: gateway.ca });
    cleanups.push(() => ws.terminate());
    const got: Buffer[] = [];
    let pongs = 0;
    ws.on('message', (data: Buffer, binary) => binary && got.push(data));
    ws.on('pong', () => pongs++);
    await new Promise((resolve) => ws.once('open', resolve));
    const sent = randomBytes(300_000);
    for (let at = 0; at < sent.length; at += 70_001) ws.send(sent.subarray(at, at + 70_001), { binary: true });
    await eventually('the echo', () => Buffer.concat(got).equals(sent));
    ws.ping('are you there');
    await eventually('the pong', () => pongs === 1);
    const closed = new Promise((resolve) => ws.once('close', resolve));
    ws.close(1000);
    expect(await closed).toBe(1000);
    expect(await gateway.tunnels[0]!.closed).toBeUndefined();
  });

  it('to a server that is not ours', async () => {
    const certificates = await certificatesInMemory();
    const server = createServer({ cert: certificates.cert, key: certificates.key });
    const sockets = new WebSocketServer({ server, handleProtocols: () => 'hoopctl.tunnel.v1' });
    sockets.on('connection', (ws) => {
      ws.on('message', (data, binary) => ws.send(data, { binary }));
      ws.ping();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => server.close());
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const dialer = new TunnelDialer({ url, ca: certificates.ca, headers: async () => ({}) });
    const { stream, closed } = await dialer.dial('db');
    const got: Buffer[] = [];
    stream.onData = (chunk) => got.push(Buffer.from(chunk));
    const sent = randomBytes(200_000);
    stream.write(sent);
    await eventually('the echo', () => Buffer.concat(got).equals(sent));
    for (const ws of sockets.clients) ws.close(1000);
    expect(await closed).toBeUndefined();
  });
});
