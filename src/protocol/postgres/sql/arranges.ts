// How definitions use columns that they name without an expression: an index and a constraint compare and sort the values
// that are there, a cluster puts the rows in their order, a conflict says which values there are.
// Refuses to know: expressions, the catalogue.

import type { PredicateKind } from '../../contract.ts';
import type { Tree } from './parser.ts';
import { as, child, list, names, text } from './tree.ts';

export interface Arrangement {
  readonly kind: PredicateKind;
  /** Undefined: any column of its relations. */
  readonly fields: readonly string[] | undefined;
  /** Columns of relations that it does not name. */
  readonly anywhere?: true;
}

/** So many rows of constants are a guess, not a search. */
const ROWS = 10;

/** What the body of a node of that key uses by name alone. @param alters in a table that there is, not one that is made. */
export function arranges(key: string, node: Tree, alters: boolean): Arrangement | undefined {
  switch (key) {
    case 'IndexElem':
      return ofName('order', text(node, 'name'));
    case 'Constraint':
      return constrained(node, alters);
    case 'ClusterStmt':
      return { kind: 'order', fields: undefined };
    case 'AlterTableCmd':
      return altered(node);
    case 'CommonTableExpr':
      return cycling(child(node, 'cycle_clause'));
    case 'AlterDomainStmt':
      // A constraint, its validation, NOT NULL: whether all values of columns of that type are so.
      return /^[CVO]$/.test(text(node, 'subtype') ?? '')
        ? { kind: 'computed', fields: undefined, anywhere: true }
        : undefined;
    case 'InsertStmt':
      return conflicting(node);
    default:
      return undefined;
  }
}

function ofName(kind: PredicateKind, name: string | undefined): Arrangement | undefined {
  return name === undefined ? undefined : { kind, fields: [name] };
}

/** CYCLE compares rows with those before them. */
function cycling(clause: Tree | undefined): Arrangement | undefined {
  return clause === undefined ? undefined : { kind: 'join', fields: names(list(clause, 'cycle_col_list')) };
}

function constrained(node: Tree, alters: boolean): Arrangement | undefined {
  const type = text(node, 'contype');
  const own = alters ? names(list(node, type === 'CONSTR_FOREIGN' ? 'fk_attrs' : 'keys')) : [];
  if (type === 'CONSTR_FOREIGN') return { kind: 'join', fields: [...own, ...names(list(node, 'pk_attrs'))] };
  return own.length === 0 || type === 'CONSTR_NOTNULL' ? undefined : { kind: 'order', fields: own };
}

function altered(node: Tree): Arrangement | undefined {
  const subtype = text(node, 'subtype');
  if (subtype === 'AT_ClusterOn') return { kind: 'order', fields: undefined };
  // Whether every value is one of the other type; and under another collation equal is something else.
  return subtype === 'AT_AlterColumnType' ? ofName('computed', text(node, 'name')) : undefined;
}

/** INSERT … ON CONFLICT of many rows: those that are not inserted tell which values there are. */
function conflicting(node: Tree): Arrangement | undefined {
  const clause = child(node, 'onConflictClause');
  if (clause === undefined) return undefined;
  const values = list(as(node.selectStmt, 'SelectStmt'), 'valuesLists');
  if (values.length > 0 && values.length <= ROWS) return undefined;
  const infer = child(clause, 'infer');
  const elements = list(infer, 'indexElems').map((element) => text(as(element, 'IndexElem'), 'name'));
  if (elements.length > 0 && elements.every((name) => name !== undefined))
    return { kind: 'join', fields: elements as string[] };
  const columns = list(node, 'cols').map((column) => text(as(column, 'ResTarget'), 'name') ?? '');
  return { kind: 'join', fields: columns.length === 0 ? undefined : columns };
}
