// Who it is, said in a browser (RFC 8628), for native clients that have no hoopctl: the gateway is the issuer's client for
// them. So many at once and a minute; a code is told to whoever asked, and goes into no log.
// Refuses to know: how a client is told, what it may do afterwards.

import { readFile } from 'node:fs/promises';
import type * as OpenId from 'openid-client';
import { Agent, fetch as undiciFetch } from 'undici';
import { asHoopctlError, HoopctlError, peerError, userError } from '../core/errors.ts';
import { limitExceeded } from '../core/limits.ts';
import type { DeviceLogin } from '../protocol/contract.ts';
import { type Authenticated, LOCAL_ISSUER } from '../session/identity/authenticator.ts';
import { allowedUrl } from '../session/identity/keys.ts';
import { insideFetch } from './issuer/inside.ts';
import type { EmbeddedIssuer } from './issuer/issuer.ts';
import { Rate } from './issuer/rate.ts';
import { DEVICE_LOGIN_MS, DEVICE_LOGINS, LOGINS_PER_MINUTE } from './limits.ts';
import type { Parts } from './parts.ts';
import { withoutPort } from './refusals.ts';

export interface DeviceRequest {
  /** The client's address, and what the page shows of it. */
  readonly client: string;
  readonly program: string;
  readonly show: (login: DeviceLogin) => void;
  /** The client is gone. */
  readonly signal: AbortSignal;
}

interface Issuer {
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly audience?: string | undefined;
  readonly caFile?: string | undefined;
}

export class DeviceLogins {
  readonly #parts: Parts;
  readonly #embedded: EmbeddedIssuer | undefined;
  readonly #rate: Rate;
  #open = 0;

  constructor(parts: Parts, embedded: EmbeddedIssuer | undefined) {
    this.#parts = parts;
    this.#embedded = embedded;
    this.#rate = new Rate(parts.clock, () => parts.configuration().limit(LOGINS_PER_MINUTE).value);
  }

  /** Errors: limit_exceeded, not_supported, login_denied, login_expired, issuer_unreachable, and those of an exchange. */
  async login(request: DeviceRequest): Promise<Authenticated> {
    const { limit } = this.#parts.configuration();
    const wait = this.#rate.take(withoutPort(request.client));
    if (wait > 0) {
      const fix = `try again in ${Math.ceil(wait / 1000)} s`;
      throw userError('limit_exceeded', `too many logins from your address (${LOGINS_PER_MINUTE.name})`, { fix });
    }
    const bound = limit(DEVICE_LOGINS);
    if (this.#open >= bound.value) throw limitExceeded(bound, this.#open + 1);
    this.#open += 1;
    try {
      return await this.#ask(request, limit(DEVICE_LOGIN_MS).value);
    } finally {
      this.#open -= 1;
    }
  }

  async #ask(request: DeviceRequest, withinMs: number): Promise<Authenticated> {
    const issuer = this.#issuer();
    const late = AbortSignal.timeout(withinMs);
    try {
      const token = await confirmed(issuer, await this.#fetch(issuer, request), request, late);
      return await this.#parts.authenticator.exchange(token, undefined);
    } catch (error) {
      if (request.signal.aborted) throw peerError('client_gone', 'the client left during its login');
      if (late.aborted) throw unused(issuer.name);
      throw error;
    }
  }

  /** The first that is configured, as for `hoopctl login`. */
  #issuer(): Issuer {
    const [configured] = this.#parts.configuration().identity.issuers;
    if (configured !== undefined) return configured;
    const hint = this.#parts.issuers().find(({ name }) => name === LOCAL_ISSUER);
    if (hint === undefined) throw userError('not_supported', 'this gateway has no issuer to log in with');
    return hint;
  }

  async #fetch({ name, caFile }: Issuer, { client, program }: DeviceRequest): Promise<OpenId.CustomFetch> {
    const embedded = name === LOCAL_ISSUER ? this.#embedded : undefined;
    const inner = embedded === undefined ? await outside(caFile) : insideFetch(embedded, withoutPort(client));
    // The embedded issuer shows it to whoever confirms: it should be what they sit at.
    return (url, options) => inner(url, { ...options, headers: { ...options.headers, 'user-agent': program } });
  }
}

async function outside(caFile: string | undefined): Promise<OpenId.CustomFetch> {
  const dispatcher = caFile === undefined ? undefined : new Agent({ connect: { ca: await readFile(caFile, 'utf8') } });
  return (url, options) => undiciFetch(url, { ...options, dispatcher } as never) as never;
}

/** The token with which the issuer says who confirmed. */
async function confirmed(
  issuer: Issuer,
  customFetch: OpenId.CustomFetch,
  { show, signal }: DeviceRequest,
  late: AbortSignal,
): Promise<string> {
  const openid = await import('openid-client');
  const url = new URL(issuer.issuer);
  try {
    const config = await openid.discovery(url, issuer.clientId, undefined, openid.None(), {
      [openid.customFetch]: customFetch,
      execute: url.protocol === 'http:' && allowedUrl(issuer.issuer) ? [openid.allowInsecureRequests] : [],
      timeout: 20,
    });
    // Nothing is kept beyond this login: no offline access.
    const scope = issuer.scopes.filter((one) => one !== 'offline_access').join(' ');
    const { audience } = issuer;
    const started = await openid.initiateDeviceAuthorization(config, { scope, ...(audience ? { audience } : {}) });
    const page = started.verification_uri_complete ?? started.verification_uri;
    if (!allowedUrl(page))
      throw peerError('issuer_unreachable', `issuer "${issuer.name}" names a page that is no web address`);
    // What an issuer writes goes to a terminal.
    show({ url: new URL(page).href, code: started.user_code.replace(/[^\x20-\x7e]/g, '') });
    const tokens = await openid.pollDeviceAuthorizationGrant(config, started, undefined, {
      signal: AbortSignal.any([signal, late]),
    });
    return tokens.id_token ?? tokens.access_token;
  } catch (error) {
    throw translated(error, issuer.name);
  }
}

function unused(name: string): HoopctlError {
  return userError('login_expired', `the code was not used in time at issuer "${name}"`, { fix: 'connect again' });
}

function translated(error: unknown, name: string): HoopctlError {
  if (error instanceof HoopctlError) return error;
  const { error: code } = error as { error?: string };
  if (code === 'access_denied') return userError('login_denied', `the login was refused at issuer "${name}"`);
  if (code === 'expired_token') return unused(name);
  const why = code ?? asHoopctlError((error as Error).cause ?? error).message;
  return peerError('issuer_unreachable', `cannot log in at issuer "${name}": ${why}`, {
    fix: 'try again later, or use "hoopctl token" where there is a hoopctl',
    cause: error,
  });
}
