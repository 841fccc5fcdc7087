import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limit } from '../../../src/core/limits.ts';
import type { Log } from '../../../src/core/log.ts';
import { createAuthority, issueServerCertificate } from '../../../src/gateway/certificates/authority.ts';
import { dialTcp } from '../../../src/target/dial.ts';

interface Line {
  level: string;
  fields: Record<string, unknown>;
}
const lines: Line[] = [];
const record = (level: string) => (fields: object) => void lines.push({ level, fields: fields as Line['fields'] });
const log: Log = { debug: record('debug'), info: record('info'), warn: record('warn'), error: record('error') };
const never = new AbortController().signal;

let directory: string;
let server: Server;
let port: number;
let caFile: string;
let otherCaFile: string;
let certificate: Buffer;

// A server that speaks TLS from the first byte and echoes; its certificate is for `localhost` only.
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hoopctl-dial-'));
  const now = new Date();
  const authority = await createAuthority(now);
  const issued = await issueServerCertificate(authority, ['localhost'], now);
  certificate = Buffer.from(issued.der);
  caFile = join(directory, 'ca.pem');
  otherCaFile = join(directory, 'other.pem');
  await writeFile(caFile, authority.certificate);
  await writeFile(otherCaFile, (await createAuthority(now)).certificate);
  const secureContext = createSecureContext({ cert: issued.certificate, key: issued.key });
  server = createServer((socket) => {
    const secure = new TLSSocket(socket, { isServer: true, secureContext });
    secure.on('error', () => {});
    secure.on('data', (chunk) => secure.write(chunk));
    secure.on('end', () => secure.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterAll(async () => {
  server.close();
  await rm(directory, { recursive: true, force: true });
});

async function open(mode: 'require' | 'verify-ca' | 'verify-full', host: string, ca?: string) {
  const address = { connection: 'prod-db', host, port, ...(ca === undefined ? {} : { caFile: ca }) };
  const upstream = await dialTcp(address, never, { log });
  return upstream.startTls(mode);
}

async function echoes(stream: Awaited<ReturnType<typeof open>>): Promise<string> {
  const answer = new Promise<string>((resolve) => {
    stream.onData = (chunk) => resolve(chunk.toString());
  });
  stream.write(Buffer.from('hello'));
  const text = await answer;
  stream.destroy();
  return text;
}

describe('TLS to a target, in libpq’s modes', () => {
  it('require encrypts without checking who answers', async () => {
    const stream = await open('require', '127.0.0.1');
    expect(stream.peerCertificate?.equals(certificate)).toBe(true);
    expect(await echoes(stream)).toBe('hello');
  });

  it('require with a caFile checks the authority, as libpq does', async () => {
    await expect(open('require', '127.0.0.1', otherCaFile)).rejects.toMatchObject({ code: 'target_certificate' });
    expect(await echoes(await open('require', '127.0.0.1', caFile))).toBe('hello');
  });

  it('verify-ca takes any name that the authority signed', async () => {
    expect(await echoes(await open('verify-ca', '127.0.0.1', caFile))).toBe('hello');
  });

  it('verify-ca refuses another authority', async () => {
    await expect(open('verify-ca', 'localhost', otherCaFile)).rejects.toMatchObject({ code: 'target_certificate' });
  });

  it('verify-full refuses a name that is not in the certificate, and does not tell the address', async () => {
    const error = await open('verify-full', '127.0.0.1', caFile).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'target_certificate', fault: 'peer' });
    expect(JSON.stringify(error)).not.toContain('127.0.0.1');
    expect(JSON.stringify(error)).not.toContain(String(port));
  });

  it('verify-full accepts the right name and authority', async () => {
    expect(await echoes(await open('verify-full', 'localhost', caFile))).toBe('hello');
  });

  it('verify-full without a caFile refuses an authority that the machine does not know', async () => {
    await expect(open('verify-full', 'localhost')).rejects.toMatchObject({ code: 'target_certificate' });
  });

  it('says which connection’s caFile cannot be read', async () => {
    const error = await open('verify-ca', 'localhost', join(directory, 'missing.pem')).catch((thrown) => thrown);
    expect(error.message).toContain('caFile of "prod-db"');
  });
});

describe('dialling', () => {
  it('names the connection to the client and the address to the log only', async () => {
    const closed = createServer();
    closed.listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const unused = (closed.address() as AddressInfo).port;
    closed.close();
    await once(closed, 'close');
    lines.length = 0;
    const error = await dialTcp({ connection: 'prod-db', host: '127.0.0.1', port: unused }, never, { log }).catch(
      (thrown) => thrown,
    );
    expect(error).toMatchObject({ code: 'target_unreachable', fault: 'peer' });
    expect(error.message).toBe('cannot reach the target of "prod-db": connection refused');
    expect(JSON.stringify(error)).not.toContain('127.0.0.1');
    expect(lines).toContainEqual({
      level: 'warn',
      fields: expect.objectContaining({ host: '127.0.0.1', port: unused, connection: 'prod-db' }),
    });
  });

  it('ends a TLS handshake that never answers', async () => {
    const held: import('node:net').Socket[] = [];
    const mute = createServer((socket) => void held.push(socket));
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const address = { connection: 'prod-db', host: '127.0.0.1', port: (mute.address() as AddressInfo).port };
    const upstream = await dialTcp(address, never, { log, timeout: limit('target_connect_ms', 'ms', 50) });
    await expect(upstream.startTls('require')).rejects.toMatchObject({ code: 'target_unreachable' });
    for (const socket of held) socket.destroy();
    mute.close();
  });

  it('is ended by its signal', async () => {
    const controller = new AbortController();
    controller.abort({ code: 'session_killed', message: 'killed by bob' });
    await expect(
      dialTcp({ connection: 'prod-db', host: '127.0.0.1', port }, controller.signal, { log }),
    ).rejects.toMatchObject({ code: 'client_gone' });
  });
});
