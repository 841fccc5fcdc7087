// What `doctor` finds out, and what it says to do.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fingerprintsOf } from '../../../src/login/certificate.ts';
import { openGateways } from '../../../src/login/gateways.ts';
import { userPaths } from '../../../src/login/paths.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { temporaryDirectory } from '../../support/process.ts';
import { scriptedGateway, unsigned } from '../login/servers.ts';
import { fakeGateway } from './fake-gateway.ts';
import { hoopctl, type MemoryOptions } from './memory-io.ts';

interface Report {
  ok: boolean;
  checks: { check: string; state: string; found: string; fix?: string }[];
}

async function examined(options: MemoryOptions = {}) {
  const { code, out } = await hoopctl(['doctor', '--json'], options);
  const report = JSON.parse(out) as Report;
  const states = Object.fromEntries(report.checks.map(({ check, state }) => [check, state]));
  return { code, report, states, of: (name: string) => report.checks.find(({ check }) => check === name)! };
}

async function certificates() {
  const { caFile, certFile, keyFile } = await makeCertificates(temporaryDirectory('tls'));
  const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => `${readFileSync(file, 'utf8').trim()}\n`);
  return { ca: ca!, caFile, tls: { key: key!, cert: cert! + ca! } };
}

describe('doctor', () => {
  it('finds nothing wrong where nothing is', async () => {
    await using gateway = await fakeGateway({ 'GET me': { principal: { subject: 'u1', email: 'a@b' }, roles: [] } });
    const { code, report } = await examined({ env: { HOOPCTL_GATEWAY: gateway.url, HOOPCTL_TOKEN: gateway.token } });
    expect(report).toEqual({
      ok: true,
      checks: [
        { check: 'node', state: 'ok', found: `version ${process.versions.node}` },
        { check: 'gateway known', state: 'ok', found: gateway.url },
        { check: 'gateway reachable', state: 'ok', found: 'test answers, version 1' },
        { check: 'gateway ready', state: 'warning', found: 'it does not say' },
        { check: 'certificate', state: 'warning', found: 'none: plain http on this machine' },
        { check: 'clock', state: 'ok', found: expect.stringContaining("of the gateway's") },
        { check: 'keychain', state: 'ok', found: 'a file, as HOOPCTL_KEYCHAIN says' },
        { check: 'login', state: 'ok', found: 'a@b, by HOOPCTL_TOKEN' },
      ],
    });
    expect(code).toBe(0);
  });

  it('says what to do first where nothing is known', async () => {
    const { code, states, of } = await examined();
    expect(code).toBe(1);
    expect(states).toMatchObject({
      'gateway known': 'failed',
      'gateway reachable': 'skipped',
      certificate: 'skipped',
      login: 'skipped',
    });
    expect(of('gateway known').fix).toContain('hoopctl login GATEWAY_URL');
  });

  it('tells a clock that is wrong, and a token that is refused', async () => {
    await using gateway = await scriptedGateway({
      skewMs: -3_600_000,
      routes: {
        '/api/v1/me': () => [401, { error: { code: 'token_expired', message: 'over' } }],
        '/readyz': () => [503, { ready: false, state: 'running', store: 'failed', gateway: 'gw-1' }],
      },
    });
    const token = unsigned({ iss: gateway.url, aud: 'gateway' });
    const { states, of } = await examined({ env: { HOOPCTL_GATEWAY: gateway.url, HOOPCTL_TOKEN: token } });
    expect(states).toMatchObject({ 'gateway reachable': 'ok', clock: 'failed', login: 'failed' });
    expect(of('gateway ready')).toMatchObject({ state: 'failed', found: 'gw-1 cannot reach its store' });
    expect(of('clock').found).toMatch(/^3(599|600|601) s ahead of the gateway's$/);
  });

  it('tells a certificate that is not trusted, whoever vouched for it before', async () => {
    const [before, after] = [await certificates(), await certificates()];
    await using gateway = await scriptedGateway({ tls: after.tls });
    const home = temporaryDirectory('home');
    const save = (ca?: string) =>
      openGateways(userPaths({ HOME: home }, 'linux')).save(
        { url: gateway.url, ...(ca === undefined ? {} : { ca }) },
        true,
      );
    const found = async (...argv: string[]) => {
      const { out } = await hoopctl(['doctor', '--json', ...argv], { env: { HOME: home } });
      return (JSON.parse(out) as Report).checks.find(({ check }) => check === 'certificate');
    };
    const [old] = await fingerprintsOf(before.ca);
    const [shown] = await fingerprintsOf(after.ca);
    await save(after.ca);
    // Trusted; the test's certificates end in two days.
    expect(await found()).toMatchObject({ state: 'warning', found: expect.stringContaining(`, pinned, ${shown}`) });
    await save(before.ca);
    const changed = `has changed: trusted until now was ${old}, shown now is ${shown} (CN=hoopctl test CA)`;
    expect(await found()).toMatchObject({
      ...{ state: 'failed', found: expect.stringContaining(changed) },
      fix: expect.stringContaining('only if they confirm the new fingerprint: hoopctl login'),
    });
    expect(await found('--ca-file', after.caFile)).toMatchObject({ state: 'warning' });
    expect(await found('--ca-file', before.caFile)).toMatchObject({
      state: 'failed',
      fix: expect.stringContaining('CA'),
    });
    await save();
    expect(await found()).toMatchObject({
      ...{ state: 'failed', found: expect.stringMatching(`is signed by nobody this machine trusts: ${shown}$`) },
      fix: expect.stringContaining('--ca-file'),
    });
  });

  it('tells a gateway that stops as what it is', async () => {
    await using gateway = await scriptedGateway({
      routes: { '/readyz': () => [503, { state: 'stopping', store: 'ok', gateway: 'gw-1' }] },
    });
    const { of } = await examined({ env: { HOOPCTL_GATEWAY: gateway.url } });
    expect(of('gateway ready')).toEqual({
      ...{ check: 'gateway ready', state: 'failed', found: 'gw-1 is stopping' },
      fix: 'it takes no new sessions: try again when it is back',
    });
  });

  it('tells an admin which credentials the gateway cannot find', async () => {
    const missing = [
      {
        ...{ connection: 'db', where: 'connections.db.credentials.password', reference: 'env:PW', why: 'is not set' },
        fix: 'set it',
      },
    ];
    const me = { 'GET me': { principal: { subject: 'u1' }, roles: ['admin'] } };
    await using gateway = await fakeGateway({ ...me, 'GET admin/credentials': { missing } });
    await using whole = await fakeGateway({ ...me, 'GET admin/credentials': { missing: [] } });
    const at = ({ url, token }: { url: string; token: string }) =>
      examined({ env: { HOOPCTL_GATEWAY: url, HOOPCTL_TOKEN: token } });
    const { code, of } = await at(gateway);
    expect(code).toBe(1);
    expect(of('credentials of connections')).toEqual({
      check: 'credentials of connections',
      state: 'failed',
      found: 'connections.db.credentials.password is env:PW, which is not set',
      fix: 'set it',
    });
    expect((await at(whole)).states).toMatchObject({ 'credentials of connections': 'ok' });
  });

  it('tells an admin of secrets of what the gateway sends, and of issuers that do not answer it', async () => {
    const secret = { where: 'webhooks[0].secret', reference: 'env:HOOK', why: 'is not set', fix: 'set it' };
    const issuer = { name: 'corp', error: 'cannot check a token of issuer "corp": ECONNREFUSED', fix: 'check its URL' };
    const me = { 'GET me': { principal: { subject: 'u1' }, roles: ['admin'] } };
    const at = async (secrets: object[], issuers: object[]) => {
      await using gateway = await fakeGateway({ ...me, 'GET admin/credentials': { missing: [], secrets, issuers } });
      return await examined({ env: { HOOPCTL_GATEWAY: gateway.url, HOOPCTL_TOKEN: gateway.token } });
    };
    const { code, of } = await at([{ ...secret, stops: 'webhook "ops" is sent nothing' }], [issuer]);
    expect(code).toBe(1);
    expect(of('secrets of what it sends')).toMatchObject({
      ...{ state: 'failed', fix: 'set it' },
      found: 'webhooks[0].secret is env:HOOK, which is not set; webhook "ops" is sent nothing',
    });
    expect(of('issuers')).toMatchObject({ state: 'failed', found: issuer.error, fix: 'check its URL' });
    expect((await at([], [])).states).toMatchObject({ 'secrets of what it sends': 'ok', issuers: 'ok' });
  });

  it('prints each check with its state and what to do next', async () => {
    const { out } = await hoopctl(['doctor']);
    expect(out).toMatch(/^ok {7}node +version /m);
    expect(out).toMatch(/^failed {3}gateway known +no gateway is known\n +next: run 'hoopctl login GATEWAY_URL'/m);
  });
});
