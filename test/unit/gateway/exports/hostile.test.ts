// Receivers that are slow, broken or somebody else: each ends in time, with an error that is told or with the events taken,
// and none of them gets what is for another.

import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/core/clock.ts';
import { openDestination } from '../../../../src/gateway/exports/open.ts';
import { exportsSchema } from '../../../../src/gateway/exports/schema.ts';
import type { ExportEvent } from '../../../../src/session/export/event.ts';
import { type CertificateFiles, makeCertificates } from '../../../support/certificates.ts';
import { temporaryDirectory } from '../../../support/process.ts';

/** Of a receiver that is to be given up, and of one that is to be heard out on a busy machine. */
const [SHORT_MS, LONG_MS] = [500, 60_000];
const patience = (due: string | RegExp) => (String(due).includes('too long') ? SHORT_MS : LONG_MS);
let files: CertificateFiles;
beforeAll(async () => {
  files = await makeCertificates(temporaryDirectory('hostile'));
});

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Speaks to each connection after its request's first bytes; returns the port. */
async function server(speak: (socket: Socket) => void, tls = false): Promise<number> {
  const heard = (socket: Socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', () => speak(socket));
  };
  const keys = tls ? { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) } : undefined;
  const made = keys === undefined ? createServer({ allowHalfOpen: true }, heard) : createTlsServer(keys, heard);
  made.on('tlsClientError', () => {});
  servers.push(made);
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  return (made.address() as AddressInfo).port;
}

function destination(one: object, timeoutMs = LONG_MS) {
  const [parsed] = exportsSchema.parse([{ name: 'out', ...one }]);
  return openDestination(parsed!, undefined, {
    product: { version: '1', gateway: 'https://gw', datastore: () => true },
    read: async () => 'secret',
    clock: systemClock,
    version: '1',
    timeoutMs: () => timeoutMs,
    eventBytes: Number.POSITIVE_INFINITY,
    rejected: () => {},
  });
}

const EVENT: ExportEvent = {
  ...{ id: 'log:1', from: 'log', at: '2026-11-20T07:00:00.000Z', kind: 'login', name: 'log.login' },
  ...{ session: undefined, number: 1, sequence: 1, opening: undefined, fields: { text: 'x'.repeat(5_000_000) } },
};
const never = new AbortController().signal;
const head = (status: string, ...lines: string[]) => [`HTTP/1.1 ${status}`, ...lines, '', ''].join('\r\n');
const endless = (socket: Socket, text: string) => {
  const more = () => {
    while (!socket.destroyed && socket.write(text));
    socket.once('drain', more);
  };
  more();
};

describe('an HTTP receiver', () => {
  const taken = 'taken';
  it.each<[string, (socket: Socket) => void, string | RegExp, (string | RegExp)?]>([
    ['never answers', () => {}, /it took too long/],
    ['reads nothing', (socket) => socket.pause(), /it took too long/],
    ['closes its half', (socket) => socket.end(), /it cannot be reached: UND_ERR_SOCKET|ECONNRESET/],
    ['resets', (socket) => socket.resetAndDestroy(), /it cannot be reached: (UND_ERR_SOCKET|ECONNRESET|EPIPE)/],
    ['speaks no HTTP', (socket) => socket.end('220 smtp ready\r\n'), /it cannot be reached: Response does not match/],
    [
      'has headers without end',
      (socket) => endless(socket, `${head('200 OK').slice(0, -4)}\r\nx: y`),
      /cannot be reached/,
    ],
    [
      'says to wait without end',
      (socket) => endless(socket, head('102 Processing')),
      /it took too long|cannot be reached/,
    ],
    [
      'has an answer without end',
      (socket) => endless(socket, head('200 OK', 'content-type: x') + 'y'.repeat(4096)),
      taken,
    ],
    [
      'answers a no without end',
      (socket) => endless(socket, head('500 No', 'content-type: x') + 'y'.repeat(4096)),
      /status 500/,
    ],
    [
      'begins an answer',
      (socket) => socket.write(`${head('200 OK', 'content-length: 10')}{`),
      taken,
      /it took too long/,
    ],
    [
      'says yes with no JSON',
      (socket) => socket.end(`${head('200 OK', 'content-length: 3', 'connection: close')}<x>`),
      taken,
    ],
    [
      'says yes with null',
      (socket) => socket.end(`${head('200 OK', 'content-length: 4', 'connection: close')}null`),
      taken,
    ],
  ])('that %s', async (_, speak, hook, otlp = hook) => {
    const url = `http://127.0.0.1:${await server(speak)}/`;
    for (const [to, due] of [
      ['webhook', hook],
      ['otlp', otlp],
    ] as const) {
      const one = destination({ to, url, ...(to === 'webhook' ? { secret: 'env:X' } : {}) }, patience(due));
      const sent = one.send([EVENT], never).then(
        () => taken,
        ({ message }: Error) => message,
      );
      expect([to, await sent]).toEqual([to, expect.stringMatching(due)]);
      await one.close();
    }
  });

  it('that sends elsewhere is not followed there', async () => {
    let elsewhere = 0;
    const other = await server(() => {
      elsewhere += 1;
    });
    const moved = head('307 Elsewhere', `location: http://127.0.0.1:${other}/`, 'content-length: 0');
    const url = `http://127.0.0.1:${await server((socket) => socket.write(moved))}/`;
    const one = destination({ to: 'webhook', url, secret: 'env:X' });
    await expect(one.send([EVENT], never)).rejects.toMatchObject({ refused: false, message: /status 307/ });
    expect(elsewhere).toBe(0);
  });
});

describe('a receiver by TLS', () => {
  it('that is somebody else gets nothing', async () => {
    let heard = 0;
    const port = await server(() => {
      heard += 1;
    }, true);
    const { caFile } = files;
    for (const one of [
      // No authority that is trusted; then another name than it has.
      { to: 'syslog', address: `127.0.0.1:${port}` },
      { to: 'syslog', address: `127.0.0.1:${port}`, serverName: 'siem.example.com', caFile },
      { to: 'otlp', url: `https://127.0.0.1:${port}/` },
      { to: 'webhook', url: `https://127.0.0.1:${port}/`, secret: 'env:X' },
    ]) {
      const to = destination(one);
      await expect(to.send([EVENT], never)).rejects.toThrow(
        /it cannot be reached: (SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|ERR_TLS_CERT_ALTNAME_INVALID)/,
      );
      await to.close();
    }
    expect(heard).toBe(0);
  });

  it('that takes a connection and reads nothing, or speaks no TLS, ends in time', async () => {
    const { caFile } = files;
    const quiet = await server((socket) => socket.pause(), true);
    const plain = await server((socket) => socket.end('hello\n'));
    const silent = await server(() => {});
    for (const [port, why] of [
      [quiet, /it took too long/],
      [plain, /it cannot be reached/],
      [silent, /it took too long/],
    ] as const) {
      const more = { serverName: 'localhost', caFile, maxBytes: 2 ** 20 };
      const to = destination({ to: 'syslog', address: `localhost:${port}`, ...more }, patience(String(why)));
      const many = Array.from({ length: 40 }, () => EVENT);
      await expect(to.send(many, never)).rejects.toThrow(why);
      await to.close();
    }
  });
});
