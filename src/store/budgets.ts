// What was used of budgets, a row a day, principal and rule, and hashes of the values that were seen. Several gateways add
// to the same rows: each addition is one statement of the database. Refuses to know: what is counted, who is told.

import type { BudgetKey, BudgetStore, BudgetTotal, BudgetUse } from '../session/budgets.ts';
import { asking, type Database } from './database.ts';

/** Rows of one insert: well below what either database takes as parameters. */
const AT_ONCE = 500;

export class BudgetTable implements BudgetStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  sync(day: number, uses: readonly BudgetUse[], of?: readonly string[]): Promise<readonly BudgetTotal[]> {
    return asking('keep what was used of budgets', () =>
      this.#db.transaction().execute(async (transaction) => {
        // In one order everywhere: two gateways that lock the same rows wait for each other, and never in a circle.
        for (const use of [...uses].sort((a, b) => compare(a.principal, b.principal) || compare(a.rule, b.rule))) {
          await add(transaction, day, use);
        }
        return totals(transaction, day, of);
      }),
    );
  }

  values(day: number, { principal, rule }: BudgetKey): Promise<readonly string[]> {
    return asking('read the values counted for a budget', async () => {
      const rows = await this.#db
        .selectFrom('budget_values')
        .select('hash')
        .where('day', '=', day)
        .where('principal', '=', principal)
        .where('rule', '=', rule)
        .execute();
      return rows.map(({ hash }) => hash);
    });
  }

  purge(day: number): Promise<void> {
    return asking('forget the budgets of days that are over', async () => {
      for (const table of ['budgets', 'budget_values'] as const) {
        await this.#db.deleteFrom(table).where('day', '<', day).execute();
      }
    });
  }
}

async function add(db: Database, day: number, use: BudgetUse): Promise<void> {
  const { principal, rule, rows, bytes, statements, timeMs, values } = use;
  await db
    .insertInto('budgets')
    .values({ day, principal, rule, rows, bytes, statements, time_ms: timeMs })
    .onConflict((conflict) =>
      conflict.columns(['day', 'principal', 'rule']).doUpdateSet(({ eb, ref }) => ({
        rows: eb(ref('budgets.rows'), '+', rows),
        bytes: eb(ref('budgets.bytes'), '+', bytes),
        statements: eb(ref('budgets.statements'), '+', statements),
        time_ms: eb(ref('budgets.time_ms'), '+', timeMs),
      })),
    )
    .execute();
  for (let from = 0; from < values.length; from += AT_ONCE) {
    const hashes = values.slice(from, from + AT_ONCE).map((hash) => ({ day, principal, rule, hash }));
    await db
      .insertInto('budget_values')
      .values(hashes)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

async function totals(db: Database, day: number, of: readonly string[] | undefined): Promise<readonly BudgetTotal[]> {
  let used = db.selectFrom('budgets').selectAll().where('day', '=', day);
  let seen = db
    .selectFrom('budget_values')
    .select(({ fn }) => ['principal', 'rule', fn.countAll<number>().as('count')])
    .where('day', '=', day);
  if (of !== undefined) {
    used = used.where('principal', 'in', of);
    seen = seen.where('principal', 'in', of);
  }
  const rows = await used.execute();
  const counts = await seen.groupBy(['principal', 'rule']).execute();
  const countOf = (row: BudgetKey) =>
    counts.find((one) => one.principal === row.principal && one.rule === row.rule)?.count ?? 0;
  return rows.map((row) => ({
    principal: row.principal,
    rule: row.rule,
    rows: row.rows,
    bytes: row.bytes,
    statements: row.statements,
    timeMs: row.time_ms,
    values: Number(countOf(row)),
  }));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
