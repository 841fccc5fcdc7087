// Which gateway a verb talks to, what is trusted there, and who we are: flags, environment and the stored login together.

import { userError } from '../core/errors.ts';
import type { GatewayAccess, TokenSource } from '../login/access.ts';
import { gatewayOrigin } from '../login/address.ts';
import { type Gateways, type KnownGateway, openGateways } from '../login/gateways.ts';
import { readCa, type Trust } from '../login/http.ts';
import type { KeychainChoice, KeychainOptions } from '../login/keychain.ts';
import type { Context } from './context.ts';

export interface Place {
  readonly url: string;
  readonly known: KnownGateway | undefined;
}

/** The gateway that flags, environment and files name, or the current one. Errors: login_needed, usage, config_invalid. */
export function findPlace(context: Context, gateways: Gateways, named = context.globals.gateway): Place {
  if (named === undefined) {
    const current = gateways.current();
    if (current === undefined) {
      throw userError('login_needed', 'no gateway is known', {
        fix: "run 'hoopctl login GATEWAY_URL', or pass --gateway",
      });
    }
    return { url: current.url, known: current };
  }
  const known = gateways.find(named);
  if (known !== undefined) return { url: known.url, known };
  const url = gatewayOrigin(named);
  const same = gateways.find(url);
  if (same === undefined && context.globals.gatewayFrom === 'project') {
    // Whoever wrote the repository must not get this user's tokens sent to a place of their choice.
    throw userError('login_needed', `the project file names the gateway '${url}', which you do not know`, {
      fix: `if you trust it, run 'hoopctl login ${url}'`,
    });
  }
  return { url, known: same };
}

/** What to trust for it: `--ca-file`, `--ca-fingerprint`, what was pinned at login, else the system's CAs. */
export async function findTrust(context: Context, place: Place): Promise<Trust> {
  const { caFile, caFingerprint } = context.globals;
  if (caFile !== undefined) return { ca: readCa(caFile) };
  if (caFingerprint !== undefined) return { ca: await matchFingerprint(place.url, caFingerprint) };
  return { ca: place.known?.ca };
}

/** The certificate in the gateway's chain with that fingerprint. Errors: gateway_certificate_changed, usage. */
export async function matchFingerprint(url: string, wanted: string): Promise<string> {
  const { inspectCertificate, normaliseFingerprint } = await import('../login/certificate.ts');
  const fingerprint = normaliseFingerprint(wanted);
  if (fingerprint === undefined) {
    throw userError('usage', `'${wanted}' is not a SHA-256 fingerprint`, {
      fix: 'give 64 hex digits, as in sha256:9f86…',
    });
  }
  const presented = await inspectCertificate(new URL(url));
  const match = presented.chain.find((shown) => shown.fingerprint === fingerprint);
  if (match !== undefined) return match.pem;
  throw userError(
    'gateway_certificate_changed',
    `the gateway '${url}' shows ${presented.chain.map((shown) => shown.fingerprint).join(' and ')}, not '${fingerprint}'`,
    { fix: 'do not go on before you know why: ask who runs the gateway' },
  );
}

export function keychainOptions(context: Context): KeychainOptions {
  const { io, paths } = context;
  return { paths, platform: io.platform, interactive: io.interactive };
}

/** `HOOPCTL_KEYCHAIN`. Errors: usage. */
export function keychainChoice(context: Context): KeychainChoice {
  const choice = context.io.env.HOOPCTL_KEYCHAIN || 'auto';
  if (choice === 'auto' || choice === 'secret-service' || choice === 'file') return choice;
  throw userError('usage', `HOOPCTL_KEYCHAIN is '${choice}', expected auto, secret-service or file`);
}

/** The token source in force, and where it comes from. */
export async function findTokens(
  context: Context,
  place: Place,
  trust: Trust,
): Promise<{ from: string; tokens: TokenSource }> {
  const { ciSource, explicitSource } = await import('../login/workload.ts');
  const explicit = explicitSource(context.io.env, place.url, trust);
  if (explicit !== undefined) return explicit;
  if (place.known?.account !== undefined) {
    const { loginSource } = await import('../login/tokens.ts');
    const { storeOf } = await import('../login/keychain.ts');
    const store = storeOf(place.known.store ?? 'file', keychainOptions(context));
    return { from: 'login', tokens: loginSource({ gateway: place.known, trust, store, paths: context.paths }) };
  }
  const ci = ciSource(context.io.env, place.url, trust);
  if (ci !== undefined) return ci;
  const { failing, notLoggedIn } = await import('../login/tokens.ts');
  return { from: 'nothing', tokens: failing(notLoggedIn(place.url)) };
}

export async function openAccess(context: Context): Promise<GatewayAccess> {
  const place = findPlace(context, openGateways(context.paths));
  const trust = await findTrust(context, place);
  const { tokens } = await findTokens(context, place, trust);
  return makeAccess(place.url, trust.ca, tokens, context.globals.agent);
}

export function makeAccess(
  url: string,
  ca: string | undefined,
  tokens: TokenSource,
  agent: string | undefined,
): GatewayAccess {
  return {
    url,
    ca,
    tokens,
    headers: async ({ reason, renew } = {}) => ({
      authorization: `Bearer ${await tokens.token({ renew: renew === true })}`,
      ...(agent === undefined ? {} : { 'hoopctl-agent': encodeURIComponent(agent) }),
      ...(reason === undefined ? {} : { 'hoopctl-reason': encodeURIComponent(reason) }),
    }),
  };
}
