import { createHmac, generateKeyPairSync } from 'node:crypto';
import { base64url, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Authenticator, type Trust } from '../../../../src/session/identity/authenticator.ts';
import { type IssuerKeys, localKeys } from '../../../../src/session/identity/keys.ts';
import { displayName } from '../../../../src/session/identity/principal.ts';
import { GatewayTokens } from '../../../../src/session/identity/tokens.ts';
import { memoryServiceAccounts } from '../../../support/identity-stores.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const CORP = 'https://id.example.com';
const CI = 'https://ci.example.com';

let now = NOW;
const clock = { now: () => now };
type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
let corpKey: Key;
let ciKey: Key;
let gatewayKey: Key;
let trust: Trust;
let tokens: GatewayTokens;
let authenticator: Authenticator;
const revokedTokens = new Set<string>();
const liftedRevocations = new Map<string, number>();
const revokedPrincipals = new Set<string>();

async function pair(kid: string): Promise<{ key: Key; keys: IssuerKeys; jwk: object }> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256' };
  return { key: privateKey, keys: localKeys(() => ({ keys: [jwk] }) as never), jwk };
}

beforeAll(async () => {
  const [corp, ci, gateway] = [await pair('corp-1'), await pair('ci-1'), await pair('gw-1')];
  corpKey = corp.key;
  ciKey = ci.key;
  gatewayKey = gateway.key;
  trust = {
    issuers: [{ name: 'corp', issuer: CORP, audiences: ['hoopctl', 'api'], groups: 'realm.groups', keys: corp.keys }],
    workloads: [
      {
        name: 'ci-main',
        issuer: CI,
        audiences: ['https://gw'],
        groups: ['deployers'],
        when: { repository: ['acme/*'], ref: ['refs/heads/main', 'refs/tags/v*'] },
        keys: ci.keys,
      },
      {
        name: 'ci-any',
        issuer: CI,
        audiences: ['https://gw'],
        groups: [],
        when: { repository: ['acme/docs'] },
        keys: ci.keys,
      },
    ],
  };
  tokens = new GatewayTokens({
    keys: { current: () => ({ kid: 'gw-1', key: gatewayKey }), jwks: () => ({ keys: [gateway.jwk] }) as never },
    issuer: 'https://gw',
    clock,
  });
  authenticator = new Authenticator({
    tokens,
    trust: () => trust,
    serviceAccounts: memoryServiceAccounts({ deploy: 'right secret' }),
    revocations: {
      revoked: (issuer, subject) => revokedPrincipals.has(`${issuer}|${subject}`),
      tokenRevoked: (jti) => revokedTokens.has(jti),
      outdated: (issuer, subject, issuedAt) => issuedAt < (liftedRevocations.get(`${issuer}|${subject}`) ?? 0),
    },
    clock,
  });
});

beforeEach(() => {
  now = NOW;
  revokedTokens.clear();
  liftedRevocations.clear();
  revokedPrincipals.clear();
});

const PERSON = { iss: CORP, aud: 'hoopctl', sub: 'u-1', email: 'alice@example.com', realm: { groups: ['dev'] } };
const JOB = { iss: CI, aud: 'https://gw', sub: 'repo:acme/app', repository: 'acme/app', ref: 'refs/heads/main' };

function sign(claims: JWTPayload, key: Key, header: Record<string, string> = {}): Promise<string> {
  const seconds = Math.floor(NOW / 1000);
  return new SignJWT({ iat: seconds, exp: seconds + 300, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: claims.iss === CI ? 'ci-1' : 'corp-1', ...header })
    .sign(key);
}

const person = (claims: JWTPayload = {}, header = {}) => sign({ ...PERSON, ...claims }, corpKey, header);
const job = (claims: JWTPayload = {}) => sign({ ...JOB, ...claims }, ciKey);
const refused = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error as { code: string; message: string; fix?: string },
  );

describe('a token of an issuer', () => {
  it('becomes a person with groups from a nested claim', async () => {
    const { principal } = await authenticator.exchange(
      await person({ department: 'it', phone_number: '1' }),
      undefined,
    );
    expect(principal).toEqual({
      kind: 'person',
      subject: 'u-1',
      issuer: 'corp',
      email: 'alice@example.com',
      groups: ['dev'],
      claims: { department: 'it' },
    });
  });

  it('may be an access token for the further audience', async () => {
    await expect(
      authenticator.exchange(await person({ aud: 'api' }, { typ: 'at+jwt' }), undefined),
    ).resolves.toBeDefined();
  });

  it('is refused with every claim that is wrong, each with its reason', async () => {
    const error = await refused(
      authenticator.exchange(
        await person({ aud: 'other', sub: undefined, nbf: NOW / 1000 + 600 } as JWTPayload),
        undefined,
      ),
    );
    expect(error?.code).toBe('token_invalid');
    expect(error?.message).toBe(
      'token of issuer "corp" refused: "aud" is "other", expected "hoopctl" or "api"; "sub" is missing; "nbf" is in the future',
    );
  });

  it('expires, after a minute for the clocks', async () => {
    const token = await person();
    now = NOW + 300_000 + 59_000;
    await expect(authenticator.exchange(token, undefined)).resolves.toBeDefined();
    now = NOW + 300_000 + 60_000;
    await expect(authenticator.exchange(token, undefined)).rejects.toMatchObject({ code: 'token_expired' });
  });

  it('may be issued up to a minute ahead of our clock, no more', async () => {
    await expect(authenticator.exchange(await person({ iat: NOW / 1000 + 50 }), undefined)).resolves.toBeDefined();
    const error = await refused(authenticator.exchange(await person({ iat: NOW / 1000 + 70 }), undefined));
    expect(error?.message).toContain('"iat" is in the future');
    expect(error?.fix).toContain('compare the clocks');
  });

  it('needs an end', async () => {
    const error = await refused(authenticator.exchange(await person({ exp: undefined } as JWTPayload), undefined));
    expect(error?.message).toContain('"exp" is missing');
  });

  it('made for several parties has to name us as the one it was made for', async () => {
    const error = await refused(authenticator.exchange(await person({ aud: ['hoopctl', 'x'], azp: 'x' }), undefined));
    expect(error?.message).toContain('"azp" is "x"');
  });

  it('without an issuer of ours is refused', async () => {
    const error = await refused(authenticator.exchange(await person({ iss: 'https://evil.example.com' }), undefined));
    expect(error).toMatchObject({
      code: 'token_invalid',
      message: expect.stringContaining('https://evil.example.com'),
    });
    expect(await refused(authenticator.exchange('opaque-token', undefined))).toMatchObject({ code: 'token_invalid' });
  });

  it('leaves out an address that the issuer has not verified', async () => {
    const { principal } = await authenticator.exchange(await person({ email_verified: false }), undefined);
    expect(principal.email).toBeUndefined();
  });

  it('is no bearer before it was exchanged', async () => {
    const error = await refused(authenticator.bearer(await person(), undefined));
    expect(error?.message).toContain('has to be exchanged');
  });
});

describe('a forged token', () => {
  it('signed by another key is refused', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const error = await refused(authenticator.exchange(await sign(PERSON, privateKey), undefined));
    expect(error?.message).toContain('its signature does not fit');
  });

  it('signed by a key that is not published is refused', async () => {
    const error = await refused(authenticator.exchange(await person({}, { kid: 'corp-2' }), undefined));
    expect(error?.message).toContain('a key that the issuer does not publish');
  });

  it('with a changed claim is refused', async () => {
    const [header, , signature] = (await person()).split('.');
    const claims = { ...PERSON, realm: { groups: ['admins'] }, exp: NOW / 1000 + 300 };
    const token = `${header}.${base64url.encode(JSON.stringify(claims))}.${signature}`;
    expect(await refused(authenticator.exchange(token, undefined))).toMatchObject({ code: 'token_invalid' });
  });

  it('with algorithm none is refused', async () => {
    const header = base64url.encode(JSON.stringify({ alg: 'none' }));
    const body = base64url.encode(JSON.stringify({ ...PERSON, exp: NOW / 1000 + 300 }));
    const error = await refused(authenticator.exchange(`${header}.${body}.`, undefined));
    expect(error?.code).toBe('token_invalid');
  });

  it('signed with the public key as a shared secret is refused', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const secret = publicKey.export({ type: 'spki', format: 'pem' });
    const header = base64url.encode(JSON.stringify({ alg: 'HS256', kid: 'corp-1' }));
    const body = base64url.encode(JSON.stringify({ ...PERSON, exp: NOW / 1000 + 300 }));
    const signature = createHmac('sha256', secret).update(`${header}.${body}`).digest('base64url');
    const error = await refused(authenticator.exchange(`${header}.${body}.${signature}`, undefined));
    expect(error?.message).toContain('algorithm "HS256"');
  });

  it('of another kind, such as a logout token, is refused', async () => {
    const error = await refused(authenticator.exchange(await person({}, { typ: 'logout+jwt' }), undefined));
    expect(error?.message).toContain('"typ" is "logout+jwt"');
  });

  it('of enormous length is not looked at', async () => {
    const error = await refused(authenticator.exchange(await person({ x: 'y'.repeat(20_000) }), undefined));
    expect(error?.message).toContain('longer than');
  });
});

describe('a trusted workload', () => {
  it('is taken as bearer when every condition holds, with the groups configured for it', async () => {
    const { principal } = await authenticator.bearer(await job(), undefined);
    expect(principal).toMatchObject({
      kind: 'workload',
      issuer: 'ci-main',
      subject: 'repo:acme/app',
      groups: ['deployers'],
    });
    expect(principal.claims).toMatchObject({ repository: 'acme/app', ref: 'refs/heads/main' });
  });

  it('falls through to the next entry of the same issuer', async () => {
    const { principal } = await authenticator.bearer(
      await job({ repository: 'acme/docs', ref: 'refs/pull/1' }),
      undefined,
    );
    expect(principal).toMatchObject({ issuer: 'ci-any', groups: [] });
  });

  it('is refused when a claim does not fit, and told which', async () => {
    const error = await refused(authenticator.bearer(await job({ ref: 'refs/heads/main-evil' }), undefined));
    expect(error?.message).toContain('"ref" is "refs/heads/main-evil", expected refs/heads/main or refs/tags/v*');
  });

  it('is refused when a claim is missing or the repository only ends like a trusted one', async () => {
    const { repository: _, ...rest } = JOB;
    const error = await refused(authenticator.bearer(await sign(rest, ciKey), undefined));
    expect(error?.message).toContain('"repository" is missing');
    expect(await refused(authenticator.bearer(await job({ repository: 'evil/acme/app' }), undefined))).toBeDefined();
  });

  it('cannot pass for a person of another issuer', async () => {
    const token = await sign({ ...PERSON, iss: CORP }, ciKey, { kid: 'ci-1' });
    expect(await refused(authenticator.exchange(token, undefined))).toMatchObject({ code: 'token_invalid' });
  });
});

describe('the gateway’s own tokens', () => {
  it('carry the principal there and back', async () => {
    const { principal } = await authenticator.exchange(await person(), 'claude');
    const issued = await tokens.issue(principal);
    expect(issued.expiresAt).toBe(NOW + 15 * 60_000);
    const back = await authenticator.bearer(issued.token, undefined);
    expect(back.principal).toEqual(principal);
    expect(displayName(back.principal)).toBe('alice@example.com (agent: claude)');
  });

  it('cannot be exchanged for another, which would let one live for ever', async () => {
    const { principal } = await authenticator.exchange(await person(), undefined);
    const { token } = await tokens.issue(principal);
    expect(await refused(authenticator.exchange(token, undefined))).toMatchObject({ code: 'token_invalid' });
  });

  it('expire and are revoked by their id', async () => {
    const { principal } = await authenticator.exchange(await person(), undefined);
    const issued = await tokens.issue(principal);
    revokedTokens.add(issued.jti);
    expect(await refused(authenticator.bearer(issued.token, undefined))).toMatchObject({ code: 'token_invalid' });
    revokedTokens.clear();
    now = NOW + 15 * 60_000 - 1;
    await expect(authenticator.bearer(issued.token, undefined)).resolves.toBeDefined();
    now = NOW + 15 * 60_000;
    expect(await refused(authenticator.bearer(issued.token, undefined))).toMatchObject({ code: 'token_expired' });
  });

  it('of before a revocation that was taken back stay refused, and so does what they would be exchanged for', async () => {
    const outside = await person();
    const { principal } = await authenticator.exchange(outside, undefined);
    const before = await tokens.issue(principal);
    liftedRevocations.set('corp|u-1', NOW + 1);
    expect(await refused(authenticator.bearer(before.token, undefined))).toMatchObject({ code: 'token_invalid' });
    expect(await refused(authenticator.exchange(outside, undefined))).toMatchObject({ code: 'token_invalid' });
    now = NOW + 1;
    const after = await tokens.issue(principal);
    await expect(authenticator.bearer(after.token, undefined)).resolves.toMatchObject({ principal });
  });

  it('are refused for a principal that was revoked', async () => {
    const { principal } = await authenticator.exchange(await person(), undefined);
    const { token } = await tokens.issue(principal);
    revokedPrincipals.add('corp|u-1');
    expect(await refused(authenticator.bearer(token, undefined))).toMatchObject({ code: 'principal_revoked' });
    expect(await refused(authenticator.exchange(await person(), undefined))).toMatchObject({
      code: 'principal_revoked',
    });
  });

  it('for a connection are good for it, for its user, and for nothing else', async () => {
    const { principal } = await authenticator.exchange(await person(), undefined);
    const { token } = await tokens.issueForConnection(principal, 'prod-db', 60_000, 'ticket 7');
    const found = await authenticator.password(token, 'alice@example.com', 'prod-db');
    expect(found).toMatchObject({ principal: { subject: 'u-1' }, reason: 'ticket 7' });
    await expect(authenticator.password(token, 'u-1', 'prod-db')).resolves.toBeDefined();
    expect(await refused(authenticator.password(token, 'bob', 'prod-db'))).toMatchObject({ code: 'token_invalid' });
    expect(await refused(authenticator.password(token, 'u-1', 'other'))).toMatchObject({ code: 'token_invalid' });
    expect(await refused(authenticator.bearer(token, undefined))).toMatchObject({ code: 'token_invalid' });
    const access = (await tokens.issue(principal)).token;
    expect(await refused(authenticator.password(access, 'u-1', 'prod-db'))).toMatchObject({ code: 'token_invalid' });
  });
});

describe('an actor', () => {
  it('declared by a header stands beside the person, and never replaces the token’s', async () => {
    const declared = await authenticator.exchange(await person(), 'claude');
    expect(declared.principal).toMatchObject({ kind: 'agent', subject: 'u-1', actor: 'claude' });
    const token = await person({ act: { sub: 'from-token', act: { sub: 'before' } } });
    const carried = await authenticator.exchange(token, 'claude');
    expect(carried.principal).toMatchObject({ kind: 'agent', actor: 'from-token' });
  });

  it('with a name that could deceive in a record is refused', async () => {
    for (const name of ['a\nb', '', ' x', 'x'.repeat(65), '<b>', 'a"b']) {
      expect(await refused(authenticator.exchange(await person(), name))).toMatchObject({ code: 'usage' });
    }
  });
});

describe('a service account', () => {
  it('is a workload when its secret is right', async () => {
    const { principal } = await authenticator.serviceAccount('deploy', 'right secret', undefined);
    expect(principal).toMatchObject({
      kind: 'workload',
      issuer: 'service-accounts',
      subject: 'deploy',
      groups: ['ci'],
    });
  });

  it('is refused in the same words for an unknown name and a wrong secret', async () => {
    const wrong = await refused(authenticator.serviceAccount('deploy', 'wrong', undefined));
    const unknown = await refused(authenticator.serviceAccount('nobody', 'wrong', undefined));
    expect(wrong?.message).toBe(unknown?.message);
  });
});
