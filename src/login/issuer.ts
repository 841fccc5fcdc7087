// The issuer's half of a login: device authorization (RFC 8628), refresh (RFC 6749 §6) and revocation (RFC 7009) through
// openid-client, with our own transport under it. Refuses to know: the gateway's tokens, where anything is kept.

import { hostname } from 'node:os';
import type * as OpenId from 'openid-client';
import { HoopctlError, peerError, userError } from '../core/errors.ts';
import type { IssuerRef } from './gateways.ts';
import { assertTransport, isLoopback, send, type Trust } from './http.ts';

/** Tokens as an issuer gave them. */
export interface IssuerTokens {
  /** What the gateway is shown: the ID token, or the access token of an issuer that gives none on renewal. */
  readonly subject: { readonly token: string; readonly type: 'id_token' | 'access_token' };
  readonly refreshToken: string | undefined;
}

export interface DeviceCode {
  readonly userCode: string;
  readonly url: string;
  /** With the code in it, where the issuer offers that. */
  readonly completeUrl: string | undefined;
  readonly expiresInMs: number;
}

export interface Issuer {
  /** Starts a device login; `show` is called once with what the person needs. Resolves when they are done. */
  device(
    show: (code: DeviceCode) => void | Promise<void>,
    signal: AbortSignal,
    again?: (why: string) => void,
  ): Promise<IssuerTokens>;
  refresh(refreshToken: string): Promise<IssuerTokens>;
  /** Best effort of the issuer: true when it has an endpoint and took it. */
  revoke(refreshToken: string): Promise<boolean>;
}

/** Clocks of issuers and laptops differ by seconds even when both are right. */
const TOLERANCE_S = 60;

/** Discovers the issuer. Errors: gateway_unreachable, gateway_error. `trust`: what is trusted for the gateway. */
export async function openIssuer(ref: IssuerRef, gatewayUrl: string, trust: Trust): Promise<Issuer> {
  const url = new URL(ref.issuer);
  assertTransport(url);
  const openid = await import('openid-client');
  const transport = new Transport(url.origin === new URL(gatewayUrl).origin ? trust : await widened(trust));
  const insecure = url.protocol === 'http:' && isLoopback(url.hostname);
  const execute = insecure ? [openid.allowInsecureRequests] : [];
  const found = await openid
    .discovery(url, ref.clientId, undefined, openid.None(), {
      [openid.customFetch]: transport.fetch,
      execute,
      timeout: 20,
    })
    .catch((error: unknown) => {
      throw atIssuer(translate(error, ref, 'discover'), ref, url.origin === new URL(gatewayUrl).origin);
    });
  // A second configuration, now that the issuer's clock was seen.
  const metadata = { [openid.clockSkew]: Math.round(transport.skewMs / 1000), [openid.clockTolerance]: TOLERANCE_S };
  const config = new openid.Configuration(found.serverMetadata(), ref.clientId, metadata, openid.None());
  config[openid.customFetch] = transport.fetch;
  config.timeout = 20;
  if (insecure) openid.allowInsecureRequests(config);
  return {
    device: (show, signal, again) => deviceFlow({ openid, config, ref, transport }, show, signal, again),
    refresh: async (refreshToken) => {
      try {
        return tokensOf(ref, await openid.refreshTokenGrant(config, refreshToken), refreshToken);
      } catch (error) {
        throw translate(error, ref, 'renew the login');
      }
    },
    revoke: async (refreshToken) => {
      if (config.serverMetadata().revocation_endpoint === undefined) return false;
      await openid.tokenRevocation(config, refreshToken, { token_type_hint: 'refresh_token' });
      return true;
    },
  };
}

/**
 * For an issuer at another address than the one that the gateway was reached by: the system's CAs, and what is trusted for
 * the gateway, whose embedded issuer has the gateway's first name only.
 */
async function widened({ ca }: Trust): Promise<Trust> {
  if (ca === undefined) return {};
  const { getCACertificates } = await import('node:tls');
  return { ca: [ca, ...getCACertificates('default')].join('\n') };
}

interface Parts {
  readonly openid: typeof OpenId;
  readonly config: OpenId.Configuration;
  readonly ref: IssuerRef;
  readonly transport: Transport;
}

async function deviceFlow(
  { openid, config, ref, transport }: Parts,
  show: (code: DeviceCode) => void | Promise<void>,
  signal: AbortSignal,
  again: ((why: string) => void) | undefined,
): Promise<IssuerTokens> {
  if (config.serverMetadata().device_authorization_endpoint === undefined) {
    throw userError('not_supported', `issuer '${ref.name}' offers no device login`, {
      fix: 'ask who runs the gateway to allow the device authorization grant for its client, or use another --issuer',
    });
  }
  const scopes = ref.scopes ?? ['openid', 'profile', 'email', 'offline_access'];
  const started = await openid
    .initiateDeviceAuthorization(config, {
      scope: scopes.join(' '),
      // OpenID Connect Core §11: offline access needs consent to be asked for.
      ...(scopes.includes('offline_access') ? { prompt: 'consent' } : {}),
      ...(ref.audience === undefined ? {} : { audience: ref.audience }),
    })
    .catch((error: unknown) => {
      throw translate(error, ref, 'start the login');
    });
  await show({
    userCode: started.user_code,
    url: webAddress(started.verification_uri, ref),
    completeUrl: started.verification_uri_complete && webAddress(started.verification_uri_complete, ref),
    expiresInMs: started.expires_in * 1000,
  });
  const expired = AbortSignal.timeout(started.expires_in * 1000);
  transport.patience = again;
  try {
    const tokens = await openid.pollDeviceAuthorizationGrant(config, started, undefined, {
      signal: AbortSignal.any([signal, expired]),
    });
    return tokensOf(ref, tokens, undefined);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (expired.aborted) throw unused(ref);
    throw translate(error, ref, 'log in');
  } finally {
    transport.patience = undefined;
  }
}

/** A page that a browser may be sent to; an issuer must not make us open anything else. */
function webAddress(text: string, ref: IssuerRef): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url.href;
  throw peerError('gateway_error', `issuer '${ref.name}' names '${text}' as its page, which is no web address`);
}

function tokensOf(ref: IssuerRef, tokens: OpenId.TokenEndpointResponse, before: string | undefined): IssuerTokens {
  const refreshToken = tokens.refresh_token ?? before;
  if (tokens.id_token !== undefined) return { subject: { token: tokens.id_token, type: 'id_token' }, refreshToken };
  if (ref.audience !== undefined || before !== undefined) {
    return { subject: { token: tokens.access_token, type: 'access_token' }, refreshToken };
  }
  throw peerError('gateway_error', `issuer '${ref.name}' gave no ID token`, {
    fix: "ask who runs the gateway to add 'openid' to the issuer's scopes",
  });
}

function unused(ref: IssuerRef): HoopctlError {
  return userError('login_expired', `the code was not used in time at issuer '${ref.name}'`, {
    fix: "run 'hoopctl login' again",
  });
}

/** What oidc-provider, which the embedded issuer is, says of it to everybody: nothing that `access_denied` does not. */
const ABORTED = 'End-User aborted interaction';

/** Another server than the gateway, which whoever logs in has named nowhere: told by its name. */
function atIssuer(error: unknown, ref: IssuerRef, isGateway: boolean): unknown {
  if (isGateway || !(error instanceof HoopctlError) || error.code !== 'gateway_unreachable') return error;
  return peerError(error.code, `issuer '${ref.name}' of the gateway: ${error.message}`, {
    fix: "check the network to the issuer, and with who runs the gateway that the issuer's address is right",
    cause: error,
  });
}

/** openid-client's errors in our words; ours, from the transport below it, are found in its causes. */
function translate(error: unknown, ref: IssuerRef, action: string): unknown {
  for (let inner: unknown = error; inner instanceof Error; inner = inner.cause) {
    if (inner instanceof HoopctlError) return inner;
  }
  const {
    error: code,
    error_description: why,
    message,
  } = error as { error?: string; error_description?: string; message: string };
  const detail = why === undefined ? '' : ` (${why})`;
  if (code === 'access_denied') {
    const said = why === ABORTED ? '' : detail;
    return userError('login_denied', `the login was refused in the browser, at issuer '${ref.name}'${said}`, {
      fix: "run 'hoopctl login' again and confirm it, or ask why you may not",
      cause: error,
    });
  }
  if (code === 'expired_token') return unused(ref);
  if (code === 'invalid_grant') {
    // Its own words are about the grant, which nobody who logs in has heard of.
    const message = `issuer '${ref.name}' no longer honours this login: it was ended there, or has run out`;
    return userError('login_expired', message, {
      fix: "run 'hoopctl login' again",
      cause: error,
    });
  }
  if (code !== undefined) {
    return peerError('gateway_error', `issuer '${ref.name}' refused to ${action}: ${code}${detail}`, {
      fix: 'ask who runs the gateway to check its clientId and scopes at the issuer',
      cause: error,
    });
  }
  const cause = (error as Error).cause;
  return peerError(
    'gateway_error',
    `cannot ${action} at issuer '${ref.name}': ${cause instanceof Error ? cause.message : message}`,
    {
      cause: error,
    },
  );
}

/** The embedded issuer shows it to whoever confirms the login: it should be the machine they sit at. */
const USER_AGENT = `hoopctl (${hostname().replace(/[^\w.-]/g, '')})`;

/** `fetch` for openid-client over our own HTTP: the pinned CA, no redirects, and the issuer's clock observed. */
class Transport {
  readonly #trust: Trust;
  /** The issuer's clock minus ours. */
  skewMs = 0;
  /** Set while polling: a network failure is then waited out instead of ending the login (RFC 8628 §3.5). */
  patience: ((why: string) => void) | undefined;
  #polling = false;

  constructor(trust: Trust) {
    this.#trust = trust;
  }

  readonly fetch: OpenId.CustomFetch = async (url, options) => {
    const body = options.body === undefined || options.body === null ? undefined : String(options.body);
    try {
      const answer = await send(new URL(url), this.#trust, {
        method: options.method,
        headers: { ...(options.headers as Record<string, string>), 'user-agent': USER_AGENT },
        body,
        signal: options.signal,
      });
      const chunks: Buffer[] = [];
      for await (const chunk of answer.body) chunks.push(chunk as Buffer);
      const date = Date.parse(answer.headers.date ?? '');
      if (!Number.isNaN(date)) this.skewMs = date - Date.now();
      const headers = new Headers();
      for (const [name, value] of Object.entries(answer.headers)) headers.set(name, String(value));
      const empty = answer.status === 204 || answer.status === 304;
      return new Response(empty ? null : Buffer.concat(chunks), { status: answer.status, headers });
    } catch (error) {
      if (this.patience === undefined || !(error instanceof HoopctlError) || error.code !== 'gateway_unreachable')
        throw error;
      if (!this.#polling) this.patience(error.message);
      this.#polling = true;
      return new Response(null, { status: 503, headers: { 'retry-after': '5' } });
    }
  };
}
