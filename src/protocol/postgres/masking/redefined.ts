// Names that a statement makes mean something else → the columns that are no longer what was decided of them.
// Refuses to know: which of them are masked.

import type { Relation } from '../catalogue/snapshot.ts';
import type { Lineage } from '../sql/lineage.ts';
import type { Redefined } from '../sql/redefines.ts';
import { type Names, NOWHERE, type OriginResolver, type Origins, UNPROVEN, union } from './origins.ts';

export function redefinedOrigins(resolver: OriginResolver, lineage: Lineage, names: Names): Origins {
  return union(lineage.redefines.map((redefined) => originsOf(resolver, lineage, redefined, names)));
}

function originsOf(resolver: OriginResolver, lineage: Lineage, redefined: Redefined, names: Names): Origins {
  switch (redefined.kind) {
    case 'relation':
      return columnsOf(resolver, called(resolver, redefined.name), redefined.columns);
    case 'gone':
      return uncovered(resolver, redefined.name);
    case 'schema':
      return union(within(resolver, redefined.name).map(({ name }) => whole(resolver, called(resolver, name))));
    case 'schema-gone':
      return union(within(resolver, redefined.name).map(({ name }) => uncovered(resolver, name)));
    case 'view':
      return viewed(resolver, lineage, names);
    default:
      return UNPROVEN;
  }
}

/** Whatever the schema: a relation that is moved or renamed uncovers another one of its name. */
function called(resolver: OriginResolver, name: string): readonly Relation[] {
  return resolver.snapshot.resolve(undefined, name, false);
}

function within(resolver: OriginResolver, schema: string): Relation[] {
  const all = [...resolver.snapshot.relations.values()].filter(({ builtin, kind }) => !builtin && kind !== 't');
  return schema === '*' ? all : all.filter((relation) => relation.schema === schema);
}

function whole(resolver: OriginResolver, relations: readonly Relation[]): Origins {
  return union(relations.map((relation) => resolver.relation(relation)));
}

function columnsOf(
  resolver: OriginResolver,
  relations: readonly Relation[],
  columns: readonly string[] | undefined,
): Origins {
  const found = relations.flatMap((relation) =>
    relation.columns
      .filter(({ name }) => columns?.includes(name) === true)
      .map((column) => resolver.columnOf(relation, column)),
  );
  // A name that the catalogue does not have may be that of any.
  return found.length === 0 ? whole(resolver, relations) : union(found);
}

function uncovered(resolver: OriginResolver, name: string): Origins {
  const relations = called(resolver, name);
  return relations.length < 2 ? NOWHERE : whole(resolver, relations);
}

function viewed(resolver: OriginResolver, lineage: Lineage, names: Names): Origins {
  if (!resolver.expressionsAreKnown(lineage)) return UNPROVEN;
  const width = resolver.width(lineage, names);
  const outputs = width === undefined ? [undefined] : resolver.outputs(lineage, width, names);
  return union(outputs.map((output) => output ?? resolver.read(lineage, names)));
}
