// Which names a statement makes mean something else, or where else it makes values be seen: what was decided by the names of
// before may still wait at the server. Refuses to know: the catalogue, what is masked.

import type { Tree } from './parser.ts';
import { fieldsIn } from './references.ts';
import { spacesOf } from './spaces.ts';
import { OWN_TYPES } from './total.ts';
import { as, child, list, names, text, unwrap } from './tree.ts';

export type Redefined =
  /** A relation, in whatever schema: all of it, or these columns. */
  | { readonly kind: 'relation'; readonly name: string; readonly columns?: readonly string[] }
  /** A relation goes: one of the same name in another schema may be what is seen from then on. */
  | { readonly kind: 'gone'; readonly name: string }
  /** All relations of a schema; `*`: of any. */
  | { readonly kind: 'schema'; readonly name: string }
  | { readonly kind: 'schema-gone'; readonly name: string }
  /** What it reads is seen under the name of a view. */
  | { readonly kind: 'view' }
  /** Columns of any relation may go. */
  | { readonly kind: 'any' };

/**
 * Types and collations that statements are read by as the server's own: a cast to them fails for no value, and equality is what it
 * says. One of such a name in another schema, the session's own first of all, would be what is meant.
 */
const MEANT = new Set(['text', 'varchar', 'bpchar', 'C', 'POSIX', 'default']);
/** Of these only a domain can be in the place. */
const DOMAINS = new Set(['CreateDomainStmt', 'DefineStmt', 'RenameStmt']);

const VIEW: readonly Redefined[] = [{ kind: 'view' }];
const ANY: readonly Redefined[] = [{ kind: 'any' }];

/** Kinds of objects that have no name in statements about rows. */
const NAMELESS = new Set(['OBJECT_TABCONSTRAINT', 'OBJECT_POLICY', 'OBJECT_ATTRIBUTE']);
const DROPPED = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_FOREIGN_TABLE',
  'OBJECT_SEQUENCE',
  'OBJECT_INDEX',
]);
/** What may be in a relation without being a column of it. */
const PARTS = new Set(['OBJECT_TRIGGER', 'OBJECT_RULE', 'OBJECT_POLICY']);

export function redefinesOf(type: string, node: Tree): readonly Redefined[] {
  const made = madeBy(type, node) ?? '';
  return MEANT.has(made) || (DOMAINS.has(type) && isTypes(node) && OWN_TYPES.has(made)) ? ANY : redefined(type, node);
}

/** A rename may be of anything. */
function isTypes(node: Tree): boolean {
  return /^(?:OBJECT_TYPE|OBJECT_DOMAIN)?$/.test(text(node, 'renameType') ?? '');
}

/** The name of a type or collation that comes about; a relation's row is a type too. */
function madeBy(type: string, node: Tree): string | undefined {
  switch (type) {
    case 'CreateDomainStmt':
      return names(list(node, 'domainname')).at(-1);
    case 'CreateEnumStmt':
    case 'CreateRangeStmt':
      return names(list(node, 'typeName')).at(-1);
    case 'CompositeTypeStmt':
      return text(child(node, 'typevar'), 'relname');
    case 'DefineStmt':
      return names(list(node, 'defnames')).at(-1);
    case 'RenameStmt':
      return text(node, 'renameType') === 'OBJECT_COLUMN' ? undefined : text(node, 'newname');
    case 'CreateStmt':
      return text(child(node, 'relation'), 'relname');
    case 'ViewStmt':
      return text(child(node, 'view'), 'relname');
    case 'SelectStmt':
      return text(child(child(node, 'intoClause'), 'rel'), 'relname');
    case 'CreateTableAsStmt':
      return text(child(child(node, 'into'), 'rel'), 'relname');
    default:
      return undefined;
  }
}

function redefined(type: string, node: Tree): readonly Redefined[] {
  switch (type) {
    case 'RenameStmt':
      return renamed(node, text(node, 'renameType') ?? '');
    case 'AlterObjectSchemaStmt':
      return ofRelation(child(node, 'relation'));
    case 'AlterTableStmt':
      return list(node, 'cmds').flatMap((command) => altered(child(node, 'relation'), as(command, 'AlterTableCmd')));
    case 'CreateStmt':
      // A part of another: its rows are seen there, and those of the other in it.
      return list(node, 'inhRelations').flatMap((parent) => ofRelation(as(parent, 'RangeVar')));
    case 'CreateForeignTableStmt':
      return redefinesOf('CreateStmt', child(node, 'base') ?? child(node, 'base_stmt') ?? node);
    case 'CreateSchemaStmt':
      return list(node, 'schemaElts').flatMap((element) => redefinesOf(...(unwrap(element) ?? (['', {}] as const))));
    case 'ViewStmt':
      return VIEW;
    case 'DropStmt':
      return dropped(node, text(node, 'removeType') ?? '');
    case 'DropOwnedStmt':
      return ANY;
    default:
      return [];
  }
}

function ofRelation(relation: Tree | undefined, columns?: readonly string[]): Redefined[] {
  const name = text(relation, 'relname');
  return name === undefined ? [] : [{ kind: 'relation', name, ...(columns === undefined ? {} : { columns }) }];
}

function renamed(node: Tree, kind: string): readonly Redefined[] {
  if (kind === 'OBJECT_SCHEMA') return spacesOf('RenameStmt', node).map((name) => ({ kind: 'schema', name }));
  if (NAMELESS.has(kind)) return [];
  const column = kind === 'OBJECT_COLUMN' ? text(node, 'subname') : undefined;
  return ofRelation(child(node, 'relation'), column === undefined ? undefined : [column]);
}

function altered(relation: Tree | undefined, command: Tree | undefined): readonly Redefined[] {
  switch (text(command, 'subtype')) {
    case 'AT_AddInherit':
    case 'AT_DropInherit':
      return [...ofRelation(relation), ...ofRelation(as(command?.def, 'RangeVar'))];
    case 'AT_AttachPartition':
    case 'AT_DetachPartition':
    case 'AT_DetachPartitionFinalize':
      return [...ofRelation(relation), ...ofRelation(child(as(command?.def, 'PartitionCmd'), 'name'))];
    case 'AT_DropColumn':
      // COPY and `*` go by the number of a column.
      return ofRelation(relation);
    case 'AT_AddColumn':
    case 'AT_SetExpression': {
      // Generated from other columns.
      const fields = fieldsIn(command?.def);
      if (fields?.size === 0) return [];
      return ofRelation(relation, fields && [...fields]);
    }
    default:
      return [];
  }
}

function dropped(node: Tree, kind: string): readonly Redefined[] {
  const objects = list(node, 'objects');
  if (DROPPED.has(kind)) {
    return objects.flatMap((object) => {
      const name = names(list(as(object, 'List'), 'items')).at(-1);
      return name === undefined ? [] : [{ kind: 'gone', name }];
    });
  }
  // A type goes with the columns of that type.
  if (text(node, 'behavior') === 'DROP_CASCADE' && !PARTS.has(kind)) return ANY;
  return spacesOf('DropStmt', node).map((name) => ({ kind: 'schema-gone', name }));
}
