// What a database has under which names, for a check of the policy against it. Read once, as a fresh session of the
// gateway's user sees it. Refuses to know: rules, masks.

import type { Inventory } from '../../contract.ts';
import type { SideConnection } from '../analysis.ts';

/** schema, name, columns as JSON. */
export const RELATIONS = `select n.nspname, c.relname, coalesce(json_agg(a.attname order by a.attnum)
    filter (where a.attnum > 0 and not a.attisdropped), '[]')
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_attribute a on a.attrelid = c.oid
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') group by c.oid, n.nspname, c.relname`;

export const FUNCTIONS = `select distinct n.nspname, p.proname
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace`;

export async function readInventory(side: SideConnection): Promise<Inventory> {
  const relations = await side.query(RELATIONS);
  const functions = await side.query(FUNCTIONS);
  return {
    relations: relations.map(([schema, name, columns]) => ({
      ...{ schema: schema!, name: name!, columns: JSON.parse(columns!) as string[] },
    })),
    functions: functions.map(([schema, name]) => ({ schema: schema!, name: name! })),
  };
}

/** Several databases of one connection as one. */
export function together(all: readonly Inventory[]): Inventory {
  return {
    relations: all.flatMap(({ relations }) => relations),
    functions: all.flatMap(({ functions }) => functions),
  };
}
