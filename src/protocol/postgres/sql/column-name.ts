// The name that the server gives to a column of a query where nobody does: FigureColname of parse_target.c, from version 12 on.
// Refuses to know: what is in the column.
//
// INVARIANT: whatever an item can be called has a name here, `?column?` at least: a name that is not known to be given could
// be used for what it is about by whoever gives the same name to something else.

import type { Tree } from './parser.ts';
import { as, child, list, names, text, unwrap } from './tree.ts';

const NOTHING = '?column?';

/** Syntax that names a column, whatever is in it. */
const OF_SYNTAX: ReadonlyMap<string, string> = new Map(
  Object.entries({
    GroupingFunc: 'grouping',
    MergeSupportFunc: 'merge_action',
    A_ArrayExpr: 'array',
    RowExpr: 'row',
    CoalesceExpr: 'coalesce',
    XmlSerialize: 'xmlserialize',
    JsonParseExpr: 'json',
    JsonScalarExpr: 'json_scalar',
    JsonSerializeExpr: 'json_serialize',
    JsonObjectConstructor: 'json_object',
    JsonArrayConstructor: 'json_array',
    JsonArrayQueryConstructor: 'json_array',
    JsonObjectAgg: 'json_objectagg',
    JsonArrayAgg: 'json_arrayagg',
  }),
);
/** Syntax of several kinds: each is called by the end of its word. */
const OF_KIND = new Set(['MinMaxExpr', 'SQLValueFunction', 'XmlExpr', 'JsonFuncExpr']);
const KIND = /^(?:IS_|SVFOP_)?(.+?)(?:_OP|_N)?$/;

/** A weak name gives way to that of a cast around it. */
interface Given {
  readonly name: string;
  readonly weak: boolean;
}

/** Undefined: it has the name of a column that its query selects, by a `*`. */
export function columnName(value: unknown): string | undefined {
  const given = figured(value);
  return given === 'inside' ? undefined : (given?.name ?? NOTHING);
}

function figured(value: unknown): Given | 'inside' | undefined {
  const [type, node] = unwrap(value) ?? [];
  if (node === undefined) return undefined;
  switch (type) {
    case 'ColumnRef':
      return strong(names(list(node, 'fields')).at(-1)) ?? 'inside';
    case 'A_Indirection': {
      const selected = list(node, 'indirection');
      if (as(selected.at(-1), 'A_Star') !== undefined) return 'inside';
      return strong(names(selected).at(-1)) ?? figured(node.arg);
    }
    case 'FuncCall':
      return strong(names(list(node, 'funcname')).at(-1));
    case 'A_Expr':
      return text(node, 'kind') === 'AEXPR_NULLIF' ? strong('nullif') : undefined;
    case 'TypeCast':
      return unlessWeak(figured(node.arg), names(list(child(node, 'typeName'), 'names')).at(-1));
    case 'CollateClause':
      return figured(node.arg);
    case 'CaseExpr':
      return unlessWeak(figured(node.defresult), 'case');
    case 'SubLink':
      return linked(node);
    default:
      if (type !== undefined && OF_KIND.has(type)) return strong(ofKind(node));
      return strong(OF_SYNTAX.get(type ?? ''));
  }
}

function strong(name: string | undefined): Given | undefined {
  return name === undefined ? undefined : { name, weak: false };
}

function unlessWeak(given: Given | 'inside' | undefined, otherwise: string | undefined): Given | 'inside' | undefined {
  if (given !== undefined && (given === 'inside' || !given.weak)) return given;
  return otherwise === undefined ? given : { name: otherwise, weak: true };
}

function ofKind(node: Tree): string | undefined {
  const op = text(node, 'op') ?? '';
  return op === 'IS_DOCUMENT' ? undefined : KIND.exec(op)?.[1]?.toLowerCase();
}

/** A query in an expression: its only column's name. */
function linked(link: Tree): Given | 'inside' | undefined {
  const type = text(link, 'subLinkType');
  if (type === 'EXISTS_SUBLINK') return strong('exists');
  if (type === 'ARRAY_SUBLINK') return strong('array');
  if (type !== 'EXPR_SUBLINK') return undefined;
  let query = as(link.subselect, 'SelectStmt');
  for (let left = query; left !== undefined; left = child(left, 'larg')) query = left;
  if (list(query, 'valuesLists').length > 0) return strong('column1');
  const [first] = list(query, 'targetList').map((target) => as(target, 'ResTarget'));
  return strong(text(first, 'name')) ?? (first === undefined ? 'inside' : (figured(first.val) ?? strong(NOTHING)));
}
