// Which columns of its relations a statement or a view's definition uses, by their names.
// Refuses to know: rules, what is read through them.

import type { Relation, Snapshot } from '../catalogue/snapshot.ts';
import { SYSTEM_COLUMNS } from '../masking/sources.ts';
import type { Lineage } from '../sql/lineage.ts';

/** Undefined: any column. */
export type Columns = readonly string[] | undefined;

/** Names of columns that a statement uses of all its relations together; undefined where some may stand for any. */
export function fieldsOf(snapshot: Snapshot, lineage: Lineage, relations: readonly Relation[]): Columns {
  if (!lineage.named || lineage.merges) return undefined;
  const known = lineage.fields.every(
    (field) =>
      !snapshot.rowFunctions.has(field) &&
      (lineage.labels.includes(field) ||
        SYSTEM_COLUMNS.has(field) ||
        relations.some((relation) => relation.columns.some((column) => column.name === field))),
  );
  return known ? lineage.fields : undefined;
}

/**
 * Names of columns that a view's definition uses when only some of its own columns are asked for: those that these come
 * from, and those of its conditions.
 */
export function fieldsBehind(view: Relation, definition: Lineage, asked: Columns): Columns {
  const { simple, named, merges, fields, predicates } = definition;
  if (!named || merges) return undefined;
  if (asked === undefined || simple === undefined || simple.outputs.length !== view.columns.length) return fields;
  const used = new Set<string>();
  for (const [index, output] of simple.outputs.entries()) {
    if (!asked.includes(view.columns[index]!.name)) continue;
    if (output.kind !== 'expression' || output.references.some((reference) => reference.whole)) return fields;
    for (const { path } of output.references) used.add(path.at(-1)!);
  }
  for (const predicate of predicates) {
    if (predicate.fields === undefined) return fields;
    for (const field of predicate.fields) used.add(field);
  }
  return [...used];
}

/** Those of a relation's columns that are among the names. */
export function among(relation: Relation, fields: Columns): Columns {
  if (fields === undefined) return undefined;
  return relation.columns.filter((column) => fields.includes(column.name)).map((column) => column.name);
}
