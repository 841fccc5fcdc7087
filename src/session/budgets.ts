// What principals have used up of their budgets: counters by rule, for one session and for one principal's day (UTC).
// Refuses to know: how a rule is written, what a row is. The day's counters live in this process: a restart begins them anew.

import type { Clock } from '../core/clock.ts';
import { formatDuration } from '../core/clock.ts';
import type { OperationId } from '../protocol/contract.ts';
import type { Budget, Charge } from './policy/types.ts';

interface Spent {
  rows: number;
  bytes: number;
  statements: number;
  timeMs: number;
}

const nothing = (): Spent => ({ rows: 0, bytes: 0, statements: 0, timeMs: 0 });

const DAY_MS = 86_400_000;

/** The days of all principals; one for the process. */
export class Budgets {
  readonly #clock: Clock;
  #day = -1;
  readonly #spent = new Map<string, Spent>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param key of principal and rule. */
  today(key: string): Spent {
    const day = Math.floor(this.#clock.now() / DAY_MS);
    if (day !== this.#day) {
      this.#spent.clear();
      this.#day = day;
    }
    let spent = this.#spent.get(key);
    if (spent === undefined) {
      spent = nothing();
      this.#spent.set(key, spent);
    }
    return spent;
  }
}

interface Running {
  readonly charges: readonly Charge[];
  readonly since: number;
}

/** One session's use of budgets. */
export class Meter {
  readonly #budgets: Budgets;
  readonly #principal: string;
  readonly #clock: Clock;
  readonly #session = new Map<string, Spent>();
  readonly #running = new Map<OperationId, Running>();

  constructor(budgets: Budgets, principal: string, clock: Clock) {
    this.#budgets = budgets;
    this.#principal = principal;
    this.#clock = clock;
  }

  /** Whether anything that runs is counted. */
  get metering(): boolean {
    return this.#running.size > 0;
  }

  /** Whether nothing is left of a rule's budget. */
  readonly exhausted = ({ rule, budget }: Charge): boolean => over(this.#spent(rule, budget), budget, 0) !== undefined;

  begin(id: OperationId, charges: readonly Charge[]): void {
    for (const { rule, budget } of charges) this.#spent(rule, budget).statements += 1;
    this.#running.set(id, { charges, since: this.#clock.now() });
  }

  /** Counts what is about to be sent; the first charge that it is too much for, and which bound. */
  spend(id: OperationId, rows: number, bytes: number): { charge: Charge; bound: string } | undefined {
    const running = this.#running.get(id);
    if (running === undefined) return undefined;
    const elapsed = this.#clock.now() - running.since;
    let found: { charge: Charge; bound: string } | undefined;
    for (const charge of running.charges) {
      const spent = this.#spent(charge.rule, charge.budget);
      spent.rows += rows;
      spent.bytes += bytes;
      const bound = over({ ...spent, statements: 0, timeMs: spent.timeMs + elapsed }, charge.budget, 1);
      if (bound !== undefined) found ??= { charge, bound };
    }
    return found;
  }

  /** It is over: its time counts. */
  end(id: OperationId): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#running.delete(id);
    const elapsed = this.#clock.now() - running.since;
    for (const { rule, budget } of running.charges) this.#spent(rule, budget).timeMs += elapsed;
  }

  #spent(rule: string, { per }: Budget): Spent {
    if (per === 'day') return this.#budgets.today(`${this.#principal}\u0000${rule}`);
    let spent = this.#session.get(rule);
    if (spent === undefined) {
      spent = nothing();
      this.#session.set(rule, spent);
    }
    return spent;
  }
}

/** Which bound is reached (`room` 0: nothing is left) or passed (`room` 1), in words. */
function over(spent: Spent, budget: Budget, room: 0 | 1): string | undefined {
  const passed = (value: number, bound: number | undefined) => bound !== undefined && value >= bound + room;
  if (passed(spent.rows, budget.rows)) return `${budget.rows} rows`;
  if (passed(spent.bytes, budget.bytes)) return `${budget.bytes} bytes`;
  if (passed(spent.statements, budget.statements)) return `${budget.statements} statements`;
  if (passed(spent.timeMs, budget.timeMs)) return `${formatDuration(budget.timeMs ?? 0)} of time`;
  return undefined;
}
