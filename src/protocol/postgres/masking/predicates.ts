// Names in a statement's conditions → the columns that they use.
// Refuses to know: which are masked, which uses are allowed.

import type { PredicateUse } from '../../contract.ts';
import type { Lineage } from '../sql/lineage.ts';
import type { Predicate } from '../sql/predicates.ts';
import { type Names, type OriginResolver, type Origins, UNPROVEN, union } from './origins.ts';
import { SYSTEM_COLUMNS } from './sources.ts';

/** @param pending DDL that the catalogue cannot show yet: a view may be another one by now. */
export function predicateUses(
  resolver: OriginResolver,
  lineage: Lineage,
  names: Names,
  pending: boolean,
): readonly PredicateUse[] {
  const uses: PredicateUse[] = [];
  for (const predicate of lineage.predicates) {
    const { columns, direct } = used(resolver, lineage, predicate, names, pending);
    if (columns !== undefined && columns.length === 0) continue;
    uses.push({ kind: kindOf(resolver, predicate, direct), origins: columns });
  }
  return uses;
}

/**
 * Equality with what a view computes from a column is none with the column; and what somebody has made an operator of that name of
 * is anything but equality.
 */
function kindOf(resolver: OriginResolver, { kind, operators }: Predicate, direct: boolean): PredicateUse['kind'] {
  if (!direct && (kind === 'equality' || kind === 'group')) return 'computed';
  return operators.some((operator) => resolver.isMade(operator)) ? 'pattern' : kind;
}

function used(
  resolver: OriginResolver,
  lineage: Lineage,
  { fields, made, functions, anywhere, qualified }: Predicate,
  names: Names,
  pending: boolean,
): Origins {
  // A function that is not known may look anywhere.
  if (anywhere || !resolver.functionsAreKnown(functions, fields ?? [])) return UNPROVEN;
  const found = lineage.relations.flatMap((name) => resolver.resolve(name, names));
  if (pending && found.some((relation) => resolver.isView(relation.oid))) return UNPROVEN;
  const rows = new Set(lineage.rows);
  const isColumn = (field: string) =>
    SYSTEM_COLUMNS.has(field) || found.some(({ columns }) => columns.some(({ name }) => name === field));
  // A name that nobody gave and no relation has is one that the server gave to something in the statement.
  const unknown = (field: string) => !made.includes(field) && !isColumn(field);
  const ofRow = qualified.some(
    ({ field, of }) =>
      resolver.snapshot.rowFunctions.has(field) &&
      of.some((name) =>
        resolver.resolve(name, names).some(({ columns }) => columns.every((each) => each.name !== field)),
      ),
  );
  const whole = fields === undefined || ofRow || fields.some((field) => rows.has(field) || unknown(field));
  const isDirect = fields?.some(unknown) !== true;
  const parts = found.flatMap((relation) =>
    relation.columns
      .filter((column) => whole || fields.includes(column.name))
      .map((column) => resolver.columnOf(relation, column)),
  );
  return { ...union(parts), direct: isDirect && parts.every((part) => part.direct || part.columns?.length === 0) };
}
