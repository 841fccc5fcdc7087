import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeProtectedHeader } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cookieSecrets, KEY_VERIFIES_MS, KeyFile, maskKey, SIGNING_KEY_MS } from '../../../src/gateway/keys.ts';
import type { Principal } from '../../../src/session/identity/principal.ts';
import type { PublicKey, SigningKeyStore } from '../../../src/session/identity/stores.ts';
import { GatewayTokens } from '../../../src/session/identity/tokens.ts';

let directory: string;
let now = Date.parse('2026-03-01T12:00:00Z');
const clock = { now: () => now };
const principal: Principal = { kind: 'person', subject: 'alice', issuer: 'corp', groups: [], claims: {} };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hoopctl-keys-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = () => KeyFile.open(directory, 'tokens', { clock });
const tokensOf = (keys: KeyFile) => new GatewayTokens({ keys, issuer: 'https://gw', clock });

describe('signing keys', () => {
  it('are kept, private, across starts', async () => {
    const { token } = await tokensOf(await open()).issue(principal);
    expect(statSync(join(directory, 'tokens.json')).mode & 0o777).toBe(0o600);
    expect((await tokensOf(await open()).verify(token)).principal).toEqual(principal);
  });

  it('publish no private half', async () => {
    const keys = await open();
    expect(JSON.stringify(keys.jwks())).not.toContain('"d"');
    expect(JSON.stringify(keys.privateJwks())).toContain('"d"');
  });

  it('that were rotated verify what they signed, and are forgotten after that', async () => {
    const keys = await open();
    const { token } = await tokensOf(keys).issue(principal);
    await keys.rotate();
    expect((await tokensOf(keys).verify(token)).principal.subject).toBe('alice');
    expect(keys.jwks().keys).toHaveLength(2);
    const fresh = await tokensOf(keys).issue(principal);
    expect(fresh.token.split('.')[0]).not.toBe(token.split('.')[0]);
    now += KEY_VERIFIES_MS + 1;
    await keys.rotate();
    expect(keys.jwks().keys).toHaveLength(2);
  });

  it('are rotated at a start when they have signed for long enough', async () => {
    const before = (await open()).current().kid;
    expect((await open()).current().kid).toBe(before);
    now += SIGNING_KEY_MS.value + 1;
    expect((await open()).current().kid).not.toBe(before);
  });

  it('of one gateway verify at another of the same store, also those made since, and are forgotten in time', async () => {
    const published = new Map<string, PublicKey & { purpose: string }>();
    const shared: SigningKeyStore = {
      async publish(purpose, keys) {
        for (const key of keys) published.set(key.kid, { ...key, purpose });
      },
      list: async (purpose, at) =>
        [...published.values()].filter((key) => key.purpose === purpose && key.verifiesUntil > at),
    };
    const options = { clock, shared, signsMs: () => 1000, tokensLastMs: () => KEY_VERIFIES_MS + 5000 };
    const [a, b] = ['a', 'b'].map((name) => join(directory, name)) as [string, string];
    for (const one of [a, b]) mkdirSync(one);
    const [here, there] = [await KeyFile.open(a, 'tokens', options), await KeyFile.open(b, 'tokens', options)];
    expect(JSON.stringify([...published.values()])).not.toContain('"d"');
    const { token } = await tokensOf(here).issue(principal);
    const verifier = tokensOf(there);
    expect((await verifier.verify(token)).principal).toEqual(principal);
    expect(await here.rotateWhenOld()).toBe(false);
    now += 1001;
    expect(await here.rotateWhenOld()).toBe(true);
    const fresh = (await tokensOf(here).issue(principal)).token;
    // It had not heard of that key.
    expect((await verifier.verify(fresh)).principal).toEqual(principal);
    expect((await verifier.verify(token)).principal).toEqual(principal);
    const other = await KeyFile.open(b, 'issuer', options);
    await expect(tokensOf(other).verify(fresh)).rejects.toMatchObject({ code: 'token_invalid' });
    now += KEY_VERIFIES_MS + 5001;
    await there.refresh();
    expect(there.jwks().keys.map(({ kid }) => kid)).not.toContain(decodeProtectedHeader(token).kid);
    expect(there.jwks().keys.map(({ kid }) => kid)).toContain(decodeProtectedHeader(fresh).kid);
  });

  it('that are damaged stop the start, and are not shown', async () => {
    await open();
    const path = join(directory, 'tokens.json');
    const secret = JSON.parse(readFileSync(path, 'utf8')).keys[0].jwk.d as string;
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, -20));
    const error = await open().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'store_failed', message: expect.stringContaining(path) });
    expect(`${error.message}${error.stack}`).not.toContain(secret);
  });
});

describe('other secrets of the gateway', () => {
  it('stay the same for as long as its data', () => {
    expect(maskKey(directory)).toHaveLength(32);
    expect(Buffer.from(maskKey(directory))).toEqual(Buffer.from(maskKey(directory)));
    expect(cookieSecrets(directory)).toEqual(cookieSecrets(directory));
    expect(statSync(join(directory, 'mask.key')).mode & 0o777).toBe(0o600);
  });
});
