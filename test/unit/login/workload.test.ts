// Tokens from the environment: which one counts, and what the gateway is shown.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ciSource, explicitSource } from '../../../src/login/workload.ts';
import { temporaryDirectory } from '../../support/process.ts';
import { listen, scriptedGateway, unsigned } from './servers.ts';

const everything = {
  HOOPCTL_TOKEN_FILE: '/f',
  HOOPCTL_TOKEN: 't',
  HOOPCTL_CLIENT_ID: 'id',
  HOOPCTL_CLIENT_SECRET: 's',
  HOOPCTL_ID_TOKEN: 'i',
};

describe('the environment', () => {
  it('counts in a fixed order', () => {
    const order: (string | undefined)[] = [];
    const env: Record<string, string | undefined> = { ...everything };
    for (;;) {
      const from = explicitSource(env, 'https://gw', {})?.from;
      order.push(from);
      if (from === undefined) break;
      env[from] = undefined;
    }
    expect(order).toEqual(['HOOPCTL_TOKEN_FILE', 'HOOPCTL_TOKEN', 'HOOPCTL_CLIENT_ID', 'HOOPCTL_ID_TOKEN', undefined]);
  });

  it('gives a foreign token, which is exchanged', async () => {
    await using gateway = await scriptedGateway();
    const token = unsigned({ iss: 'https://ci.example.com', aud: 'hoopctl' });
    const source = explicitSource({ HOOPCTL_TOKEN: token }, gateway.url, {})!;
    expect(await source.tokens.token()).toBe('gateway-1');
    expect(Object.fromEntries(gateway.exchanged[0]!)).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    });
  });

  it('gives a token that the gateway cannot check, and the next step is told', async () => {
    const refused = { error: { code: 'issuer_unreachable', message: 'ECONNREFUSED', next: 'check its URL' } };
    await using gateway = await scriptedGateway({ routes: { '*': () => [502, refused] } });
    const { tokens } = explicitSource({ HOOPCTL_TOKEN: unsigned({ iss: 'https://ci', aud: 'x' }) }, gateway.url, {})!;
    await expect(tokens.token()).rejects.toMatchObject({ code: 'gateway_error', fix: 'check its URL' });
  });

  it("gives a token of the gateway's own, which is used as it is", async () => {
    await using gateway = await scriptedGateway();
    const token = unsigned({ iss: gateway.url, aud: 'gateway' });
    expect(await explicitSource({ HOOPCTL_TOKEN: token }, gateway.url, {})!.tokens.token()).toBe(token);
    expect(gateway.exchanged).toEqual([]);
  });

  it('names a file, which is read anew at each renewal', async () => {
    await using gateway = await scriptedGateway();
    const file = join(temporaryDirectory('workload'), 'token');
    writeFileSync(file, 'first\n');
    const { tokens } = explicitSource({ HOOPCTL_TOKEN_FILE: file }, gateway.url, {})!;
    await tokens.token();
    writeFileSync(file, 'second\n');
    await tokens.token();
    await tokens.token({ renew: true });
    expect(gateway.exchanged.map((form) => form.get('subject_token'))).toEqual(['first', 'second']);
    rmSync(file);
    await expect(tokens.token({ renew: true })).rejects.toMatchObject({ code: 'login_needed' });
  });

  it('gives a service account, its secret from a file before the variable', async () => {
    await using gateway = await scriptedGateway();
    const file = join(temporaryDirectory('workload'), 'secret');
    writeFileSync(file, 'from-file\n');
    const env = { HOOPCTL_CLIENT_ID: 'ci-bot', HOOPCTL_CLIENT_SECRET: 'from-variable' };
    await explicitSource({ ...env, HOOPCTL_CLIENT_SECRET_FILE: file }, gateway.url, {})!.tokens.token();
    await explicitSource(env, gateway.url, {})!.tokens.token();
    expect(gateway.exchanged.map((form) => Object.fromEntries(form))).toEqual([
      { grant_type: 'client_credentials', client_id: 'ci-bot', client_secret: 'from-file' },
      { grant_type: 'client_credentials', client_id: 'ci-bot', client_secret: 'from-variable' },
    ]);
    await expect(explicitSource({ HOOPCTL_CLIENT_ID: 'x' }, gateway.url, {})!.tokens.token()).rejects.toMatchObject({
      code: 'login_needed',
    });
  });

  it('says whose secret was refused, and never the secret', async () => {
    await using gateway = await scriptedGateway();
    gateway.refuse = { error: { code: 'token_invalid', message: 'no' } };
    const { tokens } = explicitSource({ HOOPCTL_CLIENT_ID: 'ci-bot', HOOPCTL_CLIENT_SECRET: 'hush' }, gateway.url, {})!;
    const error = await tokens.token().catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: 'token_invalid',
      message: "the gateway refused the service account 'ci-bot': no",
    });
    expect(JSON.stringify(error) + error.stack).not.toContain('hush');
  });
});

describe("the CI's own endpoint", () => {
  it('is asked for a token for this gateway', async () => {
    await using gateway = await scriptedGateway();
    const seen: unknown[] = [];
    await using ci = await listen((request, response) => {
      seen.push([request.url, request.headers.authorization]);
      response.end(JSON.stringify({ value: 'ci-token' }));
    });
    const env = { ACTIONS_ID_TOKEN_REQUEST_URL: `${ci.url}/?v=1`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'ask' };
    expect(await ciSource(env, gateway.url, {})!.tokens.token()).toBe('gateway-1');
    expect(await ciSource({ ...env, HOOPCTL_AUDIENCE: 'hoop' }, gateway.url, {})!.tokens.token()).toBe('gateway-2');
    expect(seen).toEqual([
      [`/?v=1&audience=${encodeURIComponent(gateway.url)}`, 'Bearer ask'],
      ['/?v=1&audience=hoop', 'Bearer ask'],
    ]);
    expect(gateway.exchanged[0]!.get('subject_token')).toBe('ci-token');
    expect(ciSource({}, gateway.url, {})).toBeUndefined();
  });

  it('that gives none is told of with what the job lacks', async () => {
    await using ci = await listen((_, response) => response.writeHead(403).end('{}'));
    const env = { ACTIONS_ID_TOKEN_REQUEST_URL: ci.url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'ask' };
    await expect(ciSource(env, 'https://gw', {})!.tokens.token()).rejects.toMatchObject({
      fix: "give the job the permission 'id-token: write'",
    });
  });
});
