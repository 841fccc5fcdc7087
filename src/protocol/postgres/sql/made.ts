// Names that a statement gives to expressions, and what is behind them: `select upper(ssn) as u … where u > 'x'` is about ssn.
// Refuses to know: scopes. A name stands for everything that goes by it anywhere in the statement.

import { columnName } from './column-name.ts';
import { spend } from './effort.ts';
import type { Tree } from './parser.ts';
import { fieldsIn, functionsIn, plainReference } from './references.ts';
import { as, child, list, names, text, unwrap } from './tree.ts';

export class MadeNames {
  /** With what is in each, sets that names share; undefined: not known what. */
  readonly #made = new Map<string, Set<ReadonlySet<string>> | undefined>();
  /** Those that are not just another name of one column, where conditions can be about them. */
  readonly #computed = new Set<string>();
  /** What may be behind any name at all; undefined: any column. */
  #anything: Set<string> | undefined = new Set();

  /** Undefined: anything may be behind it. @param inner an item of a query inside, which the one around it may ask about. */
  give(name: string | undefined, value: unknown, inner: boolean): void {
    if (name === undefined) return;
    this.#give(name, value === undefined ? undefined : fieldsIn(value));
    if (inner && value !== undefined && plainReference(value) === undefined) this.#computed.add(name);
  }

  /** Whether equality with a name is one with what somebody has made of a column. */
  isComputed(name: string): boolean {
    if (this.#anything === undefined || this.#anything.size > 0) return true;
    const seen = new Set([name]);
    const added = new Set<ReadonlySet<string>>();
    for (const each of seen) {
      if (this.#computed.has(each)) return true;
      addAll(this.#made.get(each) ?? [], seen, added);
    }
    return false;
  }

  has(name: string): boolean {
    return this.#made.has(name);
  }

  /** A query gives names to its columns itself, where nobody does. */
  giveItem(target: unknown, inner: boolean): void {
    const item = as(target, 'ResTarget');
    if (item?.val === undefined) return;
    const name = labelOf(item);
    this.give(name, item.val, inner);
    // What versions before 14 call it.
    if (name === 'extract') this.give('date_part', item.val, inner);
  }

  /**
   * Columns of a UNION and the like have the names of its first query's, and values of all. What is on the left of it has
   * the same names, and gives them nothing more: a long chain needs this once.
   */
  giveCombined(select: Tree): void {
    const queries = leaves(select);
    const [first, ...others] = queries.map(columnsOf);
    // The columns behind a `*` may have any names, and then the values of the others.
    if (first === undefined) this.#giveAnything(others.every((other) => other !== undefined) ? others : undefined);
    const names = namesOf(queries[0]);
    const unlike = (other: unknown[][] | undefined) => other?.length !== first?.length || other === undefined;
    if (others.some(unlike)) {
      const all = fieldsIn(select);
      for (const name of names) if (name !== undefined) this.giveFields(name, all);
    }
    for (const other of others) {
      if (unlike(other)) continue;
      spend(names.length);
      for (const [place, name] of names.entries()) {
        for (const value of other?.[place] ?? []) this.give(name, value, true);
      }
    }
  }

  /** A function in FROM: its columns, and its rows. */
  giveTable(node: Tree): void {
    const alias = child(node, 'alias');
    const inside = fieldsIn(node);
    const made = [text(alias, 'aliasname'), ...names(list(alias, 'colnames')), ...functionsIn(node)];
    for (const column of [...list(node, 'coldeflist'), ...list(node, 'columns')]) {
      const body = unwrap(column)?.[1];
      made.push(text(body, 'colname'), text(body, 'name'));
    }
    for (const name of made) if (name !== undefined) this.giveFields(name, inside);
  }

  /** `with c (a, b) as …`, `(select …) as s (a, b)`: names for everything that is in it; those of SEARCH and CYCLE too. */
  giveRenamed(node: Tree): void {
    const alias = child(node, 'alias');
    const search = child(node, 'search_clause');
    const cycle = child(node, 'cycle_clause');
    const inside = fieldsIn(node.subquery ?? node.ctequery);
    const made = [
      ...names(list(alias, 'colnames')),
      ...names(list(node, 'aliascolnames')),
      text(alias, 'aliasname') ?? text(node, 'ctename'),
      text(search, 'search_seq_column'),
      text(cycle, 'cycle_mark_column'),
      text(cycle, 'cycle_path_column'),
    ];
    for (const name of made) if (name !== undefined) this.giveFields(name, inside);
  }

  #giveAnything(values: unknown): void {
    const fields = values === undefined ? undefined : fieldsIn(values);
    if (fields === undefined) this.#anything = undefined;
    else if (this.#anything !== undefined) for (const field of fields) this.#anything.add(field);
  }

  /** Columns of VALUES. */
  giveValues(rows: readonly unknown[]): void {
    const width = list(as(rows[0], 'List'), 'items').length;
    const all = width === 0 ? undefined : fieldsIn(rows);
    for (let column = 1; column <= width; column++) this.giveFields(`column${column}`, all);
  }

  giveFields(name: string, fields: ReadonlySet<string> | undefined): void {
    this.#computed.add(name);
    this.#give(name, fields);
  }

  #give(name: string, fields: ReadonlySet<string> | undefined): void {
    const known = this.#made.get(name);
    if (fields === undefined || (this.#made.has(name) && known === undefined)) this.#made.set(name, undefined);
    else if (known === undefined) this.#made.set(name, new Set([fields]));
    else if (fields.size > 0) known.add(fields);
  }

  /** The fields, and those of every expression that has the name of one; undefined: any. */
  behind(fields: ReadonlySet<string>): readonly string[] | undefined {
    if (this.#anything === undefined) return undefined;
    const closed = new Set([...fields, ...this.#anything]);
    const added = new Set<ReadonlySet<string>>();
    for (const field of closed) {
      if (!this.#made.has(field)) continue;
      const inside = this.#made.get(field);
      if (inside === undefined) return undefined;
      addAll(inside, closed, added);
    }
    return [...closed];
  }
}

/** Adds what is in the sets, each of them once. */
function addAll(sets: Iterable<ReadonlySet<string>>, to: Set<string>, added: Set<ReadonlySet<string>>): void {
  for (const set of sets) {
    spend();
    if (added.has(set)) continue;
    added.add(set);
    spend(3 * set.size);
    for (const item of set) to.add(item);
  }
}

/** The queries of a set operation, from the left. */
function leaves(select: Tree, found: Tree[] = []): Tree[] {
  spend();
  const left = child(select, 'larg');
  const right = child(select, 'rarg');
  if (left === undefined || right === undefined) found.push(select);
  else {
    leaves(left, found);
    leaves(right, found);
  }
  return found;
}

/** Of the first query's columns, in their order; undefined for those of a `*`. */
function namesOf(query: Tree | undefined): (string | undefined)[] {
  const [row] = list(query, 'valuesLists');
  if (row !== undefined) return list(as(row, 'List'), 'items').map((_, place) => `column${place + 1}`);
  return list(query, 'targetList').map((target) => labelOf(as(target, 'ResTarget')));
}

/** What an item of a select list is called. */
export function labelOf(item: Tree | undefined): string | undefined {
  return item === undefined ? undefined : (text(item, 'name') ?? columnName(item.val));
}

/** What is in a column of a set operation or VALUES, by its number; undefined where that is not told apart. */
export function placedIn(select: Tree, place: number): readonly unknown[] | undefined {
  const found: unknown[] = [];
  for (const columns of leaves(select).map(columnsOf)) {
    const values = columns?.[place - 1];
    if (values === undefined) return undefined;
    for (const value of values) found.push(value);
  }
  return found;
}

/** What is in each column of a query, row by row for VALUES; undefined where a `*` hides how many there are. */
function columnsOf(select: Tree): unknown[][] | undefined {
  const rows = list(select, 'valuesLists').map((row) => list(as(row, 'List'), 'items'));
  spend(rows.length * (rows[0]?.length ?? 0));
  if (rows.length > 0) return rows[0]!.map((_, place) => rows.map((row) => row[place]));
  const values = list(select, 'targetList').map((target) => as(target, 'ResTarget')?.val);
  return values.some((value) => fieldsIn(value) === undefined) ? undefined : values.map((value) => [value]);
}
