import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { Agent, fetch } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLog } from '../../../src/core/log.ts';
import { createAuthority, issueServerCertificate } from '../../../src/gateway/certificates/authority.ts';
import type { LoginEvent } from '../../../src/gateway/issuer/context.ts';
import { createEmbeddedIssuer, type EmbeddedIssuer } from '../../../src/gateway/issuer/issuer.ts';
import { KeyFile } from '../../../src/gateway/keys.ts';
import { memoryOidc, memoryUsers } from '../../support/identity-stores.ts';
import { Browser } from '../../support/page-browser.ts';

let directory: string;
let server: Server;
let issuer: EmbeddedIssuer;
let keys: KeyFile;
let ca: string;
let config: client.Configuration;
let agent: Agent;
const users = memoryUsers([
  { name: 'alice', password: 'correct horse battery', email: 'alice@example.com', groups: ['dev', 'admins'] },
]);
const logins: LoginEvent[] = [];
const browsers: Browser[] = [];
const printed: string[] = [];

beforeAll(async () => {
  for (const method of ['info', 'warn', 'error', 'log'] as const) {
    vi.spyOn(console, method).mockImplementation((text) => void printed.push(String(text)));
  }
  directory = await mkdtemp(join(tmpdir(), 'hoopctl-issuer-'));
  const authority = await createAuthority(new Date());
  const certificate = await issueServerCertificate(authority, ['localhost', '127.0.0.1'], new Date());
  ca = authority.certificate;
  keys = await KeyFile.open(directory, 'issuer', { clock: systemClock });
  server = createServer({ cert: certificate.certificate, key: certificate.key });
  server.on('request', (request, response) => issuer.handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  issuer = createEmbeddedIssuer({
    publicUrl: `https://localhost:${(server.address() as AddressInfo).port}`,
    users,
    store: memoryOidc(),
    keys,
    cookieSecrets: ['a secret for cookies'],
    clock: systemClock,
    log: silentLog,
    interval: 1,
    onLogin: (event) => void logins.push(event),
  });
  agent = new Agent({ connect: { ca } });
  config = await client.discovery(new URL(issuer.issuer), issuer.clientId, undefined, client.None(), {
    [client.customFetch]: (url, init) => fetch(url, { ...init, dispatcher: agent } as never) as never,
  });
  config[client.customFetch] = (url, init) => fetch(url, { ...init, dispatcher: agent } as never) as never;
});

afterEach(async () => {
  for (const browser of browsers.splice(0)) await browser.close();
});

afterAll(async () => {
  await agent.close();
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true, force: true });
  vi.restoreAllMocks();
});

function browse(): Browser {
  const browser = new Browser(ca);
  browsers.push(browser);
  return browser;
}

const begin = (scope = 'openid offline_access email groups') => client.initiateDeviceAuthorization(config, { scope });

async function logIn(code: { verification_uri: string; user_code: string }, password = 'correct horse battery') {
  const browser = browse();
  const start = await browser.get(code.verification_uri);
  const confirm = await browser.submit(start, { user_code: code.user_code });
  const login = await browser.submit(confirm, {});
  return { browser, confirm, login, end: await browser.submit(login, { login: 'alice', password }) };
}

describe('the embedded issuer', () => {
  it('logs a terminal in by the device flow, with an identity that names e-mail and groups', async () => {
    const device = await begin();
    expect(device.interval).toBe(1);

    expect(device.verification_uri).toBe(`${issuer.issuer}/device`);
    const [{ confirm, end }, tokens] = await Promise.all([
      logIn(device),
      client.pollDeviceAuthorizationGrant(config, device),
    ]);
    expect(confirm.html).toContain(device.user_code);
    expect(end.html).toContain('You are logged in');
    const { payload } = await jwtVerify(tokens.id_token!, createLocalJWKSet(keys.jwks()), {
      issuer: issuer.issuer,
      audience: 'hoopctl',
    });
    expect(payload).toMatchObject({ sub: 'alice', email: 'alice@example.com', email_verified: true });
    expect(payload.groups).toEqual(['dev', 'admins']);
    expect(logins.at(-1)).toMatchObject({ user: 'alice', ok: true });

    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token!);
    expect(renewed.refresh_token).not.toBe(tokens.refresh_token);
    expect(renewed.claims()?.groups).toEqual(['dev', 'admins']);
    // A refresh token that is used twice was copied: nobody may go on with the grant.
    await expect(client.refreshTokenGrant(config, tokens.refresh_token!)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    await expect(client.refreshTokenGrant(config, renewed.refresh_token!)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });

  it.each([
    ['at the login', 'openid', undefined],
    ['when it is renewed', 'openid offline_access email groups', 'openid'],
  ])(
    'names e-mail and groups to a client that leaves them out %s: rules may be about them',
    async (_, scope, later) => {
      const device = await begin(scope);
      const [, login] = await Promise.all([logIn(device), client.pollDeviceAuthorizationGrant(config, device)]);
      const tokens =
        later === undefined ? login : await client.refreshTokenGrant(config, login.refresh_token!, { scope: later });
      expect(tokens.claims()).toMatchObject({ email: 'alice@example.com', groups: ['dev', 'admins'] });
    },
  );

  it('goes on with a login while another key takes over, signs with that one, and publishes both', async () => {
    const before = keys.current().kid;
    const device = await begin();
    const browser = browse();
    const confirm = await browser.submit(await browser.get(device.verification_uri), { user_code: device.user_code });
    await keys.rotate();
    const login = await browser.submit(confirm, {});
    await browser.submit(login, { login: 'alice', password: 'correct horse battery' });
    const { id_token } = await client.pollDeviceAuthorizationGrant(config, device);
    expect(decodeProtectedHeader(id_token!).kid).toBe(keys.current().kid);
    const published = (await (await fetch(`${issuer.issuer}/jwks`, { dispatcher: agent })).json()) as {
      keys: { kid: string }[];
    };
    expect(published.keys.map(({ kid }) => kid)).toEqual([before, keys.current().kid]);
    expect(JSON.stringify(published)).not.toContain('"d"');
  });

  it('tells the terminal when the user refuses it', async () => {
    const device = await begin();
    const browser = browse();
    const start = await browser.get(device.verification_uri);
    const confirm = await browser.submit(start, { user_code: device.user_code });
    const end = await browser.submit(confirm, { abort: 'yes' });
    expect(end.html).toContain('The login was refused');
    await expect(client.pollDeviceAuthorizationGrant(config, device)).rejects.toMatchObject({ error: 'access_denied' });
  });

  it('fills the code of the complete address into the form, without a script', async () => {
    const device = await begin();
    const page = await browse().get(device.verification_uri_complete!);
    expect(page.html).toContain(`value="${device.user_code}"`);
    expect(page.html).not.toContain('<script');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(page.headers.get('x-frame-options')).toBe('DENY');
    expect(page.headers.get('cache-control')).toContain('no-store');
  });

  it('shows the same for an unknown user and a wrong password', async () => {
    const { browser, login, end } = await logIn(await begin(), 'wrong');
    expect(end.status).toBe(401);
    const unknown = await browser.submit(login, { login: 'nobody', password: 'wrong' });
    expect(unknown.status).toBe(401);
    expect(unknown.html.replace('nobody', 'alice')).toBe(end.html);
  });

  it('makes a guesser wait, whatever the password', async () => {
    const { browser, login } = await logIn(await begin(), 'wrong');
    let last = login;
    for (let i = 0; i < 6; i++) last = await browser.submit(login, { login: 'guessed', password: `try ${i}` });
    expect(last.status).toBe(429);
    expect(last.headers.get('retry-after')).toMatch(/^\d+$/);
    // Another user is not held up by it.
    expect((await browser.submit(login, { login: 'other', password: 'x' })).status).toBe(401);
  });

  it('does not know a code that it did not give', async () => {
    const browser = browse();
    const start = await browser.get(`${issuer.issuer}/device`);
    const page = await browser.submit(start, { user_code: 'BBBB-BBBB' });
    expect(page.html).toContain('This code is not known');
  });

  it('refuses a login form of another browser', async () => {
    const { login } = await logIn(await begin());
    const page = await browse().submit(login, { login: 'alice', password: 'correct horse battery' });
    expect(page.status).toBe(400);
  });

  it('keeps to the public host name whatever the request names', async () => {
    const response = await fetch(
      `https://127.0.0.1:${(server.address() as AddressInfo).port}/oidc/.well-known/openid-configuration`,
      {
        dispatcher: agent,
      },
    );
    const document = (await response.json()) as Record<string, string>;
    expect(document.token_endpoint).toBe(`${issuer.issuer}/token`);
  });

  it('makes an address wait that guesses, also one who has a password; the logins there go on', async () => {
    const { browser, login } = await logIn(await begin(), 'wrong');
    let last = login;
    for (let i = 0; i < 40 && last.status !== 429; i++) {
      if (i % 8 === 0) await logIn(await begin());
      last = await browser.submit(login, { login: `sprayed ${i}`, password: 'Winter2026' });
    }
    expect(last.status).toBe(429);
    expect(last.html).toContain('from your address');
    const poll = await fetch(`${issuer.issuer}/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `grant_type=refresh_token&refresh_token=none&client_id=${issuer.clientId}`,
      dispatcher: agent,
    });
    expect([poll.status, await poll.json()]).toMatchObject([400, { error: 'invalid_grant' }]);
  });

  it('prints nothing to the console', () => {
    expect(printed).toEqual([]);
  });
});
