// A standard OpenID Connect issuer of its own, run as a process beside the gateway: oidc-provider as it comes, with its
// development pages. Prints one JSON line {issuer} when it listens. Arguments: PORT, then JSON of IssuerSettings.
// Plain HTTP on 127.0.0.1.

import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import { Provider } from 'oidc-provider';
import type { IssuerSettings } from './issuer.ts';

const port = Number(process.argv[2]);
const settings = JSON.parse(process.argv[3] ?? '{}') as IssuerSettings;
const issuer = `http://127.0.0.1:${port}`;

const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const jwk = { ...(await exportJWK(privateKey)), kid: 'test-1', alg: 'ES256', use: 'sig' };

const provider = new Provider(issuer, {
  jwks: { keys: [jwk] },
  clients: [
    {
      client_id: 'hoopctl',
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: 'ES256',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: [],
      redirect_uris: [],
      application_type: 'native',
    },
  ],
  features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true }, revocation: { enabled: true } },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
  scopes: ['openid', 'email', 'profile', 'offline_access'],
  // Otherwise claims of scopes would be at the userinfo endpoint only.
  conformIdTokenClaims: false,
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  ttl: {
    AccessToken: settings.accessTokenSeconds ?? 3600,
    IdToken: settings.idTokenSeconds ?? 3600,
    RefreshToken: 86_400,
    DeviceCode: settings.deviceCodeSeconds ?? 600,
    Grant: 86_400,
    Session: 86_400,
    Interaction: 3600,
  },
  findAccount: (_, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id,
      email: `${id}@corp.example`,
      email_verified: true,
      name: id,
      groups: settings.groups?.[id] ?? [],
    }),
  }),
});

const handle = provider.callback();
const signing = await importJWK(jwk, 'ES256');

/** POST /mint: a token with any claims, as a CI system would give to its job. */
async function mint(body: string): Promise<string> {
  const { seconds = 300, ...claims } = JSON.parse(body) as Record<string, unknown> & { seconds?: number };
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ iss: issuer, iat: now, nbf: now - 5, exp: now + Number(seconds), ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'test-1', typ: 'JWT' })
    .sign(signing);
}

const server = createServer((request, response) => {
  if (request.url?.startsWith('/mint') !== true) {
    void handle(request, response);
    return;
  }
  let body = '';
  request.on('data', (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on('end', () => {
    // A CI's token endpoint answers JSON {value}; `audience` in the query is the CI's own way to ask for one.
    const asked = new URL(request.url ?? '', issuer).searchParams.get('audience');
    mint(body === '' ? JSON.stringify({ ...settings.workload, aud: asked ?? 'hoopctl' }) : body).then(
      (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify({ value })),
      (error: unknown) => {
        response.statusCode = 400;
        response.end(String(error));
      },
    );
  });
});
server.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ issuer })));
