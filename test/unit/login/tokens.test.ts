// Token sources: renewed in time, once for all, and nothing lost on the way.

import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { userError } from '../../../src/core/errors.ts';
import type { KnownGateway } from '../../../src/login/gateways.ts';
import { fileStore } from '../../../src/login/keychain.ts';
import { type KeptLogin, loginSource, parseKept, proofSource } from '../../../src/login/tokens.ts';
import { repository, run, temporaryDirectory } from '../../support/process.ts';
import { type ScriptedGateway, type ScriptedIssuer, scriptedGateway, scriptedIssuer } from './servers.ts';

const ACCOUNT = 'account';
const minute = 60_000;

async function kept(gateway: ScriptedGateway, issuer: ScriptedIssuer, more: Partial<KeptLogin> = {}) {
  const home = temporaryDirectory('tokens');
  const paths = { config: home, cache: join(home, 'cache'), data: join(home, 'data') };
  const store = fileStore(paths);
  const known: KnownGateway = {
    url: gateway.url,
    account: ACCOUNT,
    store: 'file',
    issuer: { name: 'corp', issuer: issuer.url, clientId: 'hoopctl' },
  };
  const login: KeptLogin = { v: 1, refreshToken: 'refresh-0', gatewayToken: 'old', gatewayTokenExpiresAt: 0, ...more };
  await store.set(ACCOUNT, JSON.stringify(login));
  const source = () => loginSource({ gateway: known, trust: {}, store, paths });
  const now = async () => parseKept(await store.get(ACCOUNT));
  return { source, now, known, paths, home, store };
}

describe('the token of a login', () => {
  it('is the kept one while it is good', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const { source } = await kept(gateway, issuer, {
      gatewayToken: 'good',
      gatewayTokenExpiresAt: Date.now() + 10 * minute,
    });
    expect(await source().token()).toBe('good');
    expect(issuer.refreshed).toEqual([]);
  });

  it('is renewed shortly before it expires, and what replaces it is kept', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const { source, now } = await kept(gateway, issuer, { gatewayTokenExpiresAt: Date.now() + minute / 2 });
    expect(await source().token()).toBe('gateway-1');
    expect(gateway.exchanged.map((form) => form.get('subject_token_type'))).toEqual([
      'urn:ietf:params:oauth:token-type:id_token',
    ]);
    const after = await now();
    expect(after).toMatchObject({ refreshToken: 'refresh-1', gatewayToken: 'gateway-1' });
    expect(after!.gatewayTokenExpiresAt).toBeGreaterThan(Date.now() + 14 * minute);
  });

  it('is renewed once for many who ask at the same time', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const { source } = await kept(gateway, issuer);
    const one = source();
    const two = source();
    const tokens = await Promise.all([one.token(), one.token(), two.token(), two.token(), source().token()]);
    expect(new Set(tokens)).toEqual(new Set(['gateway-1']));
    expect(issuer.refreshed).toEqual(['refresh-0']);
  });

  it('is renewed once for many processes: a reused refresh token would revoke the login', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const { known, paths } = await kept(gateway, issuer);
    const program = `
      const { loginSource } = await import('./src/login/tokens.ts');
      const { fileStore } = await import('./src/login/keychain.ts');
      const paths = ${JSON.stringify(paths)};
      const source = loginSource({ gateway: ${JSON.stringify(known)}, trust: {}, store: fileStore(paths), paths });
      process.stdout.write(await source.token());
    `;
    const go = () => run(process.execPath, ['--input-type=module', '-e', program], { cwd: repository });
    const done = await Promise.all([go(), go(), go(), go()]);
    expect(done.map(({ code, stdout, stderr }) => ({ code, stdout, stderr: code === 0 ? '' : stderr }))).toEqual(
      Array(4).fill({ code: 0, stdout: 'gateway-1', stderr: '' }),
    );
    expect(issuer.refreshed).toEqual(['refresh-0']);
  });

  it('keeps the new refresh token although the gateway fails afterwards', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const { source, now } = await kept(gateway, issuer);
    gateway.refuse = { error: { code: 'principal_revoked', message: 'alice is shut out', next: 'ask' } };
    await expect(source().token()).rejects.toMatchObject({ code: 'principal_revoked' });
    expect(await now()).toMatchObject({
      refreshToken: 'refresh-1',
      refused: { message: expect.stringContaining('alice is shut out') },
    });
    gateway.refuse = undefined;
    expect(await source().token()).toBe('gateway-2');
    expect((await now())?.refused).toBeUndefined();
  });

  it('is not asked for where what replaces the login could not be kept: a full disk does not end it', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const { known, paths, now, source, store } = await kept(gateway, issuer);
    const full = userError('keychain_unavailable', 'no space left on device');
    const disk = { ...store, set: () => Promise.reject(full) };
    await expect(loginSource({ gateway: known, trust: {}, store: disk, paths }).token()).rejects.toBe(full);
    expect(issuer.refreshed).toEqual([]);
    expect(await now()).toMatchObject({ refreshToken: 'refresh-0' });
    expect(await source().token()).toBe('gateway-1');
  });

  it('finds the room that it made: the next login fits where this one and blanks were', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const { known, paths, store } = await kept(gateway, issuer);
    const written: string[] = [];
    const set = (account: string, secret: string) => {
      written.push(secret);
      return store.set(account, secret);
    };
    const watched = { ...store, set };
    await loginSource({ gateway: known, trust: {}, store: watched, paths }).token();
    expect(parseKept(written[0])).toMatchObject({ refreshToken: 'refresh-0' });
    for (const next of written.slice(1)) expect(next.length).toBeLessThan(written[0]!.length);
  });

  it('is another one when the gateway refused the last, although it looked good', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const { source } = await kept(gateway, issuer, {
      gatewayToken: 'good',
      gatewayTokenExpiresAt: Date.now() + 10 * minute,
    });
    const one = source();
    expect(await one.token()).toBe('good');
    expect(await one.token({ renew: true })).toBe('gateway-1');
    // Somebody else renews it: what was kept then is as good.
    const two = source();
    expect(await two.token()).toBe('gateway-1');
  });

  it('needs a new login when the issuer honours it no more', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const { source, now } = await kept(gateway, issuer, { refreshToken: 'stolen' });
    await expect(source().token()).rejects.toMatchObject({ code: 'login_expired' });
    expect((await now())?.refused?.message).toContain('no longer honours this login');
  });

  it('without a refresh token lasts as long as the issuer’s own', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const subject = { token: 'id', type: 'id_token' } as const;
    const { source } = await kept(gateway, issuer, { refreshToken: undefined, subject });
    const one = source();
    expect(await one.token()).toBe('gateway-1');
    gateway.refuse = { error: { code: 'token_expired', message: 'over' } };
    await expect(one.token({ renew: true })).rejects.toMatchObject({ code: 'login_expired' });
  });

  it('is asked for with a login where there is none', async () => {
    await using gateway = await scriptedGateway();
    await using issuer = await scriptedIssuer();
    const { known, paths, store } = await kept(gateway, issuer);
    await store.delete(ACCOUNT);
    const gone = loginSource({ gateway: known, trust: {}, store, paths });
    await expect(gone.token()).rejects.toMatchObject({
      code: 'login_needed',
      fix: `run 'hoopctl login ${gateway.url}'`,
    });
    const never = loginSource({ gateway: { url: gateway.url }, trust: {}, store, paths });
    await expect(never.token()).rejects.toMatchObject({ code: 'login_needed' });
  });
});

describe('the token of a proof', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is exchanged again shortly before it runs out', async () => {
    await using gateway = await scriptedGateway();
    gateway.lifetime = 900;
    const source = proofSource(gateway.url, {}, async () => ({ by: 'token', token: 'proof', type: 'jwt' }));
    vi.useFakeTimers({ toFake: ['Date'] });
    expect(await source.token()).toBe('gateway-1');
    vi.setSystemTime(Date.now() + 13 * minute);
    expect(await source.token()).toBe('gateway-1');
    vi.setSystemTime(Date.now() + 1.1 * minute);
    expect(await source.token()).toBe('gateway-2');
  });

  it('is exchanged once, and again when it runs out or is refused', async () => {
    await using gateway = await scriptedGateway();
    let asked = 0;
    const source = proofSource(gateway.url, {}, async () => {
      asked += 1;
      return { by: 'token', token: `proof-${asked}`, type: 'jwt' };
    });
    expect([await source.token(), await source.token()]).toEqual(['gateway-1', 'gateway-1']);
    expect(await source.token({ renew: true })).toBe('gateway-2');
    gateway.lifetime = 0;
    expect(await source.token({ renew: true })).toBe('gateway-3');
    expect(await source.token()).toBe('gateway-4');
    expect(gateway.exchanged.map((form) => form.get('subject_token'))).toEqual([
      'proof-1',
      'proof-2',
      'proof-3',
      'proof-4',
    ]);
  });
});
