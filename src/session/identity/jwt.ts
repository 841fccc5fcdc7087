// One signed token (RFC 7519) → its claims, or every reason why not. Refuses to know: who the claims make one.

import { compactVerify, decodeJwt, decodeProtectedHeader, errors, type JWTPayload } from 'jose';
import { type Clock, formatDuration } from '../../core/clock.ts';
import { HoopctlError, userError } from '../../core/errors.ts';
import type { IssuerKeys } from './keys.ts';

/** Asymmetric signatures only: `none` and shared secrets can be forged by whoever may verify. */
export const ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
];

/** How far the issuer's clock may be from ours, in ms. */
export const CLOCK_SKEW = 60_000;

/** The longest token that is looked at, in characters. */
export const MAX_TOKEN_LENGTH = 16_384;

/** Types that are identity or access tokens (RFC 9068 §2.1); a logout or DPoP token of the same issuer is neither. */
const ORDINARY_TYPES: readonly (string | undefined)[] = [undefined, 'jwt', 'at+jwt', 'application/at+jwt'];

export interface Expectation {
  /** The configured name, for errors. */
  readonly name: string;
  readonly issuer: string;
  /** One of these has to be in `aud`. */
  readonly audiences: readonly string[];
  readonly keys: IssuerKeys;
  /** The header's `typ`, lower case, where it has to be a certain one. */
  readonly type?: string;
  readonly clock: Clock;
  /** How long after `exp` it still counts, in ms; left out: CLOCK_SKEW. Our own tokens are read by the clock that made them. */
  readonly late?: number;
}

/** What a token says of its issuer, unverified: only to choose whose keys to verify with. Undefined when it is no JWT. */
export function claimedIssuer(token: string): string | undefined {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

/** The header's `typ`, unverified, lower case. */
export function claimedType(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).typ?.toLowerCase();
  } catch {
    return undefined;
  }
}

/**
 * Verifies signature, algorithm, type, issuer, audience and times.
 * Errors: token_expired when nothing but its time is wrong, token_invalid naming every claim that failed, issuer_unreachable.
 */
export async function verifyJwt(token: string, expected: Expectation): Promise<JWTPayload> {
  if (token.length > MAX_TOKEN_LENGTH) throw refused(expected, [`it is longer than ${MAX_TOKEN_LENGTH} characters`]);
  const type = claimedType(token);
  const typeFits = expected.type === undefined ? ORDINARY_TYPES.includes(type) : type === expected.type;
  if (!typeFits) throw refused(expected, [`"typ" is "${type}", which is not a token for this`]);
  const payload = await verifySignature(token, expected);
  const problems = claimProblems(payload, expected);
  if (problems.length === 1 && problems[0]!.startsWith('"exp" was')) {
    throw userError('token_expired', `token of issuer "${expected.name}" has expired: ${problems[0]}`, {
      fix: 'get a new token, or log in again with "hoopctl login"',
    });
  }
  if (problems.length > 0) throw refused(expected, problems);
  return payload;
}

async function verifySignature(token: string, expected: Expectation): Promise<JWTPayload> {
  const resolver = await expected.keys.resolver();
  try {
    const { payload } = await compactVerify(token, resolver, { algorithms: ALGORITHMS });
    const claims: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
      throw refused(expected, ['its payload is no object']);
    }
    return claims as JWTPayload;
  } catch (error) {
    if (error instanceof HoopctlError) throw error;
    throw refused(expected, [signatureReason(error, token)], error);
  }
}

/** How a time that is still to come is told: clocks that differ, and no fault of the token's. */
export const IN_THE_FUTURE = 'is in the future';

function signatureReason(error: unknown, token: string): string {
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    return `its algorithm "${algorithmOf(token)}" is not one of ${ALGORITHMS.join(', ')}`;
  }
  if (error instanceof errors.JWKSNoMatchingKey) return 'it is signed by a key that the issuer does not publish';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature does not fit';
  return 'it is malformed';
}

function algorithmOf(token: string): string {
  try {
    return String(decodeProtectedHeader(token).alg);
  } catch {
    return 'unreadable';
  }
}

/** Every claim that fails, in words. */
function claimProblems(claims: JWTPayload, expected: Expectation): string[] {
  const now = expected.clock.now();
  const problems: string[] = [];
  if (claims.iss !== expected.issuer) problems.push(`"iss" is ${quote(claims.iss)}, expected "${expected.issuer}"`);
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  if (!audiences.some((audience) => audience !== undefined && expected.audiences.includes(audience))) {
    problems.push(`"aud" is ${quote(claims.aud)}, expected ${expected.audiences.map((a) => `"${a}"`).join(' or ')}`);
  }
  if (typeof claims.sub !== 'string' || claims.sub === '') problems.push('"sub" is missing');
  if (!isSeconds(claims.exp)) problems.push('"exp" is missing');
  else if (claims.exp * 1000 + (expected.late ?? CLOCK_SKEW) <= now)
    problems.push(`"exp" was ${ago(now - claims.exp * 1000)}`);
  if (claims.nbf !== undefined && (!isSeconds(claims.nbf) || claims.nbf * 1000 - CLOCK_SKEW > now)) {
    problems.push(`"nbf" ${IN_THE_FUTURE}`);
  }
  if (claims.iat !== undefined && (!isSeconds(claims.iat) || claims.iat * 1000 - CLOCK_SKEW > now)) {
    problems.push(`"iat" ${IN_THE_FUTURE}`);
  }
  // OpenID Connect Core §3.1.3.7: a token for several audiences says for whom it was made.
  if (audiences.length > 1 && claims.azp !== undefined && !expected.audiences.includes(String(claims.azp))) {
    problems.push(`"azp" is ${quote(claims.azp)}, expected ${expected.audiences.map((a) => `"${a}"`).join(' or ')}`);
  }
  return problems;
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function quote(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 200);
}

function ago(ms: number): string {
  return `${formatDuration(ms)} ago`;
}

/** token_invalid with all the reasons. */
export function refused(of: { readonly name: string }, problems: readonly string[], cause?: unknown): HoopctlError {
  return userError('token_invalid', `token of issuer "${of.name}" refused: ${problems.join('; ')}`, {
    fix: 'use a token of that issuer made for this gateway, or log in with "hoopctl login"',
    ...(cause === undefined ? {} : { cause }),
  });
}
