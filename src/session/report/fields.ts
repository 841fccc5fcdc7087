// What lines of the record say, told as the types that are due; anything else counts as not told.

import { displayName, type Principal } from '../identity/principal.ts';

export type Fields = Readonly<Record<string, unknown>>;

export const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
export const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
export const list = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
export const objects = (value: unknown): readonly Fields[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : [];

/** A principal as the record has it; undefined for what is none. */
export function principalOf(value: unknown): Principal | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { kind, subject, issuer, email, actor, groups, claims } = value as Fields;
  if (typeof subject !== 'string' || typeof issuer !== 'string') return undefined;
  return {
    kind: kind === 'agent' || kind === 'workload' ? kind : 'person',
    ...{ subject, issuer, groups: list(groups) },
    ...(typeof email === 'string' ? { email } : {}),
    ...(typeof actor === 'string' ? { actor } : {}),
    claims: (claims ?? {}) as Record<string, string>,
  };
}

/** Who it was, for a person: a principal, or a name as it stands. */
export function whoOf(value: unknown): string | undefined {
  const principal = principalOf(value);
  return principal === undefined ? text(value) : displayName(principal);
}

/** A session's SHA-256 of the policy, and the like, as people compare them. */
export const brief = (digest: string | undefined): string | undefined => digest?.slice(0, 12);

/** Not inside a pair of surrogates. */
export function cut(value: string | undefined, max = 300): string | undefined {
  if (value === undefined || value.length <= max) return value;
  const end = /[\ud800-\udbff]/.test(value.charAt(max - 1)) ? max - 1 : max;
  return `${value.slice(0, end)}… (${value.length - end} more characters)`;
}
