import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DeliveryError } from '../../../../src/gateway/exports/destination.ts';
import { ConfirmedSyslog } from '../../../../src/gateway/exports/syslog.ts';
import type { ExportEvent } from '../../../../src/session/export/event.ts';
import { framed } from '../../../../src/session/export/syslog.ts';
import { type CertificateFiles, makeCertificates } from '../../../support/certificates.ts';
import { until } from '../../../support/gateway-house.ts';
import { temporaryDirectory } from '../../../support/process.ts';

let files: CertificateFiles;
beforeAll(async () => {
  files = await makeCertificates(temporaryDirectory('syslog'));
});

let server: Server;
/** Below TLS: what a process that dies leaves. */
let sockets: Socket[];
let got: string;
/** What the receiver does when the gateway has closed. */
let atEnd: (socket: TLSSocket) => void;

async function listen(): Promise<number> {
  sockets = [];
  got = '';
  const options = { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile), allowHalfOpen: true };
  server = createServer(options, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString();
    });
    socket.on('end', () => atEnd(socket));
  });
  server.on('connection', (socket) => sockets.push(socket));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function destination(port: number, timeoutMs = 5000): ConfirmedSyslog {
  const target = { host: '127.0.0.1', port, serverName: '127.0.0.1', ca: readFileSync(files.caFile) };
  return new ConfirmedSyslog({
    target: async () => ({ ...target, cert: undefined, key: undefined }),
    frame: ({ id }) => framed(id),
    timeoutMs: () => timeoutMs,
  });
}

const events = (...ids: string[]) => ids.map((id) => ({ id }) as ExportEvent);
const never = new AbortController().signal;

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

describe('a confirmation by syslog', () => {
  it('is the receiver closing after us, with another connection that lives on and is used from then on', async () => {
    atEnd = (socket) => socket.end();
    const syslog = destination(await listen());
    await syslog.send(events('log:0', 'log:1'), never);
    await syslog.confirm(never);
    expect(got).toBe('5 log:05 log:1');
    await syslog.send(events('log:2'), never);
    await until(() => got.endsWith('log:2'));
    expect(sockets).toHaveLength(2);
    await syslog.close();
  });

  it('is none where the receiver died: all its connections end', async () => {
    atEnd = () => {
      for (const socket of sockets) socket.destroy();
    };
    const syslog = destination(await listen());
    await syslog.send(events('log:0'), never);
    await expect(syslog.confirm(never)).rejects.toThrow(DeliveryError);
  });

  it('is none where the receiver does not close in time, or resets', async () => {
    atEnd = () => {};
    const syslog = destination(await listen(), 300);
    await syslog.send(events('log:0'), never);
    await expect(syslog.confirm(never)).rejects.toThrow('it took too long');
    atEnd = () => {
      for (const socket of sockets) socket.resetAndDestroy();
    };
    await syslog.send(events('log:0'), never);
    await expect(syslog.confirm(never)).rejects.toThrow(DeliveryError);
  });

  it('is none where the connection broke before', async () => {
    atEnd = (socket) => socket.end();
    const syslog = destination(await listen());
    await syslog.send(events('log:0'), never);
    await until(() => got !== '');
    for (const socket of sockets) socket.destroy();
    await expect(syslog.confirm(never)).rejects.toThrow(DeliveryError);
  });
});

describe('a receiver of syslog', () => {
  it('has to have a certificate of the authority that is trusted', async () => {
    atEnd = (socket) => socket.end();
    const port = await listen();
    const other = await makeCertificates(temporaryDirectory('syslog-other'));
    const target = { host: '127.0.0.1', port, serverName: '127.0.0.1', ca: readFileSync(other.caFile) };
    const syslog = new ConfirmedSyslog({
      target: async () => ({ ...target, cert: undefined, key: undefined }),
      frame: ({ id }) => framed(id),
      timeoutMs: () => 5000,
    });
    await expect(syslog.send(events('log:0'), never)).rejects.toThrow(/UNABLE_TO_VERIFY|CERT_SIGNATURE|SELF_SIGNED/);
    expect(got).toBe('');
  });
});

afterAll(() => server.close());
