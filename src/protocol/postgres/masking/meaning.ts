// What the names of a statement meant when it was sent, compared with what they mean when its rows are here: between the two
// a view may have been replaced, or columns may have changed names, and back again.
// Refuses to know: what is masked.

import { relatives } from '../catalogue/inheritance.ts';
import type { Relation, Snapshot } from '../catalogue/snapshot.ts';
import type { Lineage } from '../sql/lineage.ts';
import type { Names, OriginResolver } from './origins.ts';

/** Undefined snapshot: nobody can say. */
export interface Meaning {
  readonly snapshot: Snapshot | undefined;
}

export const meaningOf = (snapshot: Snapshot | undefined): Meaning => ({ snapshot });

/** @param since undefined: nothing can have changed. */
export function sameMeaning(
  since: Meaning | undefined,
  resolver: OriginResolver,
  lineage: Lineage | undefined,
  names: Names,
): boolean {
  if (since === undefined || lineage === undefined) return true;
  const { snapshot: before } = since;
  const { snapshot: now } = resolver;
  if (before === now) return true;
  if (before === undefined) return false;
  for (const { schema, name } of lineage.relations) {
    const meant = before.resolve(schema, name, names === 'pinned');
    const means = now.resolve(schema, name, names === 'pinned');
    if (versions(meant) !== versions(means)) return false;
    if (before.views !== now.views && means.some(({ kind }) => kind === 'v' || kind === 'm')) return false;
  }
  return true;
}

function versions(relations: readonly Relation[]): string {
  return relations.map((relation) => [relation, ...relatives(relation)].map(versionOf).sort().join()).join(';');
}

const versionOf = ({ oid, version }: Relation): string => `${oid} ${version}`;
