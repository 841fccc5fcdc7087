// The other sides of a login, each a script: an issuer of device codes, and the gateway's endpoints that a login uses.

import { createServer as createHttp, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Listening {
  readonly url: string;
  readonly server: Server;
  [Symbol.asyncDispose](): Promise<void>;
}

/** On a free port of 127.0.0.1, with TLS where a key is given. */
export async function listen(
  handler: RequestListener,
  tls?: { key: string; cert: string },
  port = 0,
): Promise<Listening> {
  const server = tls === undefined ? createHttp(handler) : createHttps(tls, handler);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${bound}`,
    server: server as Server,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

/** A token that says what it is given and is signed by nobody. */
export function unsigned(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.${Buffer.from('signature').toString('base64url')}`;
}

export interface IssuerScript {
  /** What the token endpoint says to each device poll; the last one is repeated. `ok` gives tokens. */
  polls?: string[];
  interval?: number;
  expiresIn?: number;
  /** The issuer's clock minus the machine's, ms. */
  skewMs?: number;
  /** Seconds that polls were apart are told here. */
  noDevice?: boolean;
  noIdToken?: boolean;
  noRefreshToken?: boolean;
  noRevocation?: boolean;
}

export interface ScriptedIssuer extends Listening {
  /** Times (ms) of the polls. */
  readonly polled: number[];
  /** Refresh tokens in the order they were used. */
  readonly refreshed: string[];
  readonly revoked: string[];
  /** Query of the device authorization request. */
  readonly asked: URLSearchParams[];
  script: IssuerScript;
}

/** RFC 8628 as a script. Refresh tokens rotate; a reused one revokes the login, as real issuers do. */
export async function scriptedIssuer(script: IssuerScript = {}): Promise<ScriptedIssuer> {
  const state = { valid: 'refresh-0', count: 0, dead: false, polls: 0 };
  const record = {
    polled: [] as number[],
    refreshed: [] as string[],
    revoked: [] as string[],
    asked: [] as URLSearchParams[],
  };
  const made: ScriptedIssuer = { ...record, script } as ScriptedIssuer;
  const now = () => Math.floor((Date.now() + (made.script.skewMs ?? 0)) / 1000);
  const tokens = () => ({
    access_token: 'access',
    token_type: 'bearer',
    expires_in: 300,
    ...(made.script.noIdToken
      ? {}
      : { id_token: unsigned({ iss: made.url, aud: 'hoopctl', sub: 'alice', iat: now(), exp: now() + 300 }) }),
    ...(made.script.noRefreshToken ? {} : { refresh_token: state.valid }),
  });
  const handle = async (path: string, form: URLSearchParams): Promise<[number, object]> => {
    const { script: now_ } = made;
    if (path === '/.well-known/openid-configuration') return [200, metadata(made.url, now_)];
    if (path === '/device') {
      made.asked.push(form);
      return [
        200,
        {
          device_code: 'device',
          user_code: 'ABCD-EFGH',
          verification_uri: `${made.url}/activate`,
          verification_uri_complete: `${made.url}/activate?code=ABCD-EFGH`,
          expires_in: now_.expiresIn ?? 60,
          interval: now_.interval ?? 0.02,
        },
      ];
    }
    if (path === '/revoke') {
      made.revoked.push(form.get('token') ?? '');
      return [200, {}];
    }
    if (form.get('grant_type') === 'refresh_token') {
      const used = form.get('refresh_token') ?? '';
      made.refreshed.push(used);
      if (state.dead || used !== state.valid) {
        state.dead = true;
        return [400, { error: 'invalid_grant' }];
      }
      state.count += 1;
      state.valid = `refresh-${state.count}`;
      return [200, tokens()];
    }
    made.polled.push(Date.now());
    const polls = now_.polls ?? ['ok'];
    const answer = polls[Math.min(state.polls++, polls.length - 1)]!;
    return answer === 'ok' ? [200, tokens()] : [400, { error: answer }];
  };
  const listening = await listen((request, response) => {
    void bodyOf(request).then(async (body) => {
      const [status, answer] = await handle(
        new URL(request.url ?? '/', 'http://x').pathname,
        new URLSearchParams(body),
      );
      response.setHeader('date', new Date(Date.now() + (made.script.skewMs ?? 0)).toUTCString());
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  return Object.assign(made, listening, { [Symbol.asyncDispose]: listening[Symbol.asyncDispose] });
}

function metadata(issuer: string, script: IssuerScript): object {
  return {
    issuer,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    authorization_endpoint: `${issuer}/authorize`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    ...(script.noDevice ? {} : { device_authorization_endpoint: `${issuer}/device` }),
    ...(script.noRevocation ? {} : { revocation_endpoint: `${issuer}/revoke` }),
  };
}

export interface ScriptedGateway extends Listening {
  /** Bodies of the token endpoint, as forms. */
  readonly exchanged: URLSearchParams[];
  readonly revoked: string[];
  /** Seconds that its tokens last. */
  lifetime: number;
  issuers: object[];
  /** What the token endpoint refuses with, while set. */
  refuse: object | undefined;
}

export interface GatewayScript {
  tls?: { key: string; cert: string };
  port?: number;
  skewMs?: number;
  /** Everything else: path → JSON. */
  routes?: Record<string, (request: IncomingMessage, body: string) => [number, unknown] | undefined>;
}

/** The gateway's login endpoints; tokens are `gateway-1`, `gateway-2`, … */
export async function scriptedGateway(script: GatewayScript = {}): Promise<ScriptedGateway> {
  const made = {
    exchanged: [],
    revoked: [],
    lifetime: 900,
    issuers: [],
    refuse: undefined,
  } as unknown as ScriptedGateway;
  const listening = await listen(
    (request, response) => {
      void bodyOf(request).then((body) => {
        const [status, answer] = answerOf(made, script, request, body);
        response.setHeader('date', new Date(Date.now() + (script.skewMs ?? 0)).toUTCString());
        const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
        response.writeHead(status, { 'content-type': 'application/json' }).end(text);
      });
    },
    script.tls,
    script.port,
  );
  return Object.assign(made, listening, { [Symbol.asyncDispose]: listening[Symbol.asyncDispose] });
}

function answerOf(
  made: ScriptedGateway,
  script: GatewayScript,
  request: IncomingMessage,
  body: string,
): [number, unknown] {
  const path = new URL(request.url ?? '/', 'http://x').pathname;
  const own = script.routes?.[path]?.(request, body) ?? script.routes?.['*']?.(request, body);
  if (own !== undefined) return own;
  if (path === '/.well-known/hoopctl') return [200, { version: '1', name: 'test', issuers: made.issuers, native: {} }];
  if (path === '/api/v1/token') {
    const form = new URLSearchParams(body);
    made.exchanged.push(form);
    if (made.refuse !== undefined) return [401, made.refuse];
    const principal = { kind: 'person', subject: 'alice', issuer: 'corp', email: 'alice@example.com', groups: ['dba'] };
    return [
      200,
      { access_token: `gateway-${made.exchanged.length}`, token_type: 'Bearer', expires_in: made.lifetime, principal },
    ];
  }
  if (path === '/api/v1/token/revoke') {
    made.revoked.push((request.headers.authorization ?? '').replace('Bearer ', ''));
    return [204, ''];
  }
  return [404, { error: { code: 'not_found', message: `there is no ${path}` } }];
}
