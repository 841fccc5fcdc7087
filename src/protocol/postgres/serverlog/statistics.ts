// What pg_stat_statements has counted of the gateway's own account: texts without their constants, and how often each ran.
// Works from version 14 of the server on. Refuses to know: what the gateway recorded.

import { userError } from '../../../core/errors.ts';
import type { Counted } from '../../contract.ts';
import type { SideConnection } from '../analysis.ts';

const STATE = `select date_part('epoch', now()) * 1000, stats_reset, dealloc from pg_stat_statements_info`;

/** Those that clients sent, not those that ran inside of functions. */
const COUNTS = `select s.query, sum(s.calls) from pg_stat_statements s
  where s.userid = (select oid from pg_catalog.pg_roles where rolname = current_user) and s.toplevel group by s.query`;

export const STATISTICS: readonly string[] = [STATE, COUNTS];

/** `shapes`: of a text, one a statement. Errors: not_supported. */
export async function readCounts(
  side: SideConnection,
  shapes: (text: string) => Promise<readonly string[]>,
  isOwn: (shape: string) => boolean,
): Promise<Counted> {
  const [state] = await side.query(STATE).catch((thrown: unknown) => {
    throw userError('not_supported', 'the target does not count statements, or does not tell', {
      fix: "load pg_stat_statements and 'create extension pg_stat_statements' in the connection's database",
      cause: thrown,
    });
  });
  const [at, since, lost] = state!;
  const statements = new Map<string, { shape: string; text: string; calls: number }>();
  for (const [text, calls] of await side.query(COUNTS)) {
    const shape = (await shapes(text!)).join(' ');
    if (isOwn(shape)) continue;
    const known = statements.get(shape);
    if (known === undefined) statements.set(shape, { shape, text: text!, calls: Number(calls) });
    else known.calls += Number(calls);
  }
  return { at: Math.floor(Number(at)), since: since ?? '', lost: Number(lost), statements: [...statements.values()] };
}
