// What of a statement lets somebody guess a column's values without selecting them: conditions, joins, order, groups, row
// counts, errors on purpose. Names only, as written; the planner finds the columns that they mean.
// Refuses to know: the catalogue, what is masked.
//
// Sound before precise: what is not told apart is `computed`, and a name that the statement itself made stands for
// everything that goes by that name in it.

import type { PredicateKind } from '../../contract.ts';
import type { Name } from './collector.ts';
import type { Tree } from './parser.ts';
import { constantsIn, fieldsIn, functionsIn, plainReference } from './references.ts';
import { as, child, isTree, list, names, text, unwrap } from './tree.ts';

export interface Predicate {
  readonly kind: PredicateKind;
  /** Last parts of the references in it, and of those behind names that the statement made; undefined: any column. */
  readonly fields: readonly string[] | undefined;
  readonly functions: readonly Name[];
}

/** So many constants may be compared with in one statement before it counts as a search, not a look-up. */
const CONSTANTS = 10;

const EQUALITY = new Set(['=', '<>']);
const RANGE = new Set(['<', '>', '<=', '>=']);
/** Operators that make values, and compare none. Those that can fail by the value are not among them. */
const MAKING = new Set(['||', '+', '-', '*', '->', '->>', '#>', '#>>', '&', '|', '#', '<<', '>>', '#-']);

/** Functions of which the number of rows, or the time, tells the argument. */
const TELLING =
  /^(?:generate_(?:series|subscripts)|unnest|pg_sleep.*|regexp_matches|[a-z_]+_to_table|jsonb?_(?:each|array_elements|object_keys|path_query|populate_recordset|to_recordset|table)(?:_text|_tz)?|xmltable|ts_parse|ts_debug|_pg_expandarray)$/;

const NONE: readonly Predicate[] = [];

interface Found {
  fields: Set<string>;
  functions: Map<string, Name>;
  all: boolean;
}

type Where = PredicateKind | undefined;

export interface Predicates {
  readonly predicates: readonly Predicate[];
  /** They depend on the value of a constant: `order by 2`. */
  readonly positional: boolean;
}

export function predicatesOf(node: Tree): Predicates {
  const walker = new Walker();
  const predicates = walker.run(node);
  return { predicates, positional: walker.positional };
}

class Walker {
  readonly #found = new Map<PredicateKind, Found>();
  /** Names that the statement gives to expressions, with what is in them; undefined: not known what. */
  readonly #made = new Map<string, Set<string> | undefined>();
  #constants = 0;
  positional = false;

  run(node: Tree): readonly Predicate[] {
    this.#walk(node, undefined);
    if (this.#constants > CONSTANTS) this.#merge('equality', 'computed');
    if (this.#found.size === 0) return NONE;
    return [...this.#found].map(([kind, { fields, functions, all }]) => ({
      kind,
      fields: all ? undefined : this.#closed(fields),
      functions: [...functions.values()],
    }));
  }

  #merge(from: PredicateKind, into: PredicateKind): void {
    const found = this.#found.get(from);
    if (found === undefined) return;
    this.#found.delete(from);
    const other = this.#of(into);
    for (const field of found.fields) other.fields.add(field);
    for (const [key, name] of found.functions) other.functions.set(key, name);
    other.all ||= found.all;
  }

  #of(kind: PredicateKind): Found {
    let found = this.#found.get(kind);
    if (found === undefined) {
      found = { fields: new Set(), functions: new Map(), all: false };
      this.#found.set(kind, found);
    }
    return found;
  }

  /** The fields, and those of every expression that has the name of one. */
  #closed(fields: ReadonlySet<string>): readonly string[] | undefined {
    const closed = new Set(fields);
    for (const field of closed) {
      if (!this.#made.has(field)) continue;
      const inside = this.#made.get(field);
      if (inside === undefined) return undefined;
      for (const other of inside) closed.add(other);
    }
    return [...closed];
  }

  #make(name: string | undefined, value: unknown): void {
    if (name === undefined) return;
    const fields = value === undefined ? undefined : fieldsIn(value);
    const known = this.#made.get(name);
    if (fields === undefined || (this.#made.has(name) && known === undefined)) this.#made.set(name, undefined);
    else this.#made.set(name, new Set([...(known ?? []), ...fields]));
  }

  #walk(value: unknown, where: Where): void {
    if (Array.isArray(value)) {
      for (const item of value) this.#walk(item, where);
      return;
    }
    if (!isTree(value)) return;
    for (const key in value) {
      const inner = value[key];
      if (typeof inner === 'object' && inner !== null) this.#visit(key, inner as Tree, where);
    }
  }

  #visit(key: string, node: Tree, where: Where): void {
    switch (key) {
      case 'ColumnRef':
        if (where !== undefined) this.#reference(node, where);
        return;
      case 'whereClause':
      case 'havingClause':
      case 'quals':
      case 'joinCondition':
      case 'condition':
      case 'agg_filter':
      case 'limitCount':
      case 'limitOffset':
      case 'raw_expr':
      case 'qual':
      case 'with_check':
        this.#condition(node);
        return;
      case 'A_Expr':
        this.#expression(node, where);
        return;
      case 'FuncCall':
        this.#call(node, where);
        return;
      case 'RangeFunction':
      case 'RangeTableFunc':
      case 'JsonTable':
      case 'RangeTableSample':
        this.#table(node);
        return;
      case 'CaseExpr':
        this.#walk([node.arg], node.arg === undefined ? where : 'computed');
        for (const item of list(node, 'args')) {
          const when = as(item, 'CaseWhen');
          if (when?.expr !== undefined) this.#condition(when.expr);
          this.#walk([when?.result], where);
        }
        this.#walk([node.defresult], where);
        return;
      case 'SubLink':
        this.#subLink(node, where);
        return;
      case 'WindowDef':
      case 'over':
        this.#walk(list(node, 'partitionClause'), 'group');
        this.#walk(list(node, 'orderClause'), 'order');
        this.#walk([node.startOffset, node.endOffset], 'computed');
        return;
      case 'JoinExpr':
        this.#join(node, where);
        return;
      case 'SelectStmt':
        this.#select(node, where);
        return;
      case 'ResTarget':
        this.#make(text(node, 'name'), node.val);
        this.#walk([node.val], where);
        return;
      case 'RangeVar':
        // `t as a (x, y)` renames columns: by those names anything may be meant.
        for (const name of names(list(child(node, 'alias'), 'colnames'))) this.#make(name, undefined);
        return;
      case 'CommonTableExpr':
      case 'RangeSubselect':
        this.#renamed(node);
        this.#walk(node, key === 'CommonTableExpr' ? undefined : where);
        return;
      default:
        this.#walk(node, where);
    }
  }

  #reference(node: Tree, kind: PredicateKind): void {
    const fields = list(node, 'fields');
    const last = text(as(fields.at(-1), 'String'), 'sval');
    const found = this.#of(kind);
    if (last === undefined) found.all = true;
    else found.fields.add(last);
  }

  /** A boolean: comparisons in it are told apart, all else that it refers to is computed with. */
  #condition(value: unknown): void {
    const node = Array.isArray(value) ? undefined : unwrap(value);
    if (node === undefined) {
      this.#walk(value, 'computed');
      return;
    }
    const [type, body] = node;
    if (type === 'BoolExpr') {
      for (const item of list(body, 'args')) this.#condition(item);
    } else if ((type === 'NullTest' || type === 'BooleanTest') && plainReference(body.arg) !== undefined) {
      this.#reference(plainReference(body.arg)!, 'equality');
    } else if (type === 'ColumnRef') this.#reference(body, 'equality');
    else this.#walk(value, 'computed');
  }

  #expression(node: Tree, where: Where): void {
    const kind = text(node, 'kind') ?? 'AEXPR_OP';
    const operator = names(list(node, 'name')).at(-1) ?? '';
    const sides = [node.lexpr, node.rexpr];
    if (kind === 'AEXPR_OP' && MAKING.has(operator)) {
      this.#walk(sides, where);
      return;
    }
    if (kind === 'AEXPR_OP' || kind === 'AEXPR_IN' || kind === 'AEXPR_DISTINCT' || kind === 'AEXPR_NOT_DISTINCT') {
      if (EQUALITY.has(operator)) {
        this.#equality(sides);
        return;
      }
    }
    const range = RANGE.has(operator) || kind.includes('BETWEEN');
    this.#walk(sides, range && kind !== 'AEXPR_OP_ANY' ? 'range' : kind === 'AEXPR_NULLIF' ? 'computed' : 'pattern');
  }

  #equality([left, right]: unknown[]): void {
    const leftColumn = plainReference(left);
    const rightColumn = plainReference(right);
    if (leftColumn !== undefined && rightColumn !== undefined) {
      this.#reference(leftColumn, 'join');
      this.#reference(rightColumn, 'join');
      return;
    }
    const column = leftColumn ?? rightColumn;
    const constants = constantsIn(leftColumn === undefined ? left : right);
    if (column !== undefined && constants !== undefined) {
      this.#constants += constants;
      this.#reference(column, 'equality');
      return;
    }
    this.#walk([left, right], 'computed');
  }

  #call(node: Tree, where: Where): void {
    const name = names(list(node, 'funcname'));
    const last = name.at(-1) ?? '';
    if (where !== undefined) {
      this.#of(where).functions.set(name.join('.'), { schema: name.at(-2), name: last });
    }
    const inside = where ?? (TELLING.test(last) ? 'computed' : undefined);
    const ordered = node.agg_order !== undefined;
    this.#walk([node.args], inside);
    if (ordered) this.#walk(list(node, 'agg_order'), inside ?? 'order');
    if (node.agg_distinct === true) this.#walk([node.args], inside ?? 'group');
    if (node.agg_filter !== undefined) this.#condition(node.agg_filter);
    if (isTree(node.over)) this.#visit('over', node.over, where);
  }

  /** A function in FROM: the number of its rows tells its arguments. */
  #table(node: Tree): void {
    const alias = child(node, 'alias');
    const inside = fieldsIn(node);
    const made = [text(alias, 'aliasname'), ...names(list(alias, 'colnames'))];
    for (const column of [...list(node, 'coldeflist'), ...list(node, 'columns')]) {
      const body = unwrap(column)?.[1];
      made.push(text(body, 'colname'), text(body, 'name'));
    }
    for (const call of functionsIn(node)) made.push(call);
    for (const name of made) if (name !== undefined) this.#makeOf(name, inside);
    const { alias: _, ...rest } = node;
    this.#walk(rest, 'computed');
  }

  #makeOf(name: string, fields: ReadonlySet<string> | undefined): void {
    const known = this.#made.get(name);
    if (fields === undefined || (this.#made.has(name) && known === undefined)) this.#made.set(name, undefined);
    else this.#made.set(name, new Set([...(known ?? []), ...fields]));
  }

  /** `with c (a, b) as …`, `(select …) as s (a, b)`: names for everything that is in it. */
  #renamed(node: Tree): void {
    const alias = child(node, 'alias');
    const query = node.subquery ?? node.ctequery;
    const inside = fieldsIn(query);
    const made = [...names(list(alias, 'colnames')), ...names(list(node, 'aliascolnames'))];
    const whole = text(alias, 'aliasname') ?? text(node, 'ctename');
    for (const name of whole === undefined ? made : [...made, whole]) this.#makeOf(name, inside);
  }

  #subLink(node: Tree, where: Where): void {
    const type = text(node, 'subLinkType');
    if (node.testexpr !== undefined) this.#walk([node.testexpr], 'computed');
    const query = as(node.subselect, 'SelectStmt');
    // Whether there is a row does not depend on what would be selected of it.
    if (type === 'EXISTS_SUBLINK' && query !== undefined && query.op === undefined) {
      this.#select({ ...query, targetList: [] }, undefined);
      return;
    }
    this.#walk([node.subselect], node.testexpr === undefined ? where : 'computed');
  }

  #join(node: Tree, where: Where): void {
    const { quals, usingClause: _, larg, rarg } = node;
    const using = names(list(node, 'usingClause'));
    if (using.length > 0) {
      const found = this.#of('join');
      for (const name of using) found.fields.add(name);
    }
    if (node.isNatural === true) this.#of('join').all = true;
    const alias = child(node, 'alias');
    for (const name of names(list(alias, 'colnames'))) this.#make(name, undefined);
    this.#walk([larg, rarg], where);
    if (quals !== undefined) this.#condition(quals);
  }

  /** `order by 2` is the second item; a `*` may be anything. */
  #positioned(item: unknown, targets: readonly unknown[]): unknown {
    const sort = as(item, 'SortBy');
    const constant = as(sort === undefined ? item : sort.node, 'A_Const');
    const position = Number(child(constant, 'ival')?.ival ?? 0);
    if (constant === undefined || position < 1) return sort === undefined ? item : sort.node;
    this.positional = true;
    const before = targets.slice(0, position);
    const star = before.find((target) => fieldsIn(target) === undefined);
    return star ?? targets[position - 1] ?? item;
  }

  #select(node: Tree, where: Where): void {
    const targets = list(node, 'targetList');
    for (const [clause, kind] of [
      ['sortClause', 'order'],
      ['groupClause', 'group'],
    ] as const) {
      for (const item of list(node, clause)) this.#walk([this.#positioned(item, targets)], kind);
    }
    const distinct = list(node, 'distinctClause');
    if (distinct.length > 0) {
      const on = distinct.filter((item) => unwrap(item) !== undefined);
      this.#walk(on.length > 0 ? on.map((item) => this.#positioned(item, targets)) : targets, 'group');
    }
    const combines = node.op !== undefined && node.op !== 'SETOP_NONE';
    const side = combines && node.all !== true ? (where ?? 'group') : where;
    for (const key of ['larg', 'rarg']) {
      const query = child(node, key);
      if (query !== undefined) this.#select(query, side);
    }
    const {
      sortClause: _s,
      groupClause: _g,
      distinctClause: _d,
      larg: _l,
      rarg: _r,
      targetList,
      valuesLists,
      ...rest
    } = node;
    this.#walk([targetList, valuesLists], where);
    // What is read is not what is selected.
    this.#walk(rest, undefined);
  }
}
