// What the planner has to know of one statement to say where its output columns come from: names only, as written.
// Refuses to know: the catalogue (masking/planner.ts joins the two), and what is masked.
//
// Precise for one level of SELECT or RETURNING over plain relations; everything else is `undefined` for the output, and
// the planner then takes all columns of all relations. Deeper lineage (sub-queries, CTEs, set operations) goes in here.

import type { Collector, Name } from './collector.ts';
import { spend } from './effort.ts';
import type { Tree } from './parser.ts';
import { type Predicate, type Predicates, predicatesOf } from './predicates.ts';
import { type Redefined, redefinesOf } from './redefines.ts';
import { hasReturning, refersToRow } from './references.ts';
import { hasOption } from './statements.ts';
import { as, child, isTree, list, names, text, unwrap } from './tree.ts';

/** A relation in FROM by the name under which columns are qualified with it. */
export interface Source extends Name {
  readonly alias: string;
  /** Whether `schema.relation.column` can refer to it: not when it has an alias. */
  readonly aliased: boolean;
}

/** A reference to a column: `[column]`, `[relation, column]`, `[schema, relation, column]`; whole: `relation.*`. */
export interface Reference {
  readonly path: readonly string[];
  readonly whole: boolean;
}

/** One item of a select list. */
export type Output =
  /**
   * `*` or `t.*`: as many columns as the relations have; `of` is the reference where it is one, undefined for `(f()).*`.
   */
  | { readonly kind: 'star'; readonly of: Reference | undefined }
  /** Every column that the item's expression refers to; `plain` when it is one reference and nothing else. */
  | {
      readonly kind: 'expression';
      readonly references: readonly Reference[];
      readonly plain: boolean;
      /** It is a call of `count` and nothing else. */
      readonly counts?: boolean;
    }
  /** An item with a sub-query or window in it, not followed. */
  | { readonly kind: 'unknown' };

export interface Simple {
  readonly sources: readonly Source[];
  readonly outputs: readonly Output[];
  /** JOIN … USING or NATURAL: `*` shows the common columns once. */
  readonly merges: boolean;
}

export interface Lineage {
  /**
   * `rows`: values of relations; `explain`: a plan, which may show constants of them; `clean`: only what the server
   * says of itself (SHOW); `unknown`: rows made elsewhere (FETCH, EXECUTE, CALL).
   */
  readonly result: 'rows' | 'explain' | 'clean' | 'unknown';
  /** Every relation named anywhere in the statement that is not a CTE. */
  readonly relations: readonly Name[];
  readonly functions: readonly Name[];
  readonly operators: readonly string[];
  /** Last parts of column references: each may also be a function called in the notation `row.function`. */
  readonly fields: readonly string[];
  /**
   * Every column that is used is one of `fields` by its name: there is no `*`, no whole row and no renaming. (A function
   * in the notation `row.function` still takes a whole row.)
   */
  readonly named: boolean;
  /** It has a JOIN … USING or NATURAL, which compares columns that it need not name. */
  readonly merges: boolean;
  /** Those of `fields` that the statement itself gives to columns; the others are columns of its relations. */
  readonly labels: readonly string[];
  /** One level over plain relations: its sources and outputs. */
  readonly simple?: Simple;
  /** How many columns the result has, where the text alone says so. */
  readonly width: number | undefined;
  /**
   * Values that it stores, or sends where nothing masks them (INSERT … SELECT, CREATE TABLE AS, COPY to a file): those
   * of these columns of `written[0]`, or of every relation that it reads. What functions do with their arguments is
   * the planner's matter. `code`: it defines or renames what the server runs by itself later, which may do anything.
   */
  readonly moves: readonly Reference[] | 'reads' | 'code';
  /** Names that mean something else from then on. */
  readonly redefines: readonly Redefined[];
  /** How it uses columns beside selecting them. */
  readonly predicates: readonly Predicate[];
  /** What it says depends on the value of a constant. */
  readonly positional: boolean;
  /** Names that stand for whole rows. */
  readonly rows: readonly string[];
  /** It makes a table a part of another, which then shows its rows. */
  readonly inherits: boolean;
  /** Relations whose rows it reads. */
  readonly read: readonly Name[];
  /** Relations whose rows it changes. */
  readonly written: readonly Name[];
  /** Every relation named, with what is done to it. */
  readonly uses: readonly NamedUse[];
  /** Types named that are none of the server's own, by the last part of their names. */
  readonly types: readonly string[];
}

export interface NamedUse extends Name {
  readonly read: boolean;
  readonly written: boolean;
  /** Named with ONLY each time: what inherits from it is left out. */
  readonly only: boolean;
  /** It is made, for the session only. */
  readonly temporary: boolean;
  /** The columns that are written, where they are named. */
  readonly assigned: readonly string[] | undefined;
}

const CLEAN = new Set(['VariableShowStmt']);
const UNKNOWN = new Set(['FetchStmt', 'ExecuteStmt', 'CallStmt', 'DoStmt']);
/** COPY (query), cursors and views return what their query returns. */
const QUERIES = new Set(['CopyStmt', 'DeclareCursorStmt', 'ViewStmt']);

/** @param type the statement's node type; `node` its body; `collector` has walked it. */
export function lineageOf(type: string, node: Tree, collector: Collector): Lineage {
  const relations = [...collector.relations.values()];
  const inner = QUERIES.has(type) ? unwrap(node.query) : undefined;
  const simple = simpleQuery(inner?.[0] ?? type, inner?.[1] ?? node, relations.length);
  return {
    result: resultOf(type, node),
    relations: relations.map(({ schema, name }) => ({ schema, name })),
    functions: [...collector.functions.values()],
    operators: [...collector.operators],
    fields: [...collector.fields],
    named: namesColumns(type, node, collector),
    merges: collector.merges,
    labels: [...collector.fields].filter((field) => collector.labels.has(field)),
    ...(simple === undefined ? {} : { simple }),
    width: widthOf(type, node),
    moves: movesOf(type, node, collector),
    redefines: redefinesOf(type, node),
    inherits: type === 'AlterTableStmt' && list(node, 'cmds').some(inherits),
    ...(CODE.has(type) ? NO_PREDICATES : predicatesOf({ [type]: node }, collector.bases)),
    rows: [...collector.rows],
    read: relations.filter((relation) => relation.read).map(({ schema, name }) => ({ schema, name })),
    written: relations.filter((relation) => relation.written).map(({ schema, name }) => ({ schema, name })),
    uses: relations.map(({ columns, ...use }) => ({ ...use, assigned: columns && [...columns] })),
    types: [...collector.types],
  };
}

function namesColumns(type: string, node: Tree, collector: Collector): boolean {
  // COPY of a table names none of its columns and reads them all. A plan shows expressions, not values: of the columns
  // that it does not name nothing is in it.
  if (type === 'CopyStmt' && node.relation !== undefined) return false;
  return !collector.star && !collector.renames && ![...collector.fields].some((field) => collector.rows.has(field));
}

function resultOf(type: string, node: Tree): Lineage['result'] {
  if (CLEAN.has(type)) return 'clean';
  if (UNKNOWN.has(type)) return 'unknown';
  if (type === 'ExplainStmt' || type === 'CreateTableAsStmt') {
    // Around an EXECUTE it is not known around what.
    const inner = unwrap(node.query);
    if (inner !== undefined && resultOf(inner[0], inner[1]) === 'unknown') return 'unknown';
    return type === 'ExplainStmt' ? 'explain' : 'rows';
  }
  return 'rows';
}

/** Statements that define what runs by itself when something else is done. */
const CODE = new Set([
  ...['CreateFunctionStmt', 'AlterFunctionStmt', 'CreateTrigStmt', 'RuleStmt', 'CreateEventTrigStmt'],
  'CreateCastStmt',
]);
const NO_PREDICATES: Predicates = { predicates: [], positional: false };
const NAMED_CODE = /^OBJECT_(?:FUNCTION|PROCEDURE|ROUTINE|TRIGGER|RULE|EVENT_TRIGGER|OPERATOR|AGGREGATE)$/;

const NOTHING: readonly Reference[] = [];

function movesOf(type: string, node: Tree, collector: Collector): Lineage['moves'] {
  if (CODE.has(type)) return 'code';
  switch (type) {
    case 'RenameStmt':
    case 'AlterObjectSchemaStmt':
      // Another function takes the place of the one that a trigger, a view or a default calls.
      return NAMED_CODE.test(text(node, 'renameType') ?? text(node, 'objectType') ?? '') ? 'code' : NOTHING;
    case 'DefineStmt':
      return NAMED_CODE.test(text(node, 'kind') ?? '') ? 'code' : NOTHING;
    case 'SelectStmt':
      // SELECT INTO, or a CTE that writes beside relations that are read.
      return [...collector.relations.values()].some((relation) => relation.written) ? 'reads' : NOTHING;
    case 'InsertStmt':
      return insertMoves(node, collector);
    case 'UpdateStmt':
      return collector.relations.size > 1 ? 'reads' : assigned(list(node, 'targetList'));
    case 'DeleteStmt':
      return collector.relations.size > 1 && node.withClause !== undefined ? 'reads' : NOTHING;
    case 'MergeStmt':
    case 'CreateTableAsStmt':
      return 'reads';
    case 'CopyStmt': {
      if (node.is_from === true) return NOTHING;
      if (node.filename !== undefined || node.is_program === true) return 'reads';
      const inner = unwrap(node.query);
      return inner === undefined ? NOTHING : movesOf(inner[0], inner[1], collector);
    }
    case 'AlterTableStmt':
      return converted(list(node, 'cmds'));
    case 'ExplainStmt':
    case 'PrepareStmt':
    case 'DeclareCursorStmt': {
      if (type === 'ExplainStmt' && !hasOption(list(node, 'options'), 'analyze')) return NOTHING;
      const inner = unwrap(node.query);
      return inner === undefined ? NOTHING : movesOf(inner[0], inner[1], collector);
    }
    default:
      // A materialized view stores what its definition says, and the definition is followed when the view is read.
      return NOTHING;
  }
}

/** ALTER TABLE … INHERIT, ATTACH PARTITION. */
function inherits(command: unknown): boolean {
  const subtype = text(as(command, 'AlterTableCmd'), 'subtype') ?? '';
  return subtype === 'AT_AddInherit' || subtype === 'AT_AttachPartition';
}

/** ALTER COLUMN … TYPE … USING expression: other columns may go into this one. */
function converted(commands: readonly unknown[]): Lineage['moves'] {
  const moved: Reference[] = [];
  for (const command of commands) {
    const node = as(command, 'AlterTableCmd');
    if (text(node, 'subtype') === 'AT_AlterColumnType' && !addReferences(node?.def, moved)) return 'reads';
  }
  return moved.filter((reference) => reference.path.length > 0);
}

function insertMoves(node: Tree, collector: Collector): Lineage['moves'] {
  // INSERT … VALUES of constants and parameters reads nothing but its own row, in ON CONFLICT.
  if (collector.relations.size > 1 || refersToRow(node.selectStmt)) return 'reads';
  return assigned(list(child(node, 'onConflictClause'), 'targetList'), true);
}

/**
 * The columns that assignments of one row read into another column than their own; `set a[b] = …` puts b where it can be read.
 * @param proposes `excluded` is the row that is inserted, and not what somebody calls the table.
 */
function assigned(items: readonly unknown[], proposes = false): Lineage['moves'] {
  const moved: Reference[] = [];
  for (const item of items) {
    const target = as(item, 'ResTarget');
    const references: Reference[] = [];
    if (!addReferences([target?.val, target?.indirection], references)) return 'reads';
    for (const reference of references) {
      const own = !reference.whole && reference.path.length <= 2 && reference.path.at(-1) === text(target, 'name');
      const proposed = proposes && reference.path.length === 2 && reference.path[0] === 'excluded';
      if (!own && !proposed) moved.push(reference);
    }
  }
  return moved;
}

function simpleQuery(type: string, node: Tree, relationCount: number): Lineage['simple'] {
  if (type === 'SelectStmt') return simpleSelect(node);
  const returning = child(node, 'returningClause');
  if (!hasReturning(node) || returning === undefined || relationCount !== 1) return undefined;
  // RETURNING with OLD and NEW renamed, or over more than its target, is not followed.
  if (type === 'MergeStmt' || list(returning, 'options').length > 0 || node.withClause !== undefined) return undefined;
  const target = child(node, 'relation');
  const source = target === undefined ? undefined : sourceOf(target);
  return source === undefined
    ? undefined
    : { sources: [source], outputs: list(returning, 'exprs').map((item) => outputOf(item)), merges: false };
}

function simpleSelect(node: Tree): Lineage['simple'] {
  const level = ['withClause', 'intoClause', 'valuesLists', 'larg', 'rarg'].every((key) => node[key] === undefined);
  if (!level || (node.op !== undefined && node.op !== 'SETOP_NONE')) return undefined;
  const sources: Source[] = [];
  for (const item of list(node, 'fromClause')) if (!addSources(item, sources)) return undefined;
  const outputs = list(node, 'targetList').map((item) => outputOf(item));
  return { sources, outputs, merges: list(node, 'fromClause').some(mergesColumns) };
}

function mergesColumns(item: unknown): boolean {
  const join = as(item, 'JoinExpr');
  if (join === undefined) return false;
  const own = join.isNatural === true || list(join, 'usingClause').length > 0;
  return own || mergesColumns(join.larg) || mergesColumns(join.rarg);
}

/** The number of columns: that of the leftmost query of a set operation, when it has no `*`. */
function widthOf(type: string, node: Tree): number | undefined {
  if (QUERIES.has(type)) {
    const inner = unwrap(node.query);
    return inner === undefined ? undefined : widthOf(inner[0], inner[1]);
  }
  const left = type === 'SelectStmt' ? child(node, 'larg') : undefined;
  if (left !== undefined) return widthOf('SelectStmt', left);
  const rows = list(node, 'valuesLists');
  if (rows.length > 0) return list(as(rows[0], 'List'), 'items').length;
  const items = type === 'SelectStmt' ? list(node, 'targetList') : list(child(node, 'returningClause'), 'exprs');
  return items.length === 0 || items.some((item) => outputOf(item).kind === 'star') ? undefined : items.length;
}

function addSources(item: unknown, sources: Source[]): boolean {
  const relation = as(item, 'RangeVar');
  if (relation !== undefined) {
    const source = sourceOf(relation);
    if (source === undefined) return false;
    sources.push(source);
    return true;
  }
  const join = as(item, 'JoinExpr');
  if (join === undefined || join.alias !== undefined || join.join_using_alias !== undefined) return false;
  return addSources(join.larg, sources) && addSources(join.rarg, sources);
}

function sourceOf(relation: Tree): Source | undefined {
  const name = text(relation, 'relname');
  const alias = child(relation, 'alias');
  // `t as a (x, y)` renames columns.
  if (name === undefined || list(alias, 'colnames').length > 0) return undefined;
  const aliasName = text(alias, 'aliasname');
  return {
    schema: text(relation, 'schemaname'),
    name,
    alias: aliasName ?? name,
    aliased: aliasName !== undefined,
  };
}

function outputOf(item: unknown): Output {
  const value = as(item, 'ResTarget')?.val;
  const column = as(value, 'ColumnRef');
  const reference = column === undefined ? undefined : referenceOf(column);
  if (reference?.whole === true) return { kind: 'star', of: reference };
  const selected = list(as(value, 'A_Indirection'), 'indirection');
  if (as(selected.at(-1), 'A_Star') !== undefined) return { kind: 'star', of: undefined };
  if (reference !== undefined) return { kind: 'expression', references: [reference], plain: true };
  const references: Reference[] = [];
  if (!addReferences(value, references)) return { kind: 'unknown' };
  return { kind: 'expression', references, plain: false, ...(counts(value) ? { counts: true } : {}) };
}

function counts(value: unknown): boolean {
  const called = names(list(as(value, 'FuncCall'), 'funcname'));
  return called.at(-1) === 'count' && (called.length === 1 || called[0] === 'pg_catalog');
}

function referenceOf(column: Tree): Reference {
  const fields = list(column, 'fields');
  return { path: names(fields), whole: as(fields.at(-1), 'A_Star') !== undefined };
}

/** Nodes inside an expression that bring in more than its own column references. */
const NOT_FOLLOWED = new Set(['SubLink', 'SelectStmt', 'WindowDef', 'over', 'A_Indirection', 'MergeSupportFunc']);

function addReferences(value: unknown, references: Reference[]): boolean {
  spend();
  if (Array.isArray(value)) return value.every((item) => addReferences(item, references));
  if (!isTree(value)) return true;
  const node = unwrap(value);
  if (node?.[0] === 'ColumnRef') {
    references.push(referenceOf(node[1]));
    return true;
  }
  for (const key in value) {
    if (NOT_FOLLOWED.has(key)) return false;
    if (!addReferences(value[key], references)) return false;
  }
  return true;
}
