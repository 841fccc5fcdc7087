// What each type of statement does: one line for each that the grammar has. What is not here is opaque.

import { castFunction, definedBy, isInC, renamedFunction } from './aliases.ts';
import { type Collector, type Name, Scope } from './collector.ts';
import { foreignSource } from './copy-options.ts';
import type { Tree } from './parser.ts';
import { as, child, isTree, list, names, text, unwrap } from './tree.ts';
import { type Does, objectWord, ROLE_PARAMETERS } from './vocabulary.ts';

type Reader = (collector: Collector, node: Tree, scope: Scope) => void;

/** A fixed word and kind of object; every relation named somewhere in it is found by the walk, and is changed by it. */
function plain(does: Does, object?: string): Reader {
  return (collector, node, scope) => {
    collector.note(does);
    if (object !== undefined) collector.object ??= object;
    const relation = child(node, 'relation');
    if (relation !== undefined) collector.relation(relation, { written: true, target: true }, scope);
    const { relation: _, ...rest } = node;
    collector.quietly(() => collector.walk(rest, scope));
  };
}

/** The same, the kind of object taken from a field of PostgreSQL's ObjectType. */
function typed(does: Does, field: string): Reader {
  return (collector, node, scope) => {
    collector.object ??= objectWord(text(node, field) ?? 'unknown');
    plain(does)(collector, node, scope);
    namedObjects(collector, node, text(node, field) ?? '');
  };
}

const RELATION_OBJECTS = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_INDEX',
  'OBJECT_FOREIGN_TABLE',
]);
const PART_OF_RELATION = new Set([
  'OBJECT_COLUMN',
  'OBJECT_TRIGGER',
  'OBJECT_RULE',
  'OBJECT_POLICY',
  'OBJECT_TABCONSTRAINT',
]);

function relationName(parts: readonly string[]): Name | undefined {
  const name = parts.at(-1);
  return name === undefined ? undefined : { schema: parts.at(-2), name };
}

/** DROP, COMMENT and the like name relations by lists of strings: `[schema, table]`, `[schema, table, column]`. */
function namedObjects(collector: Collector, node: Tree, objectType: string): void {
  const objects = node.object === undefined ? list(node, 'objects') : [node.object];
  for (const object of objects) {
    const parts = names(list(as(object, 'List'), 'items'));
    const own = RELATION_OBJECTS.has(objectType) ? parts : PART_OF_RELATION.has(objectType) ? parts.slice(0, -1) : [];
    const name = relationName(own);
    if (name !== undefined) collector.relationNamed(name, { written: true });
  }
}

function grants(collector: Collector, node: Tree): void {
  collector.note(node.is_grant === true ? 'grant' : 'revoke');
}

const copy: Reader = (collector, node, scope) => {
  const into = node.is_from === true;
  collector.note(into ? 'copy-in' : 'copy-out', into ? 'insert' : 'select');
  if (node.is_program === true) collector.note('copy-program');
  else if (node.filename !== undefined) collector.note('copy-file');
  const relation = child(node, 'relation');
  if (relation !== undefined && text(relation, 'relname') !== undefined) {
    const name = { schema: text(relation, 'schemaname'), name: text(relation, 'relname')! };
    const found = collector.relationNamed(name, into ? { written: true } : { read: true });
    const columns = names(list(node, 'attlist'));
    if (columns.length > 0) found.columns = new Set(columns);
    collector.walk([node.whereClause], scope);
  }
  if (node.query !== undefined) collector.walk(node.query, scope);
};

const setParameter: Reader = (collector, node) => {
  const kind = text(node, 'kind') ?? '';
  const name = (text(node, 'name') ?? '').toLowerCase();
  collector.note(kind.startsWith('VAR_RESET') ? 'reset' : 'set');
  // SET TRANSACTION and SET SESSION CHARACTERISTICS set several at once. RESET ALL leaves the role alone.
  if (ROLE_PARAMETERS.has(name)) collector.note('set-role');
  if (kind === 'VAR_SET_MULTI') collector.note('transaction');
};

const TRANSACTION: Readonly<Record<string, Does>> = {
  TRANS_STMT_BEGIN: 'begin',
  TRANS_STMT_START: 'begin',
  TRANS_STMT_COMMIT: 'commit',
  TRANS_STMT_COMMIT_PREPARED: 'commit',
  TRANS_STMT_ROLLBACK: 'rollback',
  TRANS_STMT_ROLLBACK_TO: 'rollback',
  TRANS_STMT_ROLLBACK_PREPARED: 'rollback',
  TRANS_STMT_SAVEPOINT: 'savepoint',
  TRANS_STMT_RELEASE: 'savepoint',
  TRANS_STMT_PREPARE: 'prepare-transaction',
};

const transaction: Reader = (collector, node) => {
  collector.note('transaction');
  const which = TRANSACTION[text(node, 'kind') ?? ''];
  if (which === undefined) collector.opaque = 'unknown kind of transaction control';
  else collector.note(which);
};

/** A boolean option of a list of DefElem, as defGetBoolean reads it; anything unclear counts as on. */
export function hasOption(options: readonly unknown[], name: string): boolean {
  return options.some((option) => {
    const element = as(option, 'DefElem');
    if (text(element, 'defname') !== name) return false;
    const value = unwrap(element?.arg)?.[1];
    if (value === undefined) return element?.arg === undefined;
    if ('sval' in value) return !['false', 'off', '0'].includes(String(value.sval).toLowerCase());
    if ('ival' in value) return value.ival !== 0;
    // An Integer or Boolean node leaves its zero out.
    return value.boolval === true;
  });
}

const explain: Reader = (collector, node, scope) => {
  collector.note('explain');
  if (hasOption(list(node, 'options'), 'analyze')) readStatement(collector, node.query, scope);
  else collector.quietly(() => readStatement(collector, node.query, scope));
};

const createAs: Reader = (collector, node, scope) => {
  collector.note('create');
  collector.object ??= objectWord(text(node, 'objtype') ?? 'OBJECT_TABLE');
  const relation = child(child(node, 'into'), 'rel');
  if (relation !== undefined) collector.relation(relation, { written: true, target: true }, scope);
  readStatement(collector, node.query, scope);
};

const functionDefinition =
  (does: Does): Reader =>
  (collector, node, scope) => {
    const objectType = text(node, 'objtype');
    const procedure = node.is_procedure === true || objectType === 'OBJECT_PROCEDURE';
    collector.object ??= procedure ? 'procedure' : 'function';
    collector.note(does);
    const options = [...list(node, 'options'), ...list(node, 'actions')];
    if (hasOption(options, 'security')) collector.note('create-definer');
    if (options.some(isInC)) collector.note('load');
    const { sql_body: body, ...rest } = node;
    collector.quietly(() => collector.walk(rest, scope));
    collector.walk(body, scope);
  };

const renaming =
  (read: Reader, called: (node: Tree) => readonly string[][]): Reader =>
  (collector, node, scope) => {
    read(collector, node, scope);
    for (const name of called(node)) collector.function(name);
  };

const vacuum: Reader = (collector, node) => {
  const options = list(node, 'options');
  if (node.is_vacuumcmd === true) collector.note('vacuum');
  if (node.is_vacuumcmd !== true || hasOption(options, 'analyze')) collector.note('analyze');
  for (const entry of list(node, 'rels')) {
    const relation = child(as(entry, 'VacuumRelation'), 'relation');
    if (relation !== undefined) collector.relation(relation, { target: true }, new Scope());
  }
};

/** Names relations without reading or writing their rows. */
function touching(does: Does, object?: string): Reader {
  return (collector, node) => {
    collector.note(does);
    if (object !== undefined) collector.object ??= object;
    const relation = child(node, 'relation');
    const all = [...list(node, 'relations').map((entry) => as(entry, 'RangeVar')), relation];
    for (const entry of all) if (entry !== undefined) collector.relation(entry, { target: true }, new Scope());
  };
}

const call: Reader = (collector, node, scope) => {
  collector.note('call');
  collector.opaque = 'what a procedure does is not known';
  const called = child(node, 'funccall');
  collector.function(names(list(called, 'funcname')));
  collector.walk(list(called, 'args'), scope);
};

/** Of the statements that run or define another one: what they do, then what that one does. */
function around(does: Does, inner: string): Reader {
  return (collector, node, scope) => {
    collector.note(does);
    readStatement(collector, node[inner], scope);
  };
}

const STATEMENTS: Readonly<Record<string, Reader>> = {
  SelectStmt: (collector, node, scope) => collector.rowStatement('SelectStmt', node, scope),
  InsertStmt: (collector, node, scope) => collector.rowStatement('InsertStmt', node, scope),
  UpdateStmt: (collector, node, scope) => collector.rowStatement('UpdateStmt', node, scope),
  DeleteStmt: (collector, node, scope) => collector.rowStatement('DeleteStmt', node, scope),
  MergeStmt: (collector, node, scope) => collector.rowStatement('MergeStmt', node, scope),
  TruncateStmt: (collector, node, scope) => {
    collector.note('truncate');
    for (const entry of list(node, 'relations')) {
      const relation = as(entry, 'RangeVar');
      if (relation !== undefined) collector.relation(relation, { written: true, target: true }, scope);
    }
  },
  CopyStmt: copy,
  CallStmt: call,
  DoStmt: (collector) => {
    collector.note('do-block');
    collector.opaque = 'what a do block does is not known';
  },
  ExplainStmt: explain,
  PrepareStmt: around('prepare', 'query'),
  ExecuteStmt: (collector, node, scope) => {
    collector.note('execute');
    const before = collector.functions.size;
    collector.walk(list(node, 'params'), scope);
    if (collector.functions.size > before)
      collector.opaque = 'what a prepared statement makes of a function is not known';
  },
  DeallocateStmt: plain('deallocate'),
  DeclareCursorStmt: around('cursor', 'query'),
  ClosePortalStmt: plain('cursor'),
  FetchStmt: plain('fetch'),
  TransactionStmt: transaction,
  VariableSetStmt: setParameter,
  VariableShowStmt: plain('show'),
  ConstraintsSetStmt: touching('set'),
  DiscardStmt: plain('discard'),
  LockStmt: touching('lock'),
  ListenStmt: plain('listen'),
  UnlistenStmt: plain('listen'),
  NotifyStmt: plain('notify'),
  VacuumStmt: vacuum,
  ClusterStmt: touching('cluster'),
  ReindexStmt: touching('reindex'),
  CheckPointStmt: plain('checkpoint'),
  LoadStmt: plain('load'),
  CommentStmt: typed('comment', 'objtype'),
  SecLabelStmt: typed('security-label', 'objtype'),
  RefreshMatViewStmt: plain('refresh', 'materialized-view'),
  GrantStmt: (collector, node, scope) => {
    grants(collector, node);
    collector.object ??= objectWord(text(node, 'objtype') ?? 'unknown');
    for (const entry of list(node, 'objects')) {
      const relation = as(entry, 'RangeVar');
      if (relation !== undefined) collector.relation(relation, { target: true }, scope);
    }
  },
  GrantRoleStmt: (collector, node) => {
    grants(collector, node);
    collector.object ??= 'role';
  },
  AlterDefaultPrivilegesStmt: (collector, node) => {
    collector.note('alter');
    const action = child(node, 'action');
    if (action !== undefined) grants(collector, action);
    collector.object ??= 'default-privileges';
  },
  CreateTableAsStmt: createAs,
  CreateFunctionStmt: functionDefinition('create'),
  AlterFunctionStmt: functionDefinition('alter'),
  CreateStmt: plain('create', 'table'),
  ViewStmt: (collector, node, scope) => {
    const view = child(node, 'view');
    if (view !== undefined) collector.relation(view, { written: true, target: true }, scope);
    collector.note('create');
    collector.object ??= 'view';
    collector.quietly(() => collector.walk(node.query, scope));
  },
  CreateForeignTableStmt: (collector, node, scope) => {
    const base = child(node, 'base');
    plain('create', 'foreign-table')(collector, base ?? node, scope);
    collector.note(...foreignSource(list(node, 'options')));
  },
  CreateSchemaStmt: (collector, node, scope) => {
    collector.note('create');
    collector.object ??= 'schema';
    for (const element of list(node, 'schemaElts')) readStatement(collector, element, scope);
  },
  CreateSeqStmt: plain('create', 'sequence'),
  AlterSeqStmt: plain('alter', 'sequence'),
  IndexStmt: plain('create', 'index'),
  CreateStatsStmt: plain('create', 'statistics'),
  AlterStatsStmt: plain('alter', 'statistics'),
  RuleStmt: (collector, node, scope) => {
    const { actions, ...rest } = node;
    plain('create', 'rule')(collector, rest, scope);
    collector.walk(actions, scope);
  },
  CreateTrigStmt: (collector, node, scope) => {
    collector.function(names(list(node, 'funcname')));
    plain('create', 'trigger')(collector, node, scope);
  },
  CreatePolicyStmt: (collector, node, scope) => policy('create', collector, node, scope),
  AlterPolicyStmt: (collector, node, scope) => policy('alter', collector, node, scope),
  CreateEventTrigStmt: plain('create', 'event-trigger'),
  AlterEventTrigStmt: plain('alter', 'event-trigger'),
  CreatePLangStmt: plain('create', 'language'),
  CreateExtensionStmt: plain('create', 'extension'),
  AlterExtensionStmt: plain('alter', 'extension'),
  AlterExtensionContentsStmt: plain('alter', 'extension'),
  CreateFdwStmt: plain('create', 'foreign-data-wrapper'),
  AlterFdwStmt: plain('alter', 'foreign-data-wrapper'),
  CreateForeignServerStmt: plain('create', 'foreign-server'),
  AlterForeignServerStmt: plain('alter', 'foreign-server'),
  CreateUserMappingStmt: plain('create', 'user-mapping'),
  AlterUserMappingStmt: plain('alter', 'user-mapping'),
  DropUserMappingStmt: plain('drop', 'user-mapping'),
  ImportForeignSchemaStmt: (collector) => {
    collector.note('import', 'create');
    collector.object ??= 'foreign-table';
  },
  CreateAmStmt: plain('create', 'access-method'),
  CreateRoleStmt: plain('create', 'role'),
  AlterRoleStmt: plain('alter', 'role'),
  AlterRoleSetStmt: plain('alter', 'role'),
  DropRoleStmt: plain('drop', 'role'),
  CreatedbStmt: plain('create', 'database'),
  AlterDatabaseStmt: plain('alter', 'database'),
  AlterDatabaseRefreshCollStmt: plain('alter', 'database'),
  AlterDatabaseSetStmt: plain('alter', 'database'),
  DropdbStmt: plain('drop', 'database'),
  AlterSystemStmt: plain('alter', 'system'),
  CreateTableSpaceStmt: plain('create', 'tablespace'),
  DropTableSpaceStmt: plain('drop', 'tablespace'),
  AlterTableSpaceOptionsStmt: plain('alter', 'tablespace'),
  AlterTableMoveAllStmt: typed('alter', 'objtype'),
  AlterTableStmt: (collector, node, scope) => {
    typed('alter', 'objtype')(collector, node, scope);
    for (const entry of list(node, 'cmds')) {
      const options = as(child(as(entry, 'AlterTableCmd') ?? {}, 'def'), 'List');
      if (options !== undefined) collector.note(...foreignSource(list(options, 'items')));
    }
  },
  DropStmt: typed('drop', 'removeType'),
  RenameStmt: renaming(typed('alter', 'renameType'), renamedFunction),
  AlterObjectDependsStmt: typed('alter', 'objectType'),
  AlterObjectSchemaStmt: typed('alter', 'objectType'),
  AlterOwnerStmt: typed('alter', 'objectType'),
  DefineStmt: renaming(typed('create', 'kind'), definedBy),
  CreateDomainStmt: plain('create', 'domain'),
  AlterDomainStmt: plain('alter', 'domain'),
  CompositeTypeStmt: plain('create', 'type'),
  CreateEnumStmt: plain('create', 'type'),
  CreateRangeStmt: plain('create', 'type'),
  AlterEnumStmt: plain('alter', 'type'),
  AlterTypeStmt: plain('alter', 'type'),
  AlterCollationStmt: plain('alter', 'collation'),
  CreateConversionStmt: plain('create', 'conversion'),
  CreateCastStmt: renaming(plain('create', 'cast'), castFunction),
  CreateTransformStmt: plain('create', 'transform'),
  CreateOpClassStmt: plain('create', 'operator-class'),
  CreateOpFamilyStmt: plain('create', 'operator-family'),
  AlterOpFamilyStmt: plain('alter', 'operator-family'),
  AlterOperatorStmt: plain('alter', 'operator'),
  AlterTSDictionaryStmt: plain('alter', 'text-search-dictionary'),
  AlterTSConfigurationStmt: plain('alter', 'text-search-configuration'),
  CreatePublicationStmt: plain('create', 'publication'),
  AlterPublicationStmt: plain('alter', 'publication'),
  CreateSubscriptionStmt: plain('create', 'subscription'),
  AlterSubscriptionStmt: plain('alter', 'subscription'),
  DropSubscriptionStmt: plain('drop', 'subscription'),
  DropOwnedStmt: plain('drop', 'owned'),
  ReassignOwnedStmt: plain('alter', 'owned'),
};

function policy(does: Does, collector: Collector, node: Tree, scope: Scope): void {
  const { table, ...rest } = node;
  plain(does, 'policy')(collector, { ...rest, relation: table }, scope);
}

/** Every type of statement that is known here, for the test that compares with the grammar. */
export const KNOWN_STATEMENTS: readonly string[] = Object.keys(STATEMENTS);

/** Reads one wrapped statement into the collector; an unknown type of statement makes it opaque. */
export function readStatement(collector: Collector, wrapped: unknown, scope: Scope = new Scope()): void {
  const statement = unwrap(wrapped);
  const read = statement === undefined ? undefined : STATEMENTS[statement[0]];
  if (statement === undefined || read === undefined) {
    collector.opaque = `unknown type of statement ${statement?.[0] ?? ''}`.trim();
    if (isTree(wrapped)) collector.walk(wrapped, scope);
    return;
  }
  read(collector, statement[1], scope);
}
