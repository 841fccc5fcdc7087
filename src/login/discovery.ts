// What a gateway says of itself: /.well-known/hoopctl.

import { peerError, userError } from '../core/errors.ts';
import type { IssuerRef } from './gateways.ts';
import { readText, send, type Trust } from './http.ts';

export interface GatewayFacts {
  readonly version: string;
  readonly name: string;
  readonly issuers: readonly IssuerRef[];
  /** Protocol → `host:port` of its native listener. */
  readonly native: Readonly<Record<string, string>>;
  /** The gateway's clock minus ours, in ms, within a second or so; undefined when it did not say. */
  readonly clockSkewMs: number | undefined;
}

/** Errors: gateway_unreachable, gateway_certificate_*, gateway_error when it is no gateway. */
export async function discover(url: string, trust: Trust, signal?: AbortSignal): Promise<GatewayFacts> {
  const sent = Date.now();
  const answer = await send(new URL('/.well-known/hoopctl', url), trust, { signal, idleMs: 15_000 });
  const middle = sent + (Date.now() - sent) / 2;
  const text = await readText(answer);
  const document = answer.status === 200 ? parse(text) : undefined;
  if (document === undefined) {
    throw peerError(
      'gateway_error',
      `'${url}' is not a hoopctl gateway: it answered with HTTP status ${answer.status}`,
      {
        fix: 'check the address, and that no proxy answers for it',
      },
    );
  }
  const date = Date.parse(answer.headers.date ?? '');
  return { ...document, clockSkewMs: Number.isNaN(date) ? undefined : date + 500 - middle };
}

/** What a gateway says at `/readyz`; undefined where it says nothing. Errors as `discover`. */
export interface Readiness {
  readonly ready: boolean;
  readonly store?: string;
  readonly state?: string;
  readonly gateway?: string;
  readonly otherGateways?: number;
}

export async function readiness(url: string, trust: Trust, signal?: AbortSignal): Promise<Readiness | undefined> {
  const answer = await send(new URL('/readyz', url), trust, { signal, idleMs: 15_000 });
  const text = await readText(answer);
  if (answer.status !== 200 && answer.status !== 503) return undefined;
  try {
    return { ...(JSON.parse(text) as Omit<Readiness, 'ready'>), ready: answer.status === 200 };
  } catch {
    return undefined;
  }
}

function parse(text: string): Omit<GatewayFacts, 'clockSkewMs'> | undefined {
  let raw: Record<string, unknown>;
  try {
    raw = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (raw === null || !Array.isArray(raw.issuers)) return undefined;
  return {
    version: String(raw.version ?? ''),
    name: String(raw.name ?? ''),
    issuers: raw.issuers.map(toIssuer),
    native: (raw.native ?? {}) as Record<string, string>,
  };
}

function toIssuer(raw: Record<string, unknown>): IssuerRef {
  const scopes = typeof raw.scopes === 'string' ? raw.scopes.split(' ') : (raw.scopes as string[] | undefined);
  return {
    name: String(raw.name),
    issuer: String(raw.issuer),
    clientId: String(raw.clientId),
    ...(scopes === undefined ? {} : { scopes }),
    ...(raw.audience === undefined ? {} : { audience: String(raw.audience) }),
  };
}

/** The issuer to log in at: the one named, the only one, or the one used before. Errors: usage, naming all. */
export function chooseIssuer(
  issuers: readonly IssuerRef[],
  wanted: string | undefined,
  before: string | undefined,
): IssuerRef {
  const names = issuers.map((issuer) => issuer.name).join(', ');
  if (issuers.length === 0) {
    throw userError('not_supported', 'the gateway names no issuer where a person can log in', {
      fix: 'ask who runs the gateway, or use a service account (HOOPCTL_CLIENT_ID, HOOPCTL_CLIENT_SECRET_FILE)',
    });
  }
  if (wanted !== undefined) {
    const found = issuers.find((issuer) => issuer.name === wanted);
    if (found === undefined)
      throw userError('usage', `the gateway has no issuer '${wanted}'`, { fix: `pass --issuer with one of: ${names}` });
    return found;
  }
  const found = issuers.length === 1 ? issuers[0] : issuers.find((issuer) => issuer.name === before);
  if (found === undefined)
    throw userError('usage', 'the gateway has several issuers', { fix: `pass --issuer with one of: ${names}` });
  return found;
}
