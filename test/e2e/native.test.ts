// The native listener: ordinary clients with nothing of hoopctl, TLS required, a short-lived token as password.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { cleanEnvironment } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { run, temporaryDirectory } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { openWay } from '../support/ways.ts';
import { type Frame, fields, int32, query, startupMessage, WireClient, type WireOptions } from '../support/wire.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await startStage({ databases: ['app'] }, (server) => ({
    connections: { app: connectionTo(server, 'app'), other: connectionTo(server, 'app') },
    access: [{ who: { groups: ['engineering'] }, to: { names: ['app', 'other'] } }],
  }));
});
afterAll(() => stage?.stop());

async function options(more: Partial<WireOptions> = {}): Promise<WireOptions> {
  return {
    port: stage.gateway.nativePort as number,
    user: 'alice',
    database: 'app',
    password: more.password ?? (await stage.alice.token('app')),
    ca: readFileSync(stage.gateway.caFile, 'utf8'),
    ...more,
  };
}

/** What the listener answers to a first packet, TLS or not. */
async function answerTo(first: Buffer, tls: boolean): Promise<Frame[]> {
  const { port, ca } = await options({ password: 'x' });
  const client = await WireClient.open({ port, ...(tls ? { ca: ca as string } : {}) });
  client.send(first);
  const frames = await client.until('E');
  await client.ended();
  return frames;
}

describe('the native listener', () => {
  it('lets in with a token of `hoopctl token`, verified by the CA', async () => {
    const client = await WireClient.connect(await options());
    client.send(query('select current_user'));
    const frames = await client.until('Z');
    expect(frames.find(({ type }) => type === 'D')?.body.toString()).toContain('postgres');
    client.close();
  });

  it('takes TLS from the first byte (direct TLS, ALPN postgresql)', async () => {
    const { port, ca, password } = await options();
    const socket = connectTls({ port, host: '127.0.0.1', ca, ALPNProtocols: ['postgresql'] });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    expect(socket.alpnProtocol).toBe('postgresql');
    const client = new WireClient(socket);
    client.send(startupMessage({ user: 'alice', database: 'app' }));
    const asked = await client.next();
    expect(asked.type).toBe('R');
    expect(password).not.toBe('');
    client.destroy();
  });

  it('refuses TLS from the first byte without ALPN, as PostgreSQL does: it may have been meant for another protocol', async () => {
    const { port, ca } = await options({ password: 'x' });
    const socket = connectTls({ port, host: '127.0.0.1', ca });
    const heard: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => heard.push(chunk)).on('error', () => {});
    socket.once('secureConnect', () => socket.write(startupMessage({ user: 'alice', database: 'app' })));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(Buffer.concat(heard).length).toBe(0);
  });

  it('answers a GSS request with N, and refuses to go on without TLS', async () => {
    const client = await WireClient.open({ port: stage.gateway.nativePort as number });
    const answer = new Promise<Buffer>((resolve) => client.socket.once('data', resolve));
    client.send(Buffer.concat([int32(8), int32(80877104)]));
    expect((await answer).toString()).toBe('N');
    client.destroy();
    const frames = await answerTo(startupMessage({ user: 'alice', database: 'app' }), false);
    const said = fields(frames.at(-1)?.body as Buffer);
    expect(said.S).toBe('FATAL');
    expect(said.M).toMatch(/TLS|SSL/);
  });

  it.each([
    ['a wrong token', async () => options({ password: 'eyJhbGciOiJFUzI1NiJ9.e30.AAAA' })],
    ['no token', async () => options({ password: '' })],
    ['a token of another connection', async () => options({ password: await stage.alice.token('other') })],
    ['the right token under another name', async () => options({ user: 'bob' })],
    ["the target's own password", async () => options({ user: 'postgres', password: stage.server.password })],
  ])('refuses %s', async (_, given) => {
    await expect(WireClient.connect(await given())).rejects.toThrow();
  });

  it('tells who names a database of the server that the connection is meant', async () => {
    const refused = await WireClient.connect(await options({ database: 'postgres' })).catch((error: Error) => error);
    expect((refused as Error).cause).toMatchObject({
      C: '28P01',
      M: 'this token is for "app", not for "postgres"',
      H: "on this listener the database is the connection's name: database app",
    });
  });

  it('does not say which connections there are to whoever has no token', async () => {
    const said = async (database: string) =>
      WireClient.connect(await options({ database, password: 'nonsense' })).then(
        () => '',
        (error: Error) => error.message.replaceAll(database, 'X'),
      );
    expect(await said('app')).toBe(await said('no-such-db'));
  });

  it('negotiates protocol 3.2 down, and refuses a protocol that does not exist', async () => {
    const { port, ca } = await options({ password: 'x' });
    const client = await WireClient.open({ port, ca: ca as string });
    client.send(startupMessage({ user: 'alice', database: 'app', '_pq_.nothing': '1' }, 196610));
    const first = await client.next();
    expect(['v', 'R']).toContain(first.type);
    client.destroy();
    const frames = await answerTo(startupMessage({ user: 'alice' }, 262144), true);
    expect(fields(frames.at(-1)?.body as Buffer).M).toMatch(/protocol/);
  });
});

describeWith(['psql'], 'psql at the native listener', () => {
  it.each([
    ['the CA file that was given', {}, () => stage.gateway.caFile],
    [
      'what was pinned at the login',
      { HOOPCTL_CA_FILE: undefined },
      () => join(stage.alice.home, '.config', 'hoopctl', `${new URL(stage.gateway.url).host.replace(':', '-')}.ca.pem`),
    ],
  ])('connects by the line that `hoopctl token` prints, which verifies by %s', async (_, env, file) => {
    const { stdout, stderr } = await stage.alice.runOk(['token', 'app'], { env });
    const line = /use it with: PGPASSWORD="\$\(hoopctl token app\)" (.*)$/m.exec(stderr)![1]!;
    expect(line).toContain(`PGSSLMODE=verify-full PGSSLROOTCERT=${file()} psql `);
    const psql = { env: { ...cleanEnvironment(stage.alice.home), PGPASSWORD: stdout.trim() } };
    expect(await run('sh', ['-c', `${line} -X -At -c 'select 42'`], psql)).toMatchObject({ code: 0, stdout: '42\n' });
    const { certFile } = await makeCertificates(temporaryDirectory('other'));
    const other = await run('sh', ['-c', `${line.replace(file(), certFile)} -X -c 'select 42'`], psql);
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('certificate verify failed') });
  });

  it('connects by URL with sslmode=verify-full, and by a URL with a wrong CA does not', async () => {
    const token = await stage.alice.token('app');
    const way = await openWay('native', stage.alice, 'app');
    const url = `postgres://alice@127.0.0.1:${stage.gateway.nativePort}/app?sslmode=verify-full`;
    const env = { PGPASSWORD: token, PGSSLROOTCERT: stage.gateway.caFile };
    const good = await way.run('psql', [url, '-X', '-At', '-c', 'select 42'], { env });
    expect(good).toMatchObject({ code: 0, stdout: '42\n' });
    const bad = await way.run('psql', [url, '-X', '-c', 'select 42'], {
      env: { ...env, PGSSLROOTCERT: '/etc/ssl/certs/ca-certificates.crt' },
    });
    expect(bad.code).toBe(2);
    expect(bad.stderr).toMatch(/certificate/);
    const off = await way.run('psql', [url.replace('verify-full', 'disable'), '-X', '-c', 'select 42'], { env });
    expect(off.code).toBe(2);
    expect(off.stderr).toMatch(/TLS|SSL/);
  });
});
