// One walk over a parse tree that gathers everything a statement names: relations, functions, operators, columns.
// Refuses to know: what kinds of statements there are (statements.ts), what is masked, what the catalogue says.
//
// The walk visits every node, also of types it has never heard of: what is named somewhere in a statement is found,
// whatever the grammar puts it into.

import { spend } from './effort.ts';
import { FUNCTION_LIKE, JSON_FUNCTIONS } from './function-like.ts';
import type { Tree } from './parser.ts';
import { hasReturning, refersToRow } from './references.ts';
import { isCatalogue, setsByCalling, setsByWriting } from './settings.ts';
import { as, child, isTree, list, names, text } from './tree.ts';
import type { Does } from './vocabulary.ts';

/** A name as written: folded by the parser, schema only where it was given. */
export interface Name {
  readonly schema: string | undefined;
  readonly name: string;
}

export interface FoundRelation extends Name {
  read: boolean;
  written: boolean;
  /** Named with ONLY each time. */
  only: boolean;
  /** Made for the session only. */
  temporary: boolean;
  /** INSERT, UPDATE and COPY name what they write. */
  columns: Set<string> | undefined;
}

/** The names of common table expressions that are in sight; a relation of such a name is none. */
export class Scope {
  readonly #names = new Set<string>();
  readonly #outer: Scope | undefined;

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  add(name: string): void {
    this.#names.add(name);
  }

  has(name: string): boolean {
    spend();
    return this.#names.has(name) || (this.#outer?.has(name) ?? false);
  }
}

const ROWS_OF_TARGET = ['old', 'new', 'excluded'].map((aliasname) => ({ aliasname }));

const STATEMENTS_WITH_ROWS = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);

export class Collector {
  readonly does = new Set<Does>();
  object: string | undefined;
  opaque: string | undefined;
  unbounded = false;
  /** It calls set_config, or does the like: which parameter is in a constant, or not known. */
  setsParameters = false;
  readonly relations = new Map<string, FoundRelation>();
  readonly functions = new Map<string, Name>();
  readonly operators = new Set<string>();
  /** Types by the last part of their names, but for those of the server itself. */
  readonly types = new Set<string>();
  /** Last parts of column references and field selections: `x.f` may be the function call `f(x)`. */
  readonly fields = new Set<string>();
  /** Whether a `*` occurs that is not that of `count(*)`. */
  star = false;
  /** Whether columns of a relation or join are renamed: `t as a (x, y)`. */
  renames = false;
  /** Whether a join merges columns: USING, NATURAL. */
  merges = false;
  /** Names that the statement itself gives to columns: labels, column lists, functions in FROM. */
  readonly labels = new Set<string>();
  /** Names that stand for a whole row of a relation or join; those of RETURNING and ON CONFLICT always do. */
  readonly rows = new Set<string>(['old', 'new', 'excluded']);
  /** By the names that they have in it, relations and no CTE: what is behind such a name is a column, or a function of the row. */
  readonly bases = new Map<string, Name[]>();
  /** While positive, what statements do is not noted: they are only defined or explained here. */
  #quiet = 0;

  note(...does: Does[]): void {
    if (this.#quiet === 0) for (const word of does) this.does.add(word);
  }

  quietly(run: () => void): void {
    this.#quiet++;
    try {
      run();
    } finally {
      this.#quiet--;
    }
  }

  /** Notes a relation by its RangeVar; one that is the name of a CTE in scope is none. */
  relation(node: Tree, use: { read?: boolean; written?: boolean; target?: boolean }, scope: Scope): void {
    const name = text(node, 'relname');
    if (name === undefined) return;
    const schema = text(node, 'schemaname');
    this.#alias(child(node, 'alias'), name);
    if (schema === undefined && use.target !== true && scope.has(name)) return;
    this.#base(child(node, 'alias'), { schema, name });
    this.relationNamed({ schema, name }, { ...use, only: node.inh !== true }).temporary ||= node.relpersistence === 't';
  }

  #alias(alias: Tree | undefined, name?: string): void {
    const called = text(alias, 'aliasname') ?? name;
    if (called !== undefined) this.rows.add(called);
    if (list(alias, 'colnames').length > 0) this.renames = true;
  }

  #base(alias: Tree | undefined, name: Name): void {
    const called = text(alias, 'aliasname') ?? name.name;
    const known = this.bases.get(called);
    if (known?.push(name) === undefined) this.bases.set(called, [name]);
  }

  #label(label: unknown): void {
    if (typeof label === 'string') this.labels.add(label);
  }

  relationNamed(name: Name, use: { read?: boolean; written?: boolean; only?: boolean }): FoundRelation {
    const key = `${name.schema ?? ''}\u0000${name.name}`;
    let found = this.relations.get(key);
    if (found === undefined) {
      found = { ...name, read: false, written: false, only: true, temporary: false, columns: undefined };
      this.relations.set(key, found);
    }
    found.read ||= use.read ?? false;
    found.written ||= use.written ?? false;
    found.only &&= use.only ?? false;
    if (use.written === true) this.#ofServer(name);
    return found;
  }

  #ofServer(name: Name): void {
    if (setsByWriting(name)) {
      this.setsParameters = true;
      this.note('set', 'set-role');
    } else if (this.#quiet === 0 && isCatalogue(name)) this.object ??= 'system';
  }

  function(parts: readonly string[]): void {
    const name = parts.at(-1);
    if (name === undefined) return;
    const schema = parts.length > 1 ? parts.at(-2) : undefined;
    this.labels.add(name);
    if (name === 'set_config') this.setsParameters = true;
    this.functions.set(schema === undefined ? name : `${schema}.${name}`, { schema, name });
  }

  walk(value: unknown, scope: Scope): void {
    spend();
    if (Array.isArray(value)) {
      for (const item of value) this.walk(item, scope);
      return;
    }
    if (!isTree(value)) return;
    // RangeVar comes wrapped and bare.
    if (typeof value.relname === 'string') {
      this.relation(value, { read: true }, scope);
      return;
    }
    for (const key in value) {
      const inner = value[key];
      if (typeof inner === 'object' && inner !== null) this.#visit(key, inner as Tree, scope);
    }
  }

  #visit(key: string, node: Tree, scope: Scope): void {
    if (STATEMENTS_WITH_ROWS.has(key)) {
      this.rowStatement(key, node, scope);
      return;
    }
    switch (key) {
      case 'FuncCall':
        this.function(names(list(node, 'funcname')));
        this.note(...setsByCalling(node));
        break;
      case 'typeName':
      case 'argType':
      case 'returnType':
      case 'TypeName':
        this.#type(names(list(node, 'names')));
        break;
      case 'A_Expr':
        this.#operator(node);
        break;
      case 'RangeFunction':
      case 'RangeSubselect':
      case 'RangeTableFunc':
      case 'JsonTable':
        // Its whole row is made of what the statement names anyway.
        this.#label(text(child(node, 'alias'), 'aliasname'));
        break;
      case 'SubLink':
        if (isPlainExists(node)) {
          const inner = as(node.subselect, 'SelectStmt')!;
          this.rowStatement('SelectStmt', { ...inner, targetList: [] }, scope);
          return;
        }
        this.#operatorName(list(node, 'operName'));
        if (list(node, 'operName').length === 0) this.operators.add('=');
        break;
      case 'SortBy':
        this.#operatorName(list(node, 'useOp'));
        break;
      case 'ColumnRef':
        // Only the last part can be a column.
        this.#fields(list(node, 'fields').slice(-1));
        break;
      case 'A_Indirection':
        this.#fields(list(node, 'indirection'));
        // A part of a value that comes from a column named elsewhere, or a function of it.
        for (const name of names(list(node, 'indirection'))) this.#label(name);
        break;
      case 'JoinExpr':
        if (node.isNatural === true || list(node, 'usingClause').length > 0) this.merges = true;
        this.#alias(child(node, 'alias'));
        this.#alias(child(node, 'join_using_alias'));
        break;
      case 'ResTarget':
        this.#label(node.name);
        break;
      case 'ColumnDef':
        this.#label(node.colname);
        break;
      case 'colnames':
      case 'aliascolnames':
        for (const name of names(node as unknown as unknown[])) this.#label(name);
        break;
      case 'ReturningOption':
        this.#alias({ aliasname: node.value });
        break;
      case 'LockingClause':
        // FOR UPDATE OF names aliases, not relations.
        return;
      case 'RangeTableSample':
        this.function(names(list(node, 'method')));
        break;
      case 'JsonFuncExpr':
        this.function([JSON_FUNCTIONS[text(node, 'op') ?? ''] ?? 'json_query']);
        break;
      default: {
        const name = FUNCTION_LIKE.get(key);
        if (name !== undefined) this.function([name]);
      }
    }
    this.walk(node, scope);
  }

  #type(parts: readonly string[]): void {
    if (parts.length > 0 && !(parts.length === 2 && parts[0] === 'pg_catalog')) this.types.add(parts.at(-1)!);
  }

  #operator(node: Tree): void {
    this.#operatorName(list(node, 'name'));
    const kind = text(node, 'kind') ?? '';
    if (kind.includes('BETWEEN')) for (const operator of ['<', '<=', '>', '>=']) this.operators.add(operator);
  }

  #operatorName(parts: readonly unknown[]): void {
    const operator = names(parts).at(-1);
    if (operator !== undefined) this.operators.add(operator);
  }

  #fields(parts: readonly unknown[]): void {
    for (const part of parts) {
      const name = text(as(part, 'String'), 'sval');
      if (name !== undefined) this.fields.add(name);
      else if (as(part, 'A_Star') !== undefined) this.star = true;
    }
  }

  /** SELECT and the statements that change rows, at the top or inside a CTE or sub-query. */
  rowStatement(type: string, node: Tree, outer: Scope): void {
    const scope = this.#withClause(child(node, 'withClause'), outer);
    switch (type) {
      case 'SelectStmt':
        this.#select(node, scope);
        return;
      case 'InsertStmt':
        this.#insert(node, scope);
        return;
      case 'UpdateStmt':
      case 'DeleteStmt':
        this.#change(type, node, scope);
        return;
      default:
        this.#merge(node, scope);
    }
  }

  #withClause(clause: Tree | undefined, outer: Scope): Scope {
    if (clause === undefined) return outer;
    const scope = new Scope(outer);
    const ctes = list(clause, 'ctes').map((cte) => as(cte, 'CommonTableExpr'));
    if (clause.recursive === true) for (const cte of ctes) scope.add(text(cte, 'ctename') ?? '');
    for (const cte of ctes) {
      if (cte === undefined) continue;
      this.walk(cte, scope);
      // Without RECURSIVE a CTE sees only those before it: a relation of its own name inside it is the real one.
      scope.add(text(cte, 'ctename') ?? '');
    }
    return scope;
  }

  #rest(node: Tree, scope: Scope, done: readonly string[]): void {
    for (const key in node) {
      if (key === 'withClause' || done.includes(key)) continue;
      const value = node[key];
      if (typeof value === 'object' && value !== null) this.#visit(key, value as Tree, scope);
    }
  }

  #select(node: Tree, scope: Scope, ofInsert = false): void {
    // The VALUES of an INSERT are no query of their own.
    if (!ofInsert || node.valuesLists === undefined) this.note('select');
    const into = child(child(node, 'intoClause'), 'rel');
    if (into !== undefined) {
      this.note('create');
      this.object ??= 'table';
      this.relation(into, { written: true, target: true }, scope);
    }
    // The two sides of a set operation come without their wrapper.
    for (const side of ['larg', 'rarg']) {
      const query = child(node, side);
      if (query !== undefined) this.rowStatement('SelectStmt', query, scope);
    }
    this.#rest(node, scope, ['intoClause', 'larg', 'rarg']);
  }

  #insert(node: Tree, scope: Scope): void {
    this.note('insert');
    const conflict = child(node, 'onConflictClause');
    if (text(conflict, 'action') === 'ONCONFLICT_UPDATE') this.note('update');
    const columns = list(node, 'cols');
    this.#target(node, hasReturning(node) || conflict !== undefined, columns);
    const source = as(node.selectStmt, 'SelectStmt');
    if (source !== undefined) this.#select(source, this.#withClause(child(source, 'withClause'), scope), true);
    this.#rest(node, scope, ['relation', 'cols', 'selectStmt']);
    for (const column of columns) this.walk(list(as(column, 'ResTarget'), 'indirection'), scope);
  }

  #change(type: string, node: Tree, scope: Scope): void {
    this.note(type === 'UpdateStmt' ? 'update' : 'delete');
    const where = node.whereClause;
    if (this.#quiet === 0 && !refersToRow(where)) this.unbounded = true;
    const assigned = list(node, 'targetList');
    this.#target(node, where !== undefined || hasReturning(node) || refersToRow(assigned), assigned);
    this.#rest(node, scope, ['relation']);
  }

  #merge(node: Tree, scope: Scope): void {
    this.note('merge');
    for (const clause of list(node, 'mergeWhenClauses')) {
      const when = as(clause, 'MergeWhenClause');
      const command = text(when, 'commandType');
      if (command === 'CMD_INSERT') this.note('insert');
      if (command !== 'CMD_UPDATE' && command !== 'CMD_DELETE') continue;
      this.note(command === 'CMD_UPDATE' ? 'update' : 'delete');
      const joined = text(when, 'matchKind') === 'MERGE_WHEN_MATCHED' && refersToRow(node.joinCondition);
      if (this.#quiet === 0 && !joined && !refersToRow(when?.condition)) this.unbounded = true;
    }
    this.#target(node, true, []);
    this.#rest(node, scope, ['relation']);
  }

  /** The target of a change: never a CTE, whatever is in scope. */
  #target(node: Tree, read: boolean, columns: readonly unknown[]): void {
    const target = child(node, 'relation');
    const name = text(target, 'relname');
    if (target === undefined || name === undefined) return;
    this.#alias(child(target, 'alias'), name);
    const schema = text(target, 'schemaname');
    for (const alias of [child(target, 'alias'), ...ROWS_OF_TARGET]) this.#base(alias, { schema, name });
    const only = target.inh !== true;
    const found = this.relationNamed({ schema, name }, { written: true, read, only });
    for (const column of columns) {
      const written = text(as(column, 'ResTarget'), 'name');
      if (written !== undefined) {
        found.columns ??= new Set();
        found.columns.add(written);
      }
    }
  }
}

/** `exists (select * from …)`: what it would select is never looked at. */
function isPlainExists(link: Tree): boolean {
  if (text(link, 'subLinkType') !== 'EXISTS_SUBLINK') return false;
  const query = as(link.subselect, 'SelectStmt');
  const [only, ...more] = list(query, 'targetList');
  if (only === undefined || more.length > 0 || query?.groupClause !== undefined || query?.distinctClause !== undefined)
    return false;
  const fields = list(as(as(only, 'ResTarget')?.val, 'ColumnRef'), 'fields');
  return as(fields.at(-1), 'A_Star') !== undefined;
}
