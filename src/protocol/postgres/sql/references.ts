// What an expression refers to, by names alone. Refuses to know: what becomes of it.

import { spend } from './effort.ts';
import type { Tree } from './parser.ts';
import { isOwnType, isPlainCollation, isTotalCast } from './total.ts';
import { as, child, isTree, list, names, text, unwrap } from './tree.ts';

/**
 * A reference, through casts and collations that leave equality what it is: `ssn::varchar(1) = '9'` asks for a beginning, and
 * a collation may take any two characters for one.
 */
export function plainReference(value: unknown): Tree | undefined {
  const node = unwrap(value);
  if (node?.[0] === 'ColumnRef') return node[1];
  return node !== undefined && leavesEquality(...node) ? plainReference(node[1].arg) : undefined;
}

function leavesEquality(type: string, node: Tree): boolean {
  return type === 'TypeCast' ? isTotalCast(node) : type === 'CollateClause' && isPlainCollation(node);
}

/** How many constants and parameters it is, when it is nothing else. */
export function constantsIn(value: unknown): number | undefined {
  spend();
  if (Array.isArray(value)) {
    let count = 0;
    for (const item of value) {
      const inside = constantsIn(item);
      if (inside === undefined) return undefined;
      count += inside;
    }
    return count;
  }
  const node = unwrap(value);
  if (node === undefined) return undefined;
  if (node[0] === 'A_Const' || node[0] === 'ParamRef' || node[0] === 'SQLValueFunction') return 1;
  if (node[0] === 'TypeCast' && !isOwnType(child(node[1], 'typeName'))) return undefined;
  if (node[0] === 'TypeCast' || leavesEquality(...node)) return constantsIn(node[1].arg);
  if (node[0] === 'List') return constantsIn(list(node[1], 'items'));
  return undefined;
}

/** Last parts of all references somewhere in it; undefined where there is a `*`. */
export function fieldsIn(value: unknown): Set<string> | undefined {
  const found = new Set<string>();
  let star = false;
  const walk = (inner: unknown): void => {
    spend();
    if (Array.isArray(inner)) inner.forEach(walk);
    else if (isTree(inner)) {
      for (const key in inner) {
        const body = inner[key];
        if (key === 'ColumnRef') {
          const last = list(body as Tree, 'fields').at(-1);
          // What a set takes is more than a look.
          spend(3);
          if (as(last, 'A_Star') !== undefined) star = true;
          else found.add(text(as(last, 'String'), 'sval') ?? '');
        } else walk(body);
      }
    }
  };
  walk(value);
  return star ? undefined : found;
}

export function functionsIn(value: unknown): string[] {
  const found: string[] = [];
  const walk = (inner: unknown): void => {
    spend();
    if (Array.isArray(inner)) inner.forEach(walk);
    else if (isTree(inner)) {
      for (const key in inner) {
        if (key === 'FuncCall') found.push(names(list(inner[key] as Tree, 'funcname')).at(-1) ?? '');
        walk(inner[key]);
      }
    }
  };
  walk(value);
  return found;
}

/** Whether an expression depends on a row at all: `where true`, `where 1 = 1` and `where $1` do not. */
export function refersToRow(where: unknown): boolean {
  spend();
  if (Array.isArray(where)) return where.some(refersToRow);
  if (!isTree(where)) return false;
  const node = unwrap(where);
  if (node !== undefined && (node[0] === 'ColumnRef' || node[0] === 'CurrentOfExpr')) return true;
  for (const key in where) if (refersToRow(where[key])) return true;
  return false;
}

export function hasReturning(node: Tree): boolean {
  return node.returningClause !== undefined || node.returningList !== undefined;
}
