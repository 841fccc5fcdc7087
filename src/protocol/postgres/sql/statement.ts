// One parsed statement → what policy sees of it (Facts) and what the conversation has to know of it (StatementInfo).

import type { Facts, RelationUse } from '../../contract.ts';
import type { Analysis, StatementInfo } from '../analysis.ts';
import { type Code, type Definition, definitionOf } from './bodies.ts';
import { Collector, type FoundRelation } from './collector.ts';
import { copyOptions } from './copy-options.ts';
import { type Lineage, lineageOf } from './lineage.ts';
import { followsLimit } from './normalise.ts';
import type { Tree } from './parser.ts';
import { spacesOf } from './spaces.ts';
import { readStatement } from './statements.ts';
import { as, child, list, names, text, unwrap } from './tree.ts';

/** A StatementInfo of this analyser: with what the planner needs beside. */
export interface AnalysedStatement extends StatementInfo {
  readonly lineage: Lineage;
  /** COPY of a table: which, and its list of columns where it has one. */
  readonly copiesTable?: { readonly schema?: string; readonly name: string; readonly columns?: readonly string[] };
  /** The function that it defines. */
  readonly defines?: Definition;
  /** What that does; added by the analyser. */
  readonly code?: Code;
  /** What a rule that it makes does. */
  readonly actions?: readonly AnalysedStatement[];
  /** Schemas of which it touches every relation; `*`: all. */
  readonly spaces?: readonly string[];
}

/** A statement, and whether its facts hold for every text with the same normalised key. */
export interface ReadStatement {
  readonly info: AnalysedStatement;
  readonly shareable: boolean;
}

/** Those whose facts cannot depend on the value of a constant: no names, settings or code in strings. */
const SHAREABLE = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);

/** Statements that leave the catalogue as it is. Everything else is taken to change it. */
const LEAVES_CATALOGUE = new Set([
  ...SHAREABLE,
  ...['CopyStmt', 'ExplainStmt', 'PrepareStmt', 'ExecuteStmt', 'DeallocateStmt', 'DeclareCursorStmt'],
  ...['ClosePortalStmt', 'FetchStmt', 'TransactionStmt', 'VariableSetStmt', 'VariableShowStmt', 'ConstraintsSetStmt'],
  ...[
    'LockStmt',
    'ListenStmt',
    'UnlistenStmt',
    'NotifyStmt',
    'VacuumStmt',
    'CheckPointStmt',
    'LoadStmt',
    'CommentStmt',
  ],
  ...['TruncateStmt', 'ClusterStmt', 'ReindexStmt', 'RefreshMatViewStmt', 'GrantStmt', 'GrantRoleStmt'],
]);

/** Statements whose expressions are computed when they run, and no later. */
const RUNS_NOW = new Set([
  ...SHAREABLE,
  ...['ExplainStmt', 'PrepareStmt', 'ExecuteStmt', 'DeclareCursorStmt', 'CopyStmt', 'CreateTableAsStmt', 'CallStmt'],
]);

const NAME_PARAMETERS = new Set(['search_path', 'role', 'session_authorization']);
const PLACES_FOR_TEMPORARY = ['pg_temp'];

export function readOne(wrapped: Tree, sql: Uint8Array): ReadStatement {
  const collector = new Collector();
  readStatement(collector, wrapped);
  const [type, node] = unwrap(wrapped) ?? ['', {}];
  const copy = type === 'CopyStmt' ? copyOptions(node) : undefined;
  if (copy === 'unknown') collector.opaque ??= 'a format or option of copy that is not known';
  // A definition that sets a parameter when it is used: nobody could see that it does.
  if (collector.setsParameters && !RUNS_NOW.has(type)) collector.opaque ??= 'a definition that calls set_config later';
  const limit = limitOf(node, sql);
  const defines = definitionOf(type, node);
  const spaces = spacesOf(type, node);
  const facts: Facts = {
    does: [...collector.does],
    ...(collector.object === undefined ? {} : { object: collector.object }),
    relations: relationUses(type, node, collector),
    functions: functionNames(collector),
    unbounded: collector.unbounded,
    ...(limit?.rows === undefined ? {} : { limit: limit.rows }),
    ...(collector.opaque === undefined ? {} : { opaque: collector.opaque }),
  };
  const info: AnalysedStatement = {
    facts,
    ddl: changesCatalogue(type, node, collector),
    names: changesNames(type, node, collector),
    path: changesPath(type, node, collector),
    ...(copy === undefined || copy === 'unknown' ? {} : { copy }),
    ...setOf(type, node),
    ...namedParts(type, node, sql),
    endsCursors: endsCursors(type, node),
    lineage: lineageOf(type, node, collector),
    ...copiesTable(type, node),
    ...(defines === undefined ? {} : { defines }),
    ...(type === 'RuleStmt'
      ? { actions: list(node, 'actions').map((action) => readOne(action as Tree, sql).info) }
      : {}),
    ...(spaces.length === 0 ? {} : { spaces }),
  };
  const counts = limit !== undefined && !limit.inKey;
  const shareable = SHAREABLE.has(type) && !counts && !info.lineage.positional && !collector.setsParameters;
  return { info, shareable };
}

/** The facts of a text that cannot be read. */
export function opaqueFacts(reason: string): Facts {
  return { does: [], relations: [], functions: [], unbounded: false, opaque: reason };
}

export function opaqueAnalysis(message: string, position?: number): Analysis {
  const facts = opaqueFacts(message);
  const statement: StatementInfo = { facts, ddl: true, names: true, endsCursors: true };
  return {
    facts: [facts],
    statements: [statement],
    error: position === undefined ? { message } : { message, position },
  };
}

function relationUses(type: string, node: Tree, collector: Collector): RelationUse[] {
  const all = [...collector.relations.values()];
  const named = all.length === 1 && SHAREABLE.has(type) ? namedColumns(node, all[0]!, collector) : undefined;
  return all.map((relation) => {
    const columns = all.length === 1 ? (named ?? onlyWritten(relation)) : onlyWritten(relation);
    return {
      ...(relation.schema === undefined ? {} : { schema: relation.schema }),
      name: relation.name,
      read: relation.read,
      written: relation.written,
      ...(columns === undefined ? {} : { columns }),
    };
  });
}

function onlyWritten(relation: FoundRelation): readonly string[] | undefined {
  // What is read beside is not known here, so that the list would be too short.
  return relation.read && relation.written ? undefined : relation.columns && [...relation.columns];
}

/** With one relation in the whole statement, every column that is named is its own. */
function namedColumns(node: Tree, relation: FoundRelation, collector: Collector): readonly string[] | undefined {
  const target = child(node, 'relation');
  const insertsAll = node.selectStmt !== undefined && list(node, 'cols').length === 0;
  if (collector.star || insertsAll || node.withClause !== undefined) return undefined;
  const from = list(node, 'fromClause').map((item) => as(item, 'RangeVar'));
  if (from.length > 1 || (from.length === 1 && from[0] === undefined)) return undefined;
  const alias = child(target ?? from[0], 'alias');
  if (list(alias, 'colnames').length > 0) return undefined;
  const whole = text(alias, 'aliasname') ?? relation.name;
  // `select t from t` is the whole row.
  if (collector.fields.has(whole)) return undefined;
  return [...new Set([...(relation.columns ?? []), ...collector.fields])];
}

function functionNames(collector: Collector): string[] {
  const found = new Set<string>();
  for (const [written, { schema, name }] of collector.functions) {
    found.add(written);
    // A built-in by its full name is that built-in, and nothing may hide from a rule behind the prefix.
    if (schema === 'pg_catalog') found.add(name);
  }
  return [...found];
}

/** `inKey`: whatever has this text's key has this very number of rows, or none that is known, as well. */
function limitOf(node: Tree, sql: Uint8Array): { rows: number | undefined; inKey: boolean } | undefined {
  const constant = as(node.limitCount, 'A_Const');
  if (constant === undefined || constant.isnull === true) return undefined;
  const value = child(constant, 'ival');
  const rows = value === undefined ? undefined : typeof value.ival === 'number' ? value.ival : 0;
  const location = typeof constant.location === 'number' ? constant.location : 0;
  // Of `limit -1` the constant begins with the sign, which parts the number from the word.
  return { rows, inKey: sql[location] !== 45 && sql[location] !== 43 && followsLimit(sql, location) };
}

function createsTemporary(node: Tree): boolean {
  const created = [child(node, 'relation'), child(child(node, 'into'), 'rel'), child(child(node, 'intoClause'), 'rel')];
  created.push(child(node, 'view'), child(node, 'sequence'));
  return created.some(
    (relation) =>
      text(relation, 'relpersistence') === 't' || PLACES_FOR_TEMPORARY.includes(text(relation, 'schemaname') ?? ''),
  );
}

function changesCatalogue(type: string, node: Tree, collector: Collector): boolean {
  // DO and CALL may do anything; what EXECUTE does is known to the session (machine/reading.ts). PREPARE TRANSACTION and
  // its end show or hide DDL of before.
  if (collector.opaque !== undefined) return true;
  if (type === 'TransactionStmt') return (text(node, 'kind') ?? '').endsWith('_PREPARED');
  if (type === 'ExplainStmt') return collector.does.has('create');
  return !LEAVES_CATALOGUE.has(type) || collector.does.has('create');
}

function changesNames(type: string, node: Tree, collector: Collector): boolean {
  if (changesPath(type, node, collector)) return true;
  const inner = type === 'ExplainStmt' || type === 'PrepareStmt' ? unwrap(node.query) : undefined;
  if (inner !== undefined && changesNames(inner[0], inner[1], collector)) return true;
  return createsTemporary(node) || createsTemporary(child(node, 'base') ?? {});
}

/** How unqualified names resolve beside what is temporary. */
function changesPath(type: string, node: Tree, collector: Collector): boolean {
  if (collector.opaque !== undefined || type === 'DiscardStmt') return true;
  if (collector.setsParameters) return true;
  if (type === 'VariableSetStmt') {
    const kind = text(node, 'kind');
    return kind === 'VAR_RESET_ALL' || NAME_PARAMETERS.has((text(node, 'name') ?? '').toLowerCase());
  }
  const inner = type === 'ExplainStmt' || type === 'PrepareStmt' ? unwrap(node.query) : undefined;
  return inner !== undefined && changesPath(inner[0], inner[1], collector);
}

function setOf(type: string, node: Tree): Pick<StatementInfo, 'set'> {
  if (type !== 'VariableSetStmt') return {};
  const kind = text(node, 'kind');
  if (kind === 'VAR_RESET_ALL') return { set: { name: 'all', value: undefined } };
  const name = (text(node, 'name') ?? '').toLowerCase();
  if (kind !== 'VAR_SET_VALUE') return { set: { name, value: undefined } };
  const values = list(node, 'args').map((argument) => constantText(as(argument, 'A_Const')));
  return { set: { name, value: values.map((value) => value ?? '').join(', ') } };
}

function constantText(constant: Tree | undefined): string | undefined {
  const value = unwrap(constant)?.[1];
  const found = value?.sval ?? value?.ival ?? value?.fval ?? value?.boolval;
  if (found !== undefined) return String(found);
  return constant?.ival === undefined ? undefined : '0';
}

/** The parts that name prepared statements and cursors, with the inner statement as an analysis of its own. */
function namedParts(type: string, node: Tree, sql: Uint8Array): Partial<StatementInfo> {
  switch (type) {
    case 'PrepareStmt': {
      const analysis = innerAnalysis(node, sql);
      return { prepare: { name: text(node, 'name') ?? '', analysis, text: textOf(sql) } };
    }
    case 'DeclareCursorStmt': {
      // CURSOR_OPT_HOLD (parsenodes.h)
      const hold = (Number(node.options ?? 0) & 0x20) !== 0;
      return { declare: { name: text(node, 'portalname') ?? '', hold, analysis: innerAnalysis(node, sql) } };
    }
    case 'ExecuteStmt':
      return arePlain(list(node, 'params')) ? { execute: { name: text(node, 'name') ?? '' } } : {};
    case 'ExplainStmt':
    case 'CreateTableAsStmt': {
      const inner = unwrap(node.query);
      return inner === undefined ? {} : pickExecute(namedParts(inner[0], inner[1], sql));
    }
    case 'DeallocateStmt':
      return { deallocate: { name: text(node, 'name') } };
    case 'DiscardStmt':
      return text(node, 'target') === 'DISCARD_ALL'
        ? { deallocate: { name: undefined }, close: { name: undefined } }
        : {};
    case 'FetchStmt':
      return { [node.ismove === true ? 'moves' : 'fetch']: { name: text(node, 'portalname') ?? '' } };
    case 'ClosePortalStmt':
      return { close: { name: text(node, 'portalname') } };
    default:
      return {};
  }
}

function pickExecute(parts: Partial<StatementInfo>): Partial<StatementInfo> {
  return parts.execute === undefined ? {} : { execute: parts.execute };
}

function innerAnalysis(node: Tree, sql: Uint8Array): Analysis {
  const query = child(node, 'query');
  if (query === undefined) return opaqueAnalysis('a statement without a body');
  const { info } = readOne(query, sql);
  return { facts: [info.facts], statements: [info] };
}

const texts = new WeakMap<Uint8Array, string>();

/** The whole text: one string for all statements in it, of which there may be thousands. */
function textOf(sql: Uint8Array): string {
  const text = texts.get(sql) ?? Buffer.from(sql).toString();
  texts.set(sql, text);
  return text;
}

function copiesTable(type: string, node: Tree): Pick<AnalysedStatement, 'copiesTable'> {
  const relation = type === 'CopyStmt' ? child(node, 'relation') : undefined;
  const name = text(relation, 'relname');
  if (name === undefined) return {};
  const columns = names(list(node, 'attlist'));
  const schema = text(relation, 'schemaname');
  return { copiesTable: { schema, name, columns: columns.length === 0 ? undefined : columns } };
}

/**
 * Parameters of EXECUTE that are values and nothing else. One that calls a function may carry anything into a statement
 * that by itself returns only what it was given.
 */
function arePlain(values: readonly unknown[]): boolean {
  return values.every((value) => {
    const node = unwrap(value);
    if (node === undefined) return false;
    if (node[0] === 'A_Const' || node[0] === 'ParamRef' || node[0] === 'SQLValueFunction') return true;
    if (node[0] === 'A_ArrayExpr') return arePlain(list(node[1], 'elements'));
    return node[0] === 'TypeCast' && arePlain([node[1].arg]);
  });
}

function endsCursors(type: string, node: Tree): boolean {
  if (type === 'DiscardStmt') return text(node, 'target') === 'DISCARD_ALL';
  if (type !== 'TransactionStmt') return false;
  const kind = text(node, 'kind') ?? '';
  return ['TRANS_STMT_COMMIT', 'TRANS_STMT_ROLLBACK', 'TRANS_STMT_ROLLBACK_TO', 'TRANS_STMT_PREPARE'].includes(kind);
}
