// Which expressions tell nothing of a value beside their result: they fail for no value, and give as many rows and as long a
// text whatever it is. A result is masked; that a statement failed, or how many rows it had, is not.
// Refuses to know: columns, what becomes of an expression.

import type { Tree } from './parser.ts';
import { list, names, text } from './tree.ts';

/** Functions of which the number of rows, or the time, tells the argument. */
const TELLING =
  /^(?:generate_(?:series|subscripts)|unnest|pg_sleep.*|regexp_matches|[a-z_]+_to_table|jsonb?_(?:each|array_elements|object_keys|path_query|populate_recordset|to_recordset|table)(?:_text|_tz)?|xmltable|ts_parse|ts_debug|_pg_expandarray|aclexplode|pg_snapshot_xip|txid_snapshot_xip|pg_stat_get_activity|pg_options_to_table)$/;

/** Whatever their arguments are. */
const ALL = new Set(
  `upper lower initcap reverse length char_length character_length octet_length bit_length md5 concat concat_ws
  quote_literal quote_nullable quote_ident count min max sum avg any_value bool_and bool_or every string_agg array_agg
  json_agg jsonb_agg json_agg_strict jsonb_agg_strict first_value last_value row_to_json to_json to_jsonb json_build_array
  jsonb_build_array array_to_string array_to_json array_append array_length cardinality json_typeof jsonb_typeof
  jsonb_pretty jsonb_strip_nulls pg_typeof pg_column_size json_array json_arrayagg json_scalar`.split(/\s+/),
);

/** Whatever the first argument is: the others say where, or how, and some of them are refused. */
const FIRST = new Set(
  `left right substr substring lag lead nth_value to_char encode jsonb_extract_path jsonb_extract_path_text`.split(
    /\s+/,
  ),
);
/** Whatever the second argument is, behind a word; `date_trunc` takes a time zone for its third, which is none for most values. */
const LATER = new Set(['date_part', 'date_trunc', 'extract']);
/** Whatever the only argument is; what a second one takes away depends on the value. */
const ALONE = new Set(['btrim', 'ltrim', 'rtrim', 'trim']);

/** What a call says of its argument at a place, by the function's name: nothing, its failing, or more than that. */
export function tells(name: readonly string[], place: number, count: number): 'nothing' | 'error' | 'computed' {
  const last = name.at(-1) ?? '';
  if (TELLING.test(last)) return 'computed';
  if (name.length > 1 && name[0] !== 'pg_catalog') return 'error';
  if (ALL.has(last) || (ALONE.has(last) && count === 1)) return 'nothing';
  return (place === 0 && FIRST.has(last)) || (place === 1 && LATER.has(last)) ? 'nothing' : 'error';
}

/** Operators that make values of any others. */
const TOTAL_OPERATORS = new Set(['||', '->', '->>', '#>', '#>>']);

export function isTotalOperator(name: readonly string[]): boolean {
  return isServersOwn(name) && TOTAL_OPERATORS.has(name.at(-1) ?? '');
}

/** `operator(x.=)` is whatever somebody put into the schema x. */
export function isServersOwn(name: readonly string[]): boolean {
  return name.length < 2 || name[0] === 'pg_catalog';
}

/**
 * Types of the server's own, and one that comes with it, by the names that they are written with. A domain has a collation of its own, under which a constant of
 * it is equal to what is something else.
 */
export const OWN_TYPES: ReadonlySet<string> = new Set(
  `text varchar bpchar name bool int2 int4 int8 oid float4 float8 numeric money date time timetz timestamp timestamptz interval uuid
  json jsonb xml bytea inet cidr macaddr bit varbit citext`.split(/\s+/),
);

export function isOwnType(type: Tree | undefined): boolean {
  const name = names(list(type, 'names'));
  return name.length === 1 ? OWN_TYPES.has(name[0]!) : name.length === 2 && name[0] === 'pg_catalog';
}

/** A cast of text to text of any length: it fails for none, cuts nothing off, and leaves equality what it is. */
export function isTotalCast(cast: Tree): boolean {
  const type = cast.typeName as Tree | undefined;
  const name = names(list(type, 'names'));
  if (list(type, 'typmods').length > 0 || list(type, 'arrayBounds').length > 0 || !isServersOwn(name)) return false;
  return /^(?:text|varchar|bpchar)$/.test(name.at(-1) ?? '');
}

/** Collations of the server's own under which what is equal is the same. */
export function isPlainCollation(collate: Tree): boolean {
  const name = names(list(collate, 'collname'));
  return isServersOwn(name) && /^(?:C|POSIX|default)$/.test(name.at(-1) ?? '');
}

/** Nodes of expressions that can fail by a value, beside calls, operators and casts. */
export function canFail(key: string, node: Tree): boolean {
  switch (key) {
    case 'MinMaxExpr':
    case 'XmlSerialize':
    case 'JsonFuncExpr':
    case 'JsonParseExpr':
    case 'JsonObjectConstructor':
    case 'JsonObjectAgg':
    case 'JsonSerializeExpr':
      return true;
    case 'XmlExpr':
      return !/^IS_XML(?:ELEMENT|FOREST|CONCAT)$/.test(text(node, 'op') ?? '');
    default:
      return false;
  }
}
