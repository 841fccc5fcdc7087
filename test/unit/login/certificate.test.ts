// What a gateway shows, seen by somebody who does not trust it yet, and by somebody who pinned something.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { fingerprintsOf, inspectCertificate, normaliseFingerprint } from '../../../src/login/certificate.ts';
import { discover } from '../../../src/login/discovery.ts';
import { send } from '../../../src/login/http.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { temporaryDirectory } from '../../support/process.ts';
import { listen, scriptedGateway } from './servers.ts';

async function certificates() {
  const files = await makeCertificates(temporaryDirectory('tls'));
  const [ca, cert, key] = [files.caFile, files.certFile, files.keyFile].map((file) => readFileSync(file, 'utf8')) as [
    string,
    string,
    string,
  ];
  return { ca: `${ca}\n`, cert: `${cert}\n`, key };
}

describe('a certificate', () => {
  it('is shown with names, validity and the fingerprint of what to pin: the root where it is sent', async () => {
    const { ca, cert, key } = await certificates();
    await using gateway = await scriptedGateway({ tls: { key, cert: cert + ca } });
    const { leaf, anchor, nameMatches } = await inspectCertificate(new URL(gateway.url));
    expect(leaf).toMatchObject({ subject: 'CN=127.0.0.1', names: ['127.0.0.1', 'localhost'], selfSigned: false });
    expect(anchor).toMatchObject({ subject: 'CN=hoopctl test CA', selfSigned: true });
    expect([anchor.fingerprint]).toEqual(await fingerprintsOf(ca));
    expect([leaf.fingerprint]).toEqual(await fingerprintsOf(cert));
    expect(nameMatches).toBe(true);
    expect(leaf.validTo.getTime()).toBeGreaterThan(Date.now());
  });

  it('is pinned itself where the root is not sent, and that is enough to connect', async () => {
    const { cert, key } = await certificates();
    await using gateway = await scriptedGateway({ tls: { key, cert } });
    const { anchor } = await inspectCertificate(new URL(gateway.url));
    expect([anchor.fingerprint]).toEqual(await fingerprintsOf(cert));
    expect(await discover(gateway.url, { ca: anchor.pem })).toMatchObject({ version: '1' });
  });

  it('for another name is told apart', async () => {
    const { ca, cert, key } = await certificates();
    await using gateway = await scriptedGateway({ tls: { key, cert: cert + ca } });
    const other = gateway.url.replace('127.0.0.1', '127.0.0.2');
    await using second = await listen(() => {}, { key, cert: cert + ca });
    expect((await inspectCertificate(new URL(second.url))).nameMatches).toBe(true);
    await expect(send(new URL(other), { ca })).rejects.toMatchObject({ code: expect.stringMatching(/^gateway_/) });
  });

  it('unknown, changed and right are three different things', async () => {
    const one = await certificates();
    const two = await certificates();
    await using gateway = await scriptedGateway({ tls: { key: one.key, cert: one.cert + one.ca } });
    await expect(discover(gateway.url, {})).rejects.toMatchObject({
      code: 'gateway_certificate_unknown',
      fix: expect.stringContaining('--ca-file'),
    });
    await expect(discover(gateway.url, { ca: two.ca })).rejects.toMatchObject({ code: 'gateway_certificate_changed' });
    expect((await discover(gateway.url, { ca: one.ca })).name).toBe('test');
  });
});

describe('a fingerprint', () => {
  it('is read in the ways that tools print it', () => {
    const hex = 'ab'.repeat(32);
    const colons = 'AB:'.repeat(32).slice(0, -1);
    for (const text of [hex, colons, `sha256:${hex}`, `SHA256:${colons}`, `sha-256:${hex.toUpperCase()}`]) {
      expect(normaliseFingerprint(text)).toBe(`sha256:${hex}`);
    }
    for (const text of ['', 'abc', hex.slice(1), `md5:${hex}`]) expect(normaliseFingerprint(text)).toBeUndefined();
  });
});

describe('a gateway', () => {
  it('tells its clock', async () => {
    await using gateway = await scriptedGateway({ skewMs: 600_000 });
    const { clockSkewMs } = await discover(gateway.url, {});
    expect(Math.abs(clockSkewMs! - 600_000)).toBeLessThan(30_000);
  });

  it.each([
    [200, '<html>hello</html>'],
    [404, '{}'],
    [200, '{"version":"1"}'],
    [302, ''],
  ])('that is none is told apart (%i %s)', async (status, body) => {
    await using other = await listen((_, response) => response.writeHead(status).end(body));
    await expect(discover(other.url, {})).rejects.toMatchObject({
      code: 'gateway_error',
      message: `'${other.url}' is not a hoopctl gateway: it answered with HTTP status ${status}`,
    });
  });

  it('that does not speak TLS, or is not there, says so', async () => {
    await using plain = await listen((_, response) => response.end());
    await expect(discover(plain.url.replace('http:', 'https:'), {})).rejects.toMatchObject({
      code: 'gateway_unreachable',
    });
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    await expect(discover(`https://127.0.0.1:${port}`, {})).rejects.toMatchObject({
      code: 'gateway_unreachable',
      message: `cannot reach 'https://127.0.0.1:${port}': connection refused, nothing listens there`,
    });
  });

  it('that is silent is given up', async () => {
    await using silent = await listen(() => {});
    const reason = { signal: 'SIGINT' };
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 50);
    await expect(send(new URL(silent.url), {}, { idleMs: 100 })).rejects.toMatchObject({ code: 'gateway_unreachable' });
    await expect(send(new URL(silent.url), {}, { signal: abort.signal })).rejects.toBe(reason);
  });
});
