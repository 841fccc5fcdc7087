import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority, issueServerCertificate } from '../../../../src/gateway/certificates/authority.ts';
import { wildcard } from '../../../../src/session/identity/claims.ts';
import { verifyJwt } from '../../../../src/session/identity/jwt.ts';
import { allowedUrl, RemoteKeys } from '../../../../src/session/identity/keys.ts';

let directory: string;
let server: Server;
let url: string;
let caFile: string;
let discovery: Record<string, unknown>;
let jwks: { keys: object[] };
const asked: string[] = [];
let sign: (kid: string) => Promise<string>;
let now = Date.now();
const clock = { now: () => now };

// An issuer whose certificate is signed by an authority that the machine does not know.
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hoopctl-keys-'));
  const authority = await createAuthority(new Date());
  const issued = await issueServerCertificate(authority, ['localhost'], new Date());
  caFile = join(directory, 'ca.pem');
  await writeFile(caFile, authority.certificate);
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] };
  sign = (kid) =>
    new SignJWT({ iss: url, aud: 'hoopctl', sub: 'u' })
      .setProtectedHeader({ alg: 'ES256', kid })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey);
  server = createServer({ cert: issued.certificate, key: issued.key }, (request, response) => {
    asked.push(request.url!);
    if (request.url === '/redirect/.well-known/openid-configuration') {
      response.writeHead(302, { location: '/.well-known/openid-configuration' }).end();
      return;
    }
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.url === '/jwks' ? jwks : discovery));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked.length = 0;
  discovery = { issuer: url, jwks_uri: `${url}/jwks` };
  now = Date.now();
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true, force: true });
});

const remote = (more: object = {}) => new RemoteKeys({ name: 'corp', issuer: url, caFile, clock, ...more });
const verify = async (keys: RemoteKeys, kid = 'k1') =>
  verifyJwt(await sign(kid), { name: 'corp', issuer: url, audiences: ['hoopctl'], keys, clock });

describe('the keys of an issuer elsewhere', () => {
  it('are found by discovery, with the issuer’s own authority, and asked for once', async () => {
    const keys = remote();
    await verify(keys);
    await verify(keys);
    expect(asked).toEqual(['/.well-known/openid-configuration', '/jwks']);
    now += 3_600_001;
    await remote().resolver();
  });

  it('are not trusted without that authority', async () => {
    await expect(verify(remote({ caFile: undefined }))).rejects.toMatchObject({
      code: 'issuer_unreachable',
      fault: 'peer',
    });
  });

  it('are not taken from a document that names another issuer', async () => {
    discovery = { issuer: 'https://other.example.com', jwks_uri: `${url}/jwks` };
    await expect(verify(remote())).rejects.toMatchObject({ code: 'issuer_unreachable' });
  });

  it('are not fetched in clear, nor after a redirect', async () => {
    discovery = { issuer: url, jwks_uri: 'http://keys.example.com/jwks' };
    await expect(verify(remote())).rejects.toMatchObject({ code: 'issuer_unreachable' });
    await expect(remote({ issuer: `${url}/redirect` }).resolver()).rejects.toMatchObject({
      code: 'issuer_unreachable',
    });
  });

  it('are asked for again after a failure', async () => {
    const keys = remote();
    discovery = {};
    await expect(verify(keys)).rejects.toMatchObject({ code: 'issuer_unreachable' });
    discovery = { issuer: url, jwks_uri: `${url}/jwks` };
    await expect(verify(keys)).resolves.toMatchObject({ sub: 'u' });
  });

  it('that do not hold the token’s key refuse the token, not the issuer', async () => {
    await expect(verify(remote(), 'k2')).rejects.toMatchObject({ code: 'token_invalid' });
  });
});

describe('addresses of issuers', () => {
  it('are https, or this machine itself', () => {
    expect(allowedUrl('https://id.example.com')).toBe(true);
    expect(allowedUrl('http://127.0.0.1:8080')).toBe(true);
    expect(allowedUrl('http://id.example.com')).toBe(false);
    expect(allowedUrl('http://localhost.example.com')).toBe(false);
    expect(allowedUrl('file:///etc/passwd')).toBe(false);
  });
});

describe('a wildcard in a condition', () => {
  it.each([
    ['acme/*', 'acme/app', true],
    ['acme/*', 'acme/', true],
    ['acme/*', 'evil/acme/app', false],
    ['*', '', true],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxcyyb', false],
    ['a*a', 'a', false],
    ['refs/heads/main', 'refs/heads/main2', false],
    ['*-prod', 'db-prod', true],
    ['a*b*b', 'ab', false],
  ])('%s on %s', (pattern, text, expected) => {
    expect(wildcard(pattern, text)).toBe(expected);
  });

  it('takes linear time on text made to be slow', () => {
    expect(wildcard(`${'*a'.repeat(50)}b`, 'a'.repeat(100_000))).toBe(false);
  });
});
