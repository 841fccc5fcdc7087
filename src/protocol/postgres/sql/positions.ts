// `order by 2`, `group by 1`: the items of a query, or the columns of a set operation, that a number stands for.
// Refuses to know: what is done with them.

import { placedIn } from './made.ts';
import type { Tree } from './parser.ts';
import { fieldsIn } from './references.ts';
import { as, child } from './tree.ts';

export class Positions {
  readonly #stars = new Map<readonly unknown[], number>();
  /** A constant was met that may be a number. */
  met = false;

  /** Of a select list; a `*` may be anything. */
  item(item: unknown, targets: readonly unknown[]): unknown {
    const [value, constant] = sortedBy(item);
    const position = positionOf(constant);
    // Also `order by 1.5`, which the server refuses: it has the key of `order by 2`, and must not answer for it.
    if (constant !== undefined) this.met = true;
    if (constant === undefined || position < 1) return value;
    const star = this.#firstStar(targets);
    return (star < position ? targets[star] : targets[position - 1]) ?? item;
  }

  /** Of a set operation, or of VALUES: all that is in the column; undefined where that is not told apart. */
  combined(item: unknown, select: Tree): readonly unknown[] | undefined {
    const [value, constant] = sortedBy(item);
    if (constant === undefined) return [value];
    this.met = true;
    return placedIn(select, positionOf(constant));
  }

  /** Which item of a select list has a `*` in it first; Infinity: none. */
  #firstStar(targets: readonly unknown[]): number {
    let star = this.#stars.get(targets);
    if (star === undefined) {
      const found = targets.findIndex((target) => fieldsIn(target) === undefined);
      star = found < 0 ? Number.POSITIVE_INFINITY : found;
      this.#stars.set(targets, star);
    }
    return star;
  }
}

function sortedBy(item: unknown): [value: unknown, constant: Tree | undefined] {
  const sort = as(item, 'SortBy');
  const value = sort === undefined ? item : sort.node;
  return [value, as(value, 'A_Const')];
}

function positionOf(constant: Tree | undefined): number {
  return Number(child(constant, 'ival')?.ival ?? 0);
}
