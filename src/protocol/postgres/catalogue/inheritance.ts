// What a relation inherits from, and what inherits from it: tables and partitions, level upon level.

import type { Relation } from './snapshot.ts';

/** Ancestors, and all descendants: a scan of a parent returns the rows of its children. */
export function relatives(relation: Relation): Set<Relation> {
  return reachable(relation, (each) => each.children, ancestors(relation));
}

export const ancestors = (relation: Relation): Set<Relation> => reachable(relation, (each) => each.parents);
export const descendants = (relation: Relation): Set<Relation> => reachable(relation, (each) => each.children);

/** Each once, however many ways lead to it: what inherits twice over, level upon level, has as many as two to the levels. */
function reachable(
  relation: Relation,
  next: (each: Relation) => readonly Relation[],
  found = new Set<Relation>(),
): Set<Relation> {
  const open = [...next(relation)];
  for (let each = open.pop(); each !== undefined; each = open.pop()) {
    if (found.has(each)) continue;
    found.add(each);
    open.push(...next(each));
  }
  return found;
}
