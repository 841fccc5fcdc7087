// What of a statement lets somebody guess a column's values without selecting them: conditions, joins, order, groups, row
// counts, failing. Names only, as written; the planner finds the columns that they mean.
// Refuses to know: the catalogue, what is masked.
//
// Sound before precise: what is not told apart is `computed`, and a name that the statement itself made stands for
// everything that goes by that name in it.

import type { PredicateKind } from '../../contract.ts';
import { arranges } from './arranges.ts';
import type { Name } from './collector.ts';
import { spend } from './effort.ts';
import { labelOf, MadeNames } from './made.ts';
import type { Tree } from './parser.ts';
import { Positions } from './positions.ts';
import { constantsIn, functionsIn, plainReference } from './references.ts';
import { canFail, isOwnType, isServersOwn, isTotalCast, isTotalOperator, tells } from './total.ts';
import { as, child, isTree, list, names, text, unwrap } from './tree.ts';
import { type Found, type Predicate, Uses } from './uses.ts';

export type { Predicate } from './uses.ts';

/** So many constants may be compared with in one statement before it counts as a search, not a look-up. */
const CONSTANTS = 10;

const EQUALITY = new Set(['=', '<>']);
const RANGE = new Set(['<', '>', '<=', '>=']);
/** Operators that make values, and compare none. */
const MAKING = new Set(['||', '+', '-', '*', '->', '->>', '#>', '#>>', '&', '|', '#', '<<', '>>', '#-']);

type Where = PredicateKind | undefined;
type Relations = ReadonlyMap<string, readonly Name[]>;

export interface Predicates {
  readonly predicates: readonly Predicate[];
  /** They depend on the value of a constant: `order by 2`. */
  readonly positional: boolean;
}

/** @param relations what columns of relations, and functions of their rows, are qualified with. */
export function predicatesOf(node: Tree, relations: Relations): Predicates {
  const walker = new Walker(relations);
  const predicates = walker.run(node);
  return { predicates, positional: walker.positional };
}

class Walker {
  readonly #uses = new Uses();
  readonly #made = new MadeNames();
  #constants = 0;
  /** It puts rows of its own beside those of a table, so that a group tells which of them are equal. */
  #mixes = false;
  #alters = false;
  #depth = 0;
  readonly #positions = new Positions();
  readonly #relations: Relations;

  constructor(relations: Relations) {
    this.#relations = relations;
  }

  get positional(): boolean {
    return this.#positions.met;
  }

  run(node: Tree): readonly Predicate[] {
    this.#walk(node, undefined);
    const typed = list(child(node, 'PrepareStmt'), 'argtypes').some((type) => !isOwnType(as(type, 'TypeName')));
    if (this.#constants > CONSTANTS || typed) this.#uses.merge('equality', 'computed');
    if (this.#mixes) this.#uses.merge('group', 'join');
    this.#uses.unfold(this.#made);
    return this.#uses.list(this.#made);
  }

  #of(kind: PredicateKind): Found {
    return this.#uses.of(kind);
  }

  #walk(value: unknown, where: Where): void {
    spend();
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
    this.#arranged(key, node);
    this.#alters ||= key === 'AlterTableStmt';
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
      case 'TypeCast':
        this.#walk(node, isTotalCast(node) ? where : (where ?? 'error'));
        return;
      case 'IndexElem':
        this.#walk(node, 'computed');
        return;
      case 'UpdateStmt':
      case 'onConflictClause':
      case 'MergeWhenClause':
        this.#assigned(node);
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
        this.#grouped(list(node, 'partitionClause'));
        this.#walk(list(node, 'orderClause'), 'order');
        this.#walk([node.startOffset, node.endOffset], 'computed');
        return;
      case 'JoinExpr':
        this.#join(node, where);
        return;
      case 'SelectStmt':
        this.#select(node, where);
        return;
      case 'agg_order':
        this.#walk(node, 'order');
        return;
      case 'ResTarget':
        this.#made.giveItem({ ResTarget: node }, this.#depth > 1);
        this.#walk([node.val, node.indirection], where);
        return;
      case 'RangeVar':
        // `t as a (x, y)` renames columns: by those names anything may be meant.
        for (const name of names(list(child(node, 'alias'), 'colnames'))) this.#made.give(name, undefined, true);
        return;
      case 'CommonTableExpr':
      case 'RangeSubselect':
        this.#made.giveRenamed(node);
        this.#walk(node, key === 'CommonTableExpr' ? undefined : where);
        return;
      default:
        this.#walk(node, canFail(key, node) ? (where ?? 'error') : where);
    }
  }

  /** What a definition, or a conflict, does with columns that it only names. */
  #arranged(key: string, node: Tree): void {
    const arrangement = arranges(key, node, this.#alters);
    if (arrangement === undefined) return;
    const found = this.#of(arrangement.kind);
    if (arrangement.fields === undefined) found.all = true;
    found.anywhere ||= arrangement.anywhere === true;
    for (const field of arrangement.fields ?? []) found.fields.add(field);
  }

  /** Assignments: a constraint may refuse what is made of a value, and so tell it. */
  #assigned(node: Tree): void {
    const { targetList: _, infer: _infer, ...rest } = node;
    for (const item of list(node, 'targetList')) {
      const target = as(item, 'ResTarget');
      this.#walk([target?.val], unwrap(target?.val)?.[0] === 'ColumnRef' ? undefined : 'error');
      this.#walk([target?.indirection], 'error');
    }
    this.#walk(rest, undefined);
  }

  /** One column as it stands is grouped by; anything made of it is computed with. */
  #grouped(items: readonly unknown[]): void {
    for (const item of items) {
      const node = unwrap(item);
      const reference = plainReference(item);
      if (reference !== undefined) this.#reference(reference, 'group');
      else if (node?.[0] === 'ResTarget') this.#grouped([node[1].val]);
      else if (node?.[0] === 'GroupingSet') this.#grouped(list(node[1], 'content'));
      else if (node?.[0] === 'RowExpr') this.#grouped(list(node[1], 'args'));
      else this.#walk([item], 'computed');
    }
  }

  #reference(node: Tree, kind: PredicateKind): void {
    const fields = list(node, 'fields');
    const last = text(as(fields.at(-1), 'String'), 'sval');
    const found = this.#of(kind);
    if (last === undefined) found.all = true;
    else found.fields.add(last);
    // Of a relation's row it is a column or a function, whatever else the statement calls so.
    const of = this.#relations.get(text(as(fields.at(-2), 'String'), 'sval') ?? '');
    if (last !== undefined && of !== undefined) this.#uses.qualify(last, of);
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
    const name = names(list(node, 'name'));
    const operator = isServersOwn(name) ? (name.at(-1) ?? '') : '';
    const sides = [node.lexpr, node.rexpr];
    if (kind === 'AEXPR_OP' && MAKING.has(operator)) {
      this.#walk(sides, isTotalOperator(name) ? where : (where ?? 'error'));
      return;
    }
    if (kind === 'AEXPR_OP' || kind === 'AEXPR_IN' || kind === 'AEXPR_DISTINCT' || kind === 'AEXPR_NOT_DISTINCT') {
      if (EQUALITY.has(operator)) {
        this.#equality(operator, sides);
        return;
      }
    }
    const range = RANGE.has(operator) || kind.includes('BETWEEN');
    this.#walk(sides, range && kind !== 'AEXPR_OP_ANY' ? 'range' : kind === 'AEXPR_NULLIF' ? 'computed' : 'pattern');
  }

  #equality(operator: string, [left, right]: unknown[]): void {
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
      this.#of('equality').operators.add(operator);
      return;
    }
    this.#walk([left, right], 'computed');
  }

  #call(node: Tree, where: Where): void {
    const name = names(list(node, 'funcname'));
    if (where !== undefined) {
      this.#of(where).functions.set(name.join('.'), { schema: name.at(-2), name: name.at(-1) ?? '' });
    }
    const args = list(node, 'args');
    for (const [place, arg] of args.entries()) {
      const told = tells(name, unwrap(arg)?.[0] === 'NamedArgExpr' ? -1 : place, args.length);
      const own = told === 'nothing' ? undefined : told;
      this.#walk([arg], where === undefined || where === 'error' ? (own === 'computed' ? own : (where ?? own)) : where);
    }
    const inside = where === 'error' ? undefined : where;
    if (node.agg_order !== undefined) this.#walk(list(node, 'agg_order'), inside ?? 'order');
    if (node.agg_distinct === true) {
      if (inside === undefined) this.#grouped(args);
      else this.#walk(args, inside);
    }
    if (node.agg_filter !== undefined) this.#condition(node.agg_filter);
    if (isTree(node.over)) this.#visit('over', node.over, where);
  }

  /** A function in FROM: the number of its rows tells its arguments. */
  #table(node: Tree): void {
    this.#made.giveTable(node);
    const { alias: _, ...rest } = node;
    this.#walk(rest, 'computed');
  }

  #subLink(node: Tree, where: Where): void {
    const type = text(node, 'subLinkType');
    if (node.testexpr !== undefined) this.#walk([node.testexpr], 'computed');
    const query = as(node.subselect, 'SelectStmt');
    // Whether there is a row does not depend on what would be selected of it; that it can be selected does (`offset 0`).
    if (type === 'EXISTS_SUBLINK' && query !== undefined && isOneLevel(query)) {
      this.#select(query, functionsIn(query.targetList).length > 0 ? 'computed' : undefined);
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
    for (const name of names(list(alias, 'colnames'))) this.#made.give(name, undefined, true);
    this.#walk([larg, rarg], where);
    if (quals !== undefined) this.#condition(quals);
  }

  /** The result of a set operation, and of VALUES, is sorted by its columns' names and numbers only. */
  #sorted(item: unknown, node: Tree, targets: readonly unknown[]): void {
    const plain = isOneLevel(node) && targets.length > 0;
    const values = plain ? [this.#positions.item(item, targets)] : this.#positions.combined(item, node);
    if (values === undefined) this.#of('order').all = true;
    else this.#walk(values, 'order');
  }

  /** Grouped by what an item is called: it may be computed. */
  #labelled(groups: readonly unknown[], targets: readonly unknown[]): void {
    const by = groups.map((item) => names(list(as(item, 'ColumnRef'), 'fields')));
    const labels = new Set(by.filter(({ length }) => length === 1).map(([name]) => name));
    for (const target of targets) {
      const item = as(target, 'ResTarget');
      if (plainReference(item?.val) !== undefined || !labels.has(labelOf(item))) continue;
      this.#walk([item?.val], 'computed');
    }
  }

  /** `leftmost`: of a set operation that has given its names. */
  #select(node: Tree, where: Where, leftmost = false): void {
    this.#depth++;
    this.#selected(node, where, leftmost);
    this.#depth--;
  }

  #selected(node: Tree, where: Where, leftmost: boolean): void {
    const targets = list(node, 'targetList');
    for (const item of list(node, 'sortClause')) this.#sorted(item, node, targets);
    const groups = list(node, 'groupClause');
    this.#grouped(groups.map((item) => this.#positions.item(item, targets)));
    this.#labelled(groups, targets);
    const distinct = list(node, 'distinctClause');
    if (distinct.length > 0) {
      const on = distinct.filter((item) => unwrap(item) !== undefined);
      this.#grouped(on.length > 0 ? on.map((item) => this.#positions.item(item, targets)) : targets);
    }
    if (!isOneLevel(node) && !leftmost) this.#made.giveCombined(node);
    this.#made.giveValues(list(node, 'valuesLists'));
    this.#mixes ||= !isOneLevel(node) || list(node, 'valuesLists').length > 1;
    // All but UNION ALL compare the rows of one side with those of the other.
    const compares = !isOneLevel(node) && !(node.op === 'SETOP_UNION' && node.all === true);
    const side = compares ? (where ?? 'join') : where;
    for (const key of ['larg', 'rarg']) {
      const query = child(node, key);
      if (query !== undefined) this.#select(query, side, key === 'larg' && !isOneLevel(node));
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

/** Not a UNION, INTERSECT or EXCEPT. */
function isOneLevel(select: Tree): boolean {
  return select.op === undefined || select.op === 'SETOP_NONE';
}
