// The device flow against a scripted issuer: patience, refusals, clocks.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DeviceCode } from '../../../src/login/issuer.ts';
import { openIssuer } from '../../../src/login/issuer.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { temporaryDirectory } from '../../support/process.ts';
import { type IssuerScript, listen, type ScriptedIssuer, scriptedIssuer } from './servers.ts';

const GATEWAY = 'https://gw.example.com';
const never = new AbortController().signal;

async function opened(issuer: ScriptedIssuer, more: object = {}) {
  return openIssuer({ name: 'corp', issuer: issuer.url, clientId: 'hoopctl', ...more }, GATEWAY, {});
}

async function logIn(script: IssuerScript, signal: AbortSignal = never) {
  await using issuer = await scriptedIssuer(script);
  const shown: DeviceCode[] = [];
  const work = (await opened(issuer)).device((code) => void shown.push(code), signal);
  const outcome = await work.then(
    (tokens) => ({ tokens, error: undefined }),
    (error) => ({ tokens: undefined, error: { code: error.code, message: error.message, fix: error.fix } }),
  );
  return { ...outcome, shown, issuer, url: issuer.url };
}

describe('a device login', () => {
  it('shows page and code, waits while it is pending, and ends with tokens', async () => {
    const { tokens, shown, issuer, url } = await logIn({
      polls: ['authorization_pending', 'authorization_pending', 'ok'],
    });
    expect(shown).toEqual([
      {
        userCode: 'ABCD-EFGH',
        url: `${url}/activate`,
        completeUrl: `${url}/activate?code=ABCD-EFGH`,
        expiresInMs: 60_000,
      },
    ]);
    expect(issuer.polled).toHaveLength(3);
    expect(tokens).toMatchObject({ subject: { type: 'id_token' }, refreshToken: 'refresh-0' });
  });

  it('asks for the scopes that the gateway names, and for consent where it wants to stay', async () => {
    await using issuer = await scriptedIssuer();
    const flow = await opened(issuer, { scopes: ['openid', 'offline_access'], audience: 'https://api' });
    await flow.device(() => {}, never);
    expect(Object.fromEntries(issuer.asked[0]!)).toEqual({
      client_id: 'hoopctl',
      scope: 'openid offline_access',
      prompt: 'consent',
      audience: 'https://api',
    });
  });

  it('asks less often after slow_down', async () => {
    const { tokens, issuer } = await logIn({ polls: ['slow_down', 'ok'] });
    expect(tokens).toBeDefined();
    // RFC 8628 §3.5: five seconds more. Compared with the 20 ms interval, not with a clock's precision.
    expect(issuer.polled[1]! - issuer.polled[0]!).toBeGreaterThan(4000);
  });

  it.each([
    ['access_denied', 'login_denied', "the login was refused in the browser, at issuer 'corp'"],
    ['expired_token', 'login_expired', "the code was not used in time at issuer 'corp'"],
    ['invalid_client', 'gateway_error', "issuer 'corp' refused to log in: invalid_client"],
  ])('says honestly that it ended with %s', async (answer, code, message) => {
    const { error } = await logIn({ polls: ['authorization_pending', answer] });
    expect(error).toMatchObject({ code, message, fix: expect.any(String) });
  });

  it('ends when the code does, whatever the issuer says', async () => {
    const { error } = await logIn({ polls: ['authorization_pending'], expiresIn: 0.3 });
    expect(error).toMatchObject({ code: 'login_expired' });
  });

  it('ends at once when it is stopped', async () => {
    const abort = new AbortController();
    const reason = { signal: 'SIGINT' };
    await using issuer = await scriptedIssuer({ polls: ['authorization_pending'] });
    const work = (await opened(issuer)).device(() => abort.abort(reason), abort.signal);
    await expect(work).rejects.toBe(reason);
  });

  it.each([-3600_000, 3600_000])('does not care that the clocks are %i ms apart', async (skewMs) => {
    const { tokens, error } = await logIn({ skewMs });
    expect(error).toBeUndefined();
    expect(tokens?.refreshToken).toBe('refresh-0');
  });

  it('waits for an issuer that is away for a while', async () => {
    await using issuer = await scriptedIssuer({ polls: ['ok'] });
    const why: string[] = [];
    const flow = await opened(issuer);
    const { port } = new URL(issuer.url);
    const work = flow.device(
      () => {
        // Gone between showing the code and the first poll.
        issuer.server.close();
        issuer.server.closeAllConnections();
      },
      never,
      (message) => {
        why.push(message);
        issuer.server.listen(Number(port), '127.0.0.1');
      },
    );
    expect((await work).refreshToken).toBe('refresh-0');
    expect(why).toEqual([expect.stringContaining(`cannot reach '${issuer.url}'`)]);
  });

  it('refuses an issuer without a device flow, and one without an ID token', async () => {
    expect((await logIn({ noDevice: true })).error).toMatchObject({ code: 'not_supported' });
    expect((await logIn({ noIdToken: true })).error).toMatchObject({ message: "issuer 'corp' gave no ID token" });
  });

  it('talks to no issuer without TLS but on this machine', async () => {
    const ref = { name: 'corp', issuer: 'http://id.example.com', clientId: 'hoopctl' };
    await expect(openIssuer(ref, GATEWAY, {})).rejects.toMatchObject({
      code: 'usage',
      message: "refused to talk to 'http://id.example.com' without TLS",
    });
  });

  it('says that an issuer cannot be reached', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const ref = { name: 'corp', issuer: `http://127.0.0.1:${port}`, clientId: 'hoopctl' };
    await expect(openIssuer(ref, GATEWAY, {})).rejects.toMatchObject({
      code: 'gateway_unreachable',
      message: expect.stringMatching(/^issuer 'corp' of the gateway: cannot reach /),
    });
  });
});

describe('an issuer at another address than the gateway', () => {
  it('is trusted by what the gateway is trusted by, and by the system', async () => {
    const files = await makeCertificates(temporaryDirectory('tls'));
    const read = (file: string) => `${readFileSync(file, 'utf8').trim()}\n`;
    const { url } = await startTls({ key: read(files.keyFile), cert: read(files.certFile) });
    const ref = { name: 'local', issuer: url, clientId: 'hoopctl' };
    await openIssuer(ref, GATEWAY, { ca: read(files.caFile) });
    await expect(openIssuer(ref, GATEWAY, {})).rejects.toMatchObject({ code: 'gateway_certificate_unknown' });
  });

  async function startTls(tls: { key: string; cert: string }) {
    const server = await listen((_, response) => {
      const issuer = server.url;
      const metadata = { issuer, token_endpoint: `${issuer}/token`, device_authorization_endpoint: `${issuer}/device` };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(metadata));
    }, tls);
    onTestFinished(() => server[Symbol.asyncDispose]());
    return server;
  }
});

describe('a login at its issuer', () => {
  it('is renewed with a rotated refresh token', async () => {
    await using issuer = await scriptedIssuer();
    const flow = await opened(issuer);
    expect((await flow.refresh('refresh-0')).refreshToken).toBe('refresh-1');
    expect((await flow.refresh('refresh-1')).refreshToken).toBe('refresh-2');
  });

  it('that was revoked says so', async () => {
    await using issuer = await scriptedIssuer();
    const flow = await opened(issuer);
    await expect(flow.refresh('stolen')).rejects.toMatchObject({
      code: 'login_expired',
      message: "issuer 'corp' no longer honours this login: it was ended there, or has run out",
      fix: "run 'hoopctl login' again",
    });
  });

  it('is revoked where the issuer can', async () => {
    await using issuer = await scriptedIssuer();
    expect(await (await opened(issuer)).revoke('refresh-0')).toBe(true);
    expect(issuer.revoked).toEqual(['refresh-0']);
    await using other = await scriptedIssuer({ noRevocation: true });
    expect(await (await opened(other)).revoke('refresh-0')).toBe(false);
  });
});
