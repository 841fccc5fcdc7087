// Verified claims → Principal. Pure. Refuses to know: signatures, time, where an issuer is.

import type { JWTPayload } from 'jose';
import { userError } from '../../core/errors.ts';
import type { Principal } from './principal.ts';

/** A trusted workload issuer's conditions: every claim named has to fit one of its patterns (`*` is any text). */
export type ClaimConditions = Readonly<Record<string, readonly string[]>>;

/** Claims that are about the token, or a person's private matter: never matched by policy, never recorded. */
const NOT_POLICY = new Set(
  (
    'iss sub aud exp iat nbf jti nonce at_hash c_hash s_hash sid auth_time acr azp typ act cnf rh uti aio ver ' +
    'name given_name family_name middle_name nickname profile picture website gender birthdate zoneinfo locale ' +
    'phone_number phone_number_verified address updated_at email email_verified'
  ).split(' '),
);

/** A person, from the claims of an issuer. `groupsClaim` is a claim's name or a dotted path into one. */
export function personFrom(claims: JWTPayload, issuer: string, groupsClaim: string, actor?: string): Principal {
  const acting = actorOf(claims) ?? actor;
  // An unverified address would let its holder pass for whoever it names in a rule.
  const email = typeof claims.email === 'string' && claims.email_verified !== false ? claims.email : undefined;
  return {
    kind: acting === undefined ? 'person' : 'agent',
    subject: claims.sub!,
    issuer,
    ...(email === undefined ? {} : { email }),
    groups: strings(lookUp(claims, groupsClaim)),
    ...(acting === undefined ? {} : { actor: acting }),
    claims: policyClaims(claims),
  };
}

/** A workload, from the claims of a trusted workload issuer. `subjectClaim` defaults to `sub`. */
export function workloadFrom(
  claims: JWTPayload,
  trust: { readonly name: string; readonly subject?: string; readonly groups: readonly string[] },
  actor?: string,
): Principal {
  const acting = actorOf(claims) ?? actor;
  const subject = lookUp(claims, trust.subject ?? 'sub');
  if (typeof subject !== 'string' || subject === '') {
    throw userError('token_invalid', `token of issuer "${trust.name}" refused: "${trust.subject}" is no text`);
  }
  return {
    kind: acting === undefined ? 'workload' : 'agent',
    subject,
    issuer: trust.name,
    groups: trust.groups,
    ...(acting === undefined ? {} : { actor: acting }),
    claims: policyClaims(claims),
  };
}

/** Every condition that the claims do not meet, in words; empty when all are met. */
export function unmetConditions(claims: JWTPayload, conditions: ClaimConditions): string[] {
  const problems: string[] = [];
  for (const [name, patterns] of Object.entries(conditions)) {
    const value = lookUp(claims, name);
    const values = strings(value);
    if (values.length === 0) problems.push(`"${name}" is missing`);
    else if (!values.some((one) => patterns.some((pattern) => wildcard(pattern, one)))) {
      problems.push(`"${name}" is ${JSON.stringify(value).slice(0, 200)}, expected ${patterns.join(' or ')}`);
    }
  }
  return problems;
}

/** `*` stands for any text, also none; everything else for itself. Linear in the text's length times the stars. */
export function wildcard(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  const first = parts[0]!;
  if (parts.length === 1) return text === pattern;
  const last = parts.at(-1)!;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}

/** The current actor (RFC 8693 §4.1: the outermost `act`), or undefined. */
export function actorOf(claims: JWTPayload): string | undefined {
  const act = claims.act;
  if (typeof act !== 'object' || act === null) return undefined;
  const sub = (act as { sub?: unknown }).sub;
  return typeof sub === 'string' && sub !== '' ? sub : undefined;
}

/**
 * A self-declared actor's name, as `Hoopctl-Agent` gives it. Errors: usage when it could not be shown safely in a record.
 */
export function checkActor(name: string): string {
  if (/^[\p{L}\p{N}][\p{L}\p{N} ._@/:+-]{0,63}$/u.test(name)) return name;
  throw userError('usage', `agent name ${JSON.stringify(name.slice(0, 80))} is not allowed`, {
    fix: 'use up to 64 letters, digits, spaces and . _ @ / : + -, beginning with a letter or digit',
  });
}

/** Names under which a principal may introduce itself on a wire that has a user name. */
export function wireNames(principal: Principal): string[] {
  const names = [principal.subject, principal.email, principal.claims.preferred_username];
  // A workload's subject is often a long URI; its issuer's configured name (`ci-bot`) is what one types.
  if (principal.kind !== 'person') names.push(principal.issuer);
  return names.filter((name): name is string => name !== undefined && name !== '');
}

/** The name to type as user name with a connection token. */
export function wireName(principal: Principal): string {
  return principal.claims.preferred_username ?? principal.email ?? principal.subject;
}

function policyClaims(claims: JWTPayload): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(claims)) {
    if (NOT_POLICY.has(name)) continue;
    if (typeof value === 'string' && value.length <= 512) kept[name] = value;
    else if (typeof value === 'number' || typeof value === 'boolean') kept[name] = String(value);
  }
  return kept;
}

/** A claim by its exact name (which may have dots: URLs), else as a path: `realm_access.roles`. */
function lookUp(claims: JWTPayload, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

function strings(value: unknown): string[] {
  const values = Array.isArray(value) ? value : [value];
  return values
    .filter((one) => ['string', 'number', 'boolean'].includes(typeof one))
    .map(String)
    .filter((one) => one !== '');
}
