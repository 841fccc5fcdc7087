// Whose signature counts: the published keys of an issuer, found by OpenID Connect Discovery and cached.
// Refuses to know: what a token says.

import { readFile } from 'node:fs/promises';
import {
  type CryptoKey,
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from 'jose';
import { Agent, fetch as undiciFetch } from 'undici';
import type { Clock } from '../../core/clock.ts';
import { type HoopctlError, peerError } from '../../core/errors.ts';

/** jose's key resolver: header → key. */
export type KeyResolver = (header?: JWSHeaderParameters, token?: FlattenedJWSInput) => Promise<CryptoKey>;

export interface IssuerKeys {
  /** Errors: issuer_unreachable. */
  resolver(): Promise<KeyResolver>;
}

/**
 * Keys of our own: the embedded issuer's, the gateway's. `refresh` looks whether another gateway has made one that is not
 * known here yet; false when nothing is new.
 */
export function localKeys(jwks: () => JSONWebKeySet, refresh?: () => Promise<boolean>): IssuerKeys {
  let made: { readonly from: JSONWebKeySet; readonly resolver: KeyResolver } | undefined;
  const resolve: KeyResolver = async (header, token) => {
    try {
      return await known()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || refresh === undefined || !(await refresh())) throw error;
      return known()(header, token);
    }
  };
  const known = () => {
    const from = jwks();
    // Made once for each set: it keeps the imported keys.
    if (made?.from !== from) made = { from, resolver: createLocalJWKSet(from) };
    return made.resolver;
  };
  return { resolver: async () => resolve };
}

export interface RemoteKeysOptions {
  /** The issuer's configured name, for errors. */
  readonly name: string;
  /** The issuer's URL, compared exactly with the discovery document's `issuer`. */
  readonly issuer: string;
  /** PEM file with the authorities to trust for it. */
  readonly caFile?: string;
  readonly clock: Clock;
}

const DISCOVERY_MAX_AGE = 3_600_000;
const TIMEOUT = 5_000;
const MAX_DOCUMENT_BYTES = 1024 * 1024;

/** An issuer elsewhere (OpenID Connect Discovery 1.0 §4): `jwks_uri` kept for an hour, its keys for ten minutes. */
export class RemoteKeys implements IssuerKeys {
  readonly #options: RemoteKeysOptions;
  #found: { at: number; resolver: Promise<KeyResolver> } | undefined;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
  }

  resolver(): Promise<KeyResolver> {
    const now = this.#options.clock.now();
    if (this.#found !== undefined && now - this.#found.at < DISCOVERY_MAX_AGE) return this.#found.resolver;
    const resolver = this.#discover();
    const found = { at: now, resolver };
    this.#found = found;
    // A failure is not kept: the next token asks again.
    resolver.catch(() => {
      if (this.#found === found) this.#found = undefined;
    });
    return resolver;
  }

  async #discover(): Promise<KeyResolver> {
    const { name, issuer } = this.#options;
    const dispatcher = await this.#dispatcher();
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const document = await this.#json(url, dispatcher);
    if (document.issuer !== issuer) {
      throw unreachable(name, `its discovery document names the issuer "${String(document.issuer)}", not "${issuer}"`);
    }
    if (typeof document.jwks_uri !== 'string' || !allowedUrl(document.jwks_uri)) {
      throw unreachable(name, 'its discovery document has no usable "jwks_uri"');
    }
    const remote = createRemoteJWKSet(new URL(document.jwks_uri), {
      timeoutDuration: TIMEOUT,
      [customFetch]: (target, init) => undiciFetch(target, { ...init, dispatcher } as never) as never,
    });
    return async (header, token) => {
      try {
        return await remote(header, token);
      } catch (error) {
        // "No such key" is about the token; everything else is about reaching the issuer.
        if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
        if (error instanceof errors.JOSENotSupported) throw error;
        throw unreachable(name, `its keys cannot be fetched: ${reasonOf(error)}`, error);
      }
    };
  }

  async #dispatcher(): Promise<Agent | undefined> {
    const { name, caFile } = this.#options;
    if (caFile === undefined) return undefined;
    try {
      return new Agent({ connect: { ca: await readFile(caFile, 'utf8') } });
    } catch (error) {
      throw unreachable(name, `its caFile "${caFile}" cannot be read`, error);
    }
  }

  async #json(url: string, dispatcher: Agent | undefined): Promise<Record<string, unknown>> {
    const { name } = this.#options;
    try {
      const response = await undiciFetch(url, {
        redirect: 'error',
        headers: { accept: 'application/json' },
        signal: AbortSignal.timeout(TIMEOUT),
        ...(dispatcher === undefined ? {} : { dispatcher }),
      });
      const text = await response.text();
      if (!response.ok || text.length > MAX_DOCUMENT_BYTES) {
        throw unreachable(name, `${url} answered with status ${response.status}`);
      }
      return JSON.parse(text) as Record<string, unknown>;
    } catch (error) {
      if ((error as HoopctlError).code === 'issuer_unreachable') throw error;
      throw unreachable(name, `${url}: ${reasonOf(error)}`, error);
    }
  }
}

/** HTTPS, or plain HTTP to this machine itself. */
export function allowedUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.protocol === 'https:') return true;
  return url.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return cause?.code ?? cause?.message ?? error.message;
}

function unreachable(name: string, reason: string, cause?: unknown): HoopctlError {
  return peerError('issuer_unreachable', `cannot check a token of issuer "${name}": ${reason}`, {
    fix: "try again later; if it stays so, check its URL in identity of the gateway's configuration",
    ...(cause === undefined ? {} : { cause }),
  });
}
