// Syntax that calls a function by a name that it does not say. Refuses to know: what the functions do.

/** Nodes that PostgreSQL reads as function calls in one version and as syntax of their own in another. */
export const FUNCTION_LIKE: ReadonlyMap<string, string> = new Map(
  // A field of such a node is called `constructor`.
  Object.entries({
    JsonObjectConstructor: 'json_object',
    JsonArrayConstructor: 'json_array',
    JsonArrayQueryConstructor: 'json_array',
    JsonObjectAgg: 'json_objectagg',
    JsonArrayAgg: 'json_arrayagg',
    JsonScalarExpr: 'json_scalar',
    JsonSerializeExpr: 'json_serialize',
    JsonParseExpr: 'json',
    JsonTable: 'json_table',
    MergeSupportFunc: 'merge_action',
  }),
);

export const JSON_FUNCTIONS: Readonly<Record<string, string>> = {
  JSON_EXISTS_OP: 'json_exists',
  JSON_VALUE_OP: 'json_value',
  JSON_QUERY_OP: 'json_query',
};
