import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refuse } from '../../../src/tunnel/accept.ts';
import { TunnelDialer } from '../../../src/tunnel/dial.ts';
import { freePort } from '../../support/process.ts';
import { certificatesInMemory, type FakeGateway, fakeGateway } from './gateway.ts';

let gateway: FakeGateway;

beforeEach(async () => {
  gateway = await fakeGateway();
});

afterEach(() => gateway.close());

function dial(options: { url?: string; ca?: string | undefined; timeoutMs?: number } = {}, renewals: boolean[] = []) {
  const dialer = new TunnelDialer({
    url: gateway.url,
    ca: gateway.ca,
    headers: async ({ renew }) => {
      renewals.push(renew);
      return { Authorization: `Bearer ${renew ? 'new' : 'old'}` };
    },
    ...options,
  });
  return dialer.dial('prod/db');
}

function answer(status: number, body: object): void {
  gateway.intercept = (_, socket) => {
    refuse(socket, status, body);
    return true;
  };
}

describe('a tunnel that the gateway refuses', () => {
  it.each([
    [401, { code: 'principal_revoked', message: 'alice is shut out', next: 'ask' }, 'principal_revoked'],
    [403, { code: 'grant_needed', message: 'needs a grant', next: 'request one' }, 'grant_needed'],
    [403, { code: 'access_denied', message: 'no access', next: 'ask', rule: 'office-hours' }, 'access_denied'],
    [404, { code: 'no_such_connection', message: "no connection 'prod/db'", next: 'ls' }, 'no_such_connection'],
  ])('with %i says what the gateway said', async (status, error, code) => {
    answer(status, { error });
    await expect(dial()).rejects.toMatchObject({ code, message: error.message, fix: error.next });
  });

  it('is judged by its status when the answer is not ours', async () => {
    answer(403, { hello: 'I am a proxy' });
    await expect(dial()).rejects.toMatchObject({ code: 'access_denied', message: expect.stringContaining('403') });
    answer(502, {});
    await expect(dial()).rejects.toMatchObject({ code: 'gateway_error', fault: 'peer' });
  });

  it('for its token gets a new one, once', async () => {
    const renewals: boolean[] = [];
    gateway.intercept = (request, socket) => {
      if (request.headers.authorization === 'Bearer new') return false;
      refuse(socket, 401, { error: { code: 'token_expired', message: 'token has expired' } });
      return true;
    };
    (await dial({}, renewals)).stream.destroy();
    expect(renewals).toEqual([false, true]);
    answer(401, { error: { code: 'token_invalid', message: 'token is not valid' } });
    await expect(dial({}, renewals)).rejects.toMatchObject({ code: 'token_invalid', fix: "run 'hoopctl login'" });
    expect(renewals.length).toBe(4);
  });

  it('asks for the connection by its name, encoded', async () => {
    (await dial()).stream.destroy();
    expect(gateway.requests[0]!.url).toBe('/api/v1/connections/prod%2Fdb/tunnel');
  });
});

describe('a gateway that cannot be reached or trusted', () => {
  it('is unreachable when nothing listens', async () => {
    const port = await freePort();
    await expect(dial({ url: `https://127.0.0.1:${port}` })).rejects.toMatchObject({ code: 'gateway_unreachable' });
  });

  it('is unreachable when it does not answer in time', async () => {
    gateway.intercept = () => true;
    await expect(dial({ timeoutMs: 50 })).rejects.toMatchObject({
      code: 'gateway_unreachable',
      message: expect.stringContaining('no answer within 50 ms'),
    });
  });

  it('has an unknown certificate when nothing was pinned, and a changed one when another was', async () => {
    await expect(dial({ ca: undefined })).rejects.toMatchObject({ code: 'gateway_certificate_unknown' });
    const { ca } = await certificatesInMemory();
    await expect(dial({ ca })).rejects.toMatchObject({ code: 'gateway_certificate_changed' });
  });

  it('has an invalid certificate when it is for another name', async () => {
    const dialer = new TunnelDialer({
      url: gateway.url,
      ca: gateway.ca,
      servername: 'gw.example.com',
      headers: async () => ({}),
    });
    await expect(dialer.dial('db')).rejects.toMatchObject({ code: 'gateway_certificate_invalid' });
  });

  it('is no gateway when it upgrades to something else', async () => {
    gateway.intercept = (_, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
      return true;
    };
    await expect(dial()).rejects.toMatchObject({ code: 'gateway_error' });
  });
});

describe('an upgrade that is none of ours', () => {
  it.each([
    ['no subprotocol', 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'],
    ['an old version', 'Sec-WebSocket-Version: 8\r\nSec-WebSocket-Protocol: hoopctl.tunnel.v1\r\n'],
    ['no key', 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: hoopctl.tunnel.v1\r\n'],
  ])('is not accepted: %s', async (_, headers) => {
    const { checkUpgrade } = await import('../../../src/tunnel/accept.ts');
    const { createServer } = await import('node:http');
    const server = createServer();
    const seen = new Promise((resolve) => {
      server.on('upgrade', (request, socket) => {
        resolve(checkUpgrade(request));
        refuse(socket, 400, {});
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    connect(port, '127.0.0.1').end(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${headers}\r\n`,
    );
    expect(await seen).toMatchObject({ code: 'protocol_violation' });
    server.close();
  });
});
