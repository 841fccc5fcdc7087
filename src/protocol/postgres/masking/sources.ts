// Relations in FROM and names that refer to them; which relations belong together, and which hold values of others.

import type { Column, Relation } from '../catalogue/snapshot.ts';
import type { Reference, Simple, Source } from '../sql/lineage.ts';

/**
 * Built-in relations that hold values of other relations: statistics, large objects, other sessions' statements, the
 * last number of a sequence.
 * undefined: every column.
 */
const TAINTED: Readonly<Record<string, readonly string[] | undefined>> = {
  pg_statistic: undefined,
  pg_statistic_ext_data: undefined,
  pg_stats: undefined,
  pg_stats_ext: undefined,
  pg_stats_ext_exprs: undefined,
  pg_largeobject: undefined,
  pg_stat_activity: ['query'],
  pg_sequences: ['last_value'],
};

export function isTainted(relation: Relation, column: string): boolean {
  if (relation.schema !== 'pg_catalog' || !Object.hasOwn(TAINTED, relation.name)) return false;
  return TAINTED[relation.name]?.includes(column) ?? true;
}

export interface Resolved {
  readonly source: Source;
  readonly relations: readonly Relation[];
}

/** The columns that a `*` stands for; undefined when that is not certain. */
export function starColumns(
  of: Reference | undefined,
  simple: Simple,
  sources: readonly Resolved[],
): readonly (readonly [Relation, Column])[] | undefined {
  if (of === undefined || (of.path.length === 0 && simple.merges)) return undefined;
  const columns: (readonly [Relation, Column])[] = [];
  for (const { source, relations } of sources) {
    if (!qualifies(source, of.path)) continue;
    const [relation] = relations;
    if (relation === undefined || relations.length > 1) return undefined;
    for (const column of relation.columns) columns.push([relation, column]);
  }
  return columns;
}

export const SYSTEM_COLUMNS = new Set(['tableoid', 'ctid', 'xmin', 'xmax', 'cmin', 'cmax']);

export function qualifies(source: Source, qualifier: readonly string[]): boolean {
  if (qualifier.length === 0) return true;
  if (qualifier.at(-1) !== source.alias) return false;
  if (qualifier.length === 1) return true;
  // `database.schema.relation.column`: the database can only be this one.
  return !source.aliased && (source.schema === undefined || source.schema === qualifier.at(-2));
}
