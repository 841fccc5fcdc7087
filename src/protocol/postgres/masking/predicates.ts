// Names in a statement's conditions → the columns that they use.
// Refuses to know: which are masked, which uses are allowed.

import type { PredicateUse } from '../../contract.ts';
import type { Lineage } from '../sql/lineage.ts';
import type { Predicate } from '../sql/predicates.ts';
import { type Names, type OriginResolver, type Origins, UNPROVEN, union } from './origins.ts';

/** @param pending DDL that the catalogue cannot show yet: a view may be another one by now. */
export function predicateUses(
  resolver: OriginResolver,
  lineage: Lineage,
  names: Names,
  pending: boolean,
): readonly PredicateUse[] {
  const uses: PredicateUse[] = [];
  for (const predicate of lineage.predicates) {
    const { columns } = used(resolver, lineage, predicate, names, pending);
    if (columns === undefined || columns.length > 0) uses.push({ kind: predicate.kind, origins: columns });
  }
  return uses;
}

function used(
  resolver: OriginResolver,
  lineage: Lineage,
  { fields, functions }: Predicate,
  names: Names,
  pending: boolean,
): Origins {
  // A function that is not known may look anywhere.
  if (!resolver.functionsAreKnown(functions, fields ?? [])) return UNPROVEN;
  const found = lineage.relations.flatMap((name) => resolver.resolve(name, names));
  if (pending && found.some((relation) => resolver.isView(relation.oid))) return UNPROVEN;
  if (fields === undefined) return union(found.map((relation) => resolver.relation(relation)));
  const rows = new Set(lineage.rows);
  const parts = found.flatMap((relation) => {
    if (fields.some((field) => rows.has(field))) return [resolver.relation(relation)];
    return relation.columns
      .filter((column) => fields.includes(column.name))
      .map((column) => resolver.columnOf(relation, column));
  });
  return union(parts);
}
