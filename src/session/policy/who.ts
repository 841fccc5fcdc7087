// `who` and `to` as conditions on a principal and on a connection.

import type { Principal } from '../identity/principal.ts';
import { allHold, anyOf, type Condition, listOr } from './condition.ts';
import { anyGlob } from './pattern.ts';
import type { To, Who } from './schema.ts';
import type { ConnectionRef } from './types.ts';

/** The conditions of a `who`; none when it is left out (everybody). */
export function whoConditions(who: Who | undefined): readonly Condition<Principal>[] {
  if (who === undefined) return [];
  const conditions: Condition<Principal>[] = [];
  const add = (
    key: string,
    patterns: readonly string[] | undefined,
    values: (principal: Principal) => readonly string[],
    folded = false,
  ) => {
    if (patterns === undefined) return;
    const matches = anyGlob(folded ? patterns.map((pattern) => pattern.toLowerCase()) : patterns);
    conditions.push({
      key: `who.${key}`,
      wanted: anyOf(patterns),
      holds: (principal) => values(principal).some((value) => matches(folded ? value.toLowerCase() : value)),
      seen: (principal) => listOr(values(principal), 'none'),
    });
  };
  const optional = (value: string | undefined) => (value === undefined ? [] : [value]);
  add('groups', who.groups, (principal) => principal.groups);
  add('subjects', who.subjects, (principal) => [principal.subject]);
  add('emails', who.emails, (principal) => optional(principal.email), true);
  add('kinds', who.kinds, (principal) => [principal.kind]);
  add('actors', who.actors, (principal) => optional(principal.actor));
  add('issuers', who.issuers, (principal) => [principal.issuer]);
  for (const [claim, wanted] of Object.entries(who.claims ?? {})) {
    add(`claims.${claim}`, [wanted].flat(), (principal) =>
      Object.hasOwn(principal.claims, claim) ? [principal.claims[claim]!] : [],
    );
  }
  return conditions;
}

/** A `who` as one test, for roles and the like. */
export function compileWho(who: Who | undefined): (principal: Principal) => boolean {
  const conditions = whoConditions(who);
  return (principal) => allHold(conditions, principal);
}

/** The conditions of a `to`; none when it is left out (all connections). */
export function toConditions(to: To | undefined): readonly Condition<ConnectionRef>[] {
  const conditions: Condition<ConnectionRef>[] = [];
  if (to?.names !== undefined) {
    const matches = anyGlob(to.names);
    conditions.push({
      key: 'to.names',
      wanted: anyOf(to.names),
      holds: (connection) => matches(connection.name),
      seen: (connection) => connection.name,
    });
  }
  for (const [label, wanted] of Object.entries(to?.labels ?? {})) {
    const patterns = [wanted].flat();
    const matches = anyGlob(patterns);
    const value = (connection: ConnectionRef) =>
      Object.hasOwn(connection.labels, label) ? connection.labels[label] : undefined;
    conditions.push({
      key: `to.labels.${label}`,
      wanted: anyOf(patterns),
      holds: (connection) => {
        const label = value(connection);
        return label !== undefined && matches(label);
      },
      seen: (connection) => value(connection) ?? 'none',
    });
  }
  return conditions;
}
