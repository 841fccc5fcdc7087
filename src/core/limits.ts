// Every limit has a name, a unit, a default and an error (promise 8). Each is declared beside what it bounds with this.

import { type HoopctlError, peerError } from './errors.ts';

export interface Limit {
  /** Name as in the configuration and in the error, e.g. `message_bytes`. */
  readonly name: string;
  readonly unit: 'bytes' | 'count' | 'ms' | 'rows';
  readonly value: number;
  /** The least that a configuration may set: with less nothing works that is bounded by it. Left out: 0. */
  readonly least?: number;
  /** No configuration changes it: both ends count on it, or nobody has to. */
  readonly fixed?: true;
}

/** Every limit that a loaded module has declared, by name: the configuration may override these and no others. */
const declared = new Map<string, Limit>();

export function limit(name: string, unit: Limit['unit'], value: number, least?: number): Limit {
  const bound: Limit = { name, unit, value, ...(least === undefined ? {} : { least }) };
  if (!declared.has(name)) declared.set(name, bound);
  return bound;
}

const fixed = new Set<string>();

/** A limit that the configuration cannot change. */
export function fixedLimit(name: string, unit: Limit['unit'], value: number): Limit {
  fixed.add(name);
  return { name, unit, value, fixed: true };
}

/** Names of fixed limits that a loaded module has declared. */
export function fixedLimits(): ReadonlySet<string> {
  return fixed;
}

export function declaredLimits(): ReadonlyMap<string, Limit> {
  return declared;
}

/** The error of a limit that a peer went over; carries the limit's name, the bound and the value seen. */
export function limitExceeded(bound: Limit, seen: number): HoopctlError {
  return peerError('limit_exceeded', `${bound.name} is ${seen} ${bound.unit}, over the limit of ${bound.value}`, {
    details: { limit: bound.name, value: seen, max: bound.value },
    fix: bound.fixed
      ? 'send less at once'
      : `raise limits.${bound.name} in the gateway's configuration, or send less at once`,
  });
}
