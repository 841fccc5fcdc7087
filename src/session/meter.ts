// One session's use of budgets: what its operations use up, counted while they run, and what ends them when nothing is left.
// Refuses to know: how a rule is written, what a row is, where the day's counters are kept (budgets.ts).

import type { Clock } from '../core/clock.ts';
import type { Mask, OperationId, ResultColumn } from '../protocol/contract.ts';
import type { Budgets } from './budgets.ts';
import { Counter, type Running } from './counter.ts';
import type { Charge } from './policy/types.ts';

/** A charge that something was too much for, and which of its bounds. */
export interface Passed {
  readonly charge: Charge;
  readonly bound: string;
}

interface Operation {
  readonly charges: readonly Charge[];
  /** Undefined while the target does not work on it. */
  runs: Running | undefined;
  /** Where its time counts; the day may be over when it ends. */
  clocks: readonly Counter[];
  timer: NodeJS.Timeout | undefined;
}

/** Told when time is up; not told twice for one operation. */
type TimeUp = (id: OperationId, passed: Passed) => void;

const MAX_TIMER_MS = 2 ** 31 - 1;

export class Meter {
  readonly #budgets: Budgets;
  readonly #principal: string;
  readonly #clock: Clock;
  readonly #timeUp: TimeUp;
  readonly #close: () => void;
  readonly #session = new Map<string, Counter>();
  readonly #operations = new Map<OperationId, Operation>();

  constructor(budgets: Budgets, principal: string, clock: Clock, timeUp: TimeUp) {
    this.#budgets = budgets;
    this.#principal = principal;
    this.#clock = clock;
    this.#timeUp = timeUp;
    this.#close = budgets.open(principal);
  }

  /** Whether anything that runs is counted. */
  get metering(): boolean {
    return this.#operations.size > 0;
  }

  /** Whether nothing is left of a rule's budget. */
  readonly exhausted = (charge: Charge): boolean =>
    this.#counter(charge).over(charge.budget, 0, this.#clock.now()) !== undefined;

  begin(id: OperationId, charges: readonly Charge[]): void {
    for (const charge of charges) this.#counter(charge).add({ statements: 1 });
    this.#operations.set(id, { charges, runs: undefined, clocks: [], timer: undefined });
    this.runs(id, true);
  }

  /** Whether the target works on it now: then its time counts. */
  runs(id: OperationId, on: boolean): void {
    const operation = this.#operations.get(id);
    if (operation === undefined || (operation.runs !== undefined) === on) return;
    const now = this.#clock.now();
    if (on) {
      operation.runs = { since: now };
      const timed = operation.charges.filter(({ budget }) => budget.timeMs !== undefined);
      operation.clocks = timed.map((charge) => this.#counter(charge));
      for (const clock of operation.clocks) clock.begin(operation.runs);
      this.#arm(id, operation);
      return;
    }
    clearTimeout(operation.timer);
    for (const clock of operation.clocks) clock.end(operation.runs!, now);
    operation.runs = undefined;
  }

  /** Counts what is about to be sent; the first charge that it is too much for. */
  spend(id: OperationId, rows: number, bytes: number): Passed | undefined {
    const operation = this.#operations.get(id);
    if (operation === undefined) return undefined;
    for (const charge of operation.charges) this.#counter(charge).add({ rows, bytes });
    return this.#passed(operation);
  }

  /**
   * For each column, what is to be told each of its values as the target sent them; undefined where nothing counts any.
   * One that is not proven to come from elsewhere counts as if it came from the column that is counted.
   */
  counting(id: OperationId, columns: readonly ResultColumn[]): readonly Mask['count'][] | undefined {
    const charges = this.#operations.get(id)?.charges.filter(({ budget }) => budget.distinct !== undefined) ?? [];
    if (charges.length === 0) return undefined;
    return columns.map((column) => {
      const concerned = charges.filter(({ budget }) => budget.distinct!.covers(column));
      if (concerned.length === 0) return undefined;
      return (value: string) => {
        for (const charge of concerned) this.#saw(charge, value);
      };
    });
  }

  /** The same masks with what counts values; those that change none bear the name of the rule. */
  counted(
    id: OperationId,
    columns: readonly ResultColumn[],
    masks: readonly (Mask | null)[],
  ): readonly (Mask | null)[] {
    const counts = this.counting(id, columns);
    if (counts === undefined) return masks;
    return masks.map((mask, i) => {
      const count = counts[i];
      if (count === undefined) return mask;
      // By its text: what reads bytes alone would count nothing.
      if (mask !== null) return { ...mask, bytes: undefined, clean: undefined, count };
      const name = this.#operations.get(id)?.charges.find(({ budget }) => budget.distinct?.covers(columns[i]!))?.rule;
      return { name: name ?? 'budget', by: 'count', text: (value) => value, count };
    });
  }

  /** It is over. */
  end(id: OperationId): void {
    this.runs(id, false);
    this.#operations.delete(id);
  }

  /** The session is over, and all that ran in it. */
  close(): void {
    for (const id of [...this.#operations.keys()]) this.end(id);
    this.#close();
  }

  #passed({ charges }: Operation): Passed | undefined {
    const now = this.#clock.now();
    for (const charge of charges) {
      const bound = this.#counter(charge).over(charge.budget, 1, now);
      if (bound !== undefined) return { charge, bound };
    }
    return undefined;
  }

  #arm(id: OperationId, operation: Operation): void {
    const now = this.#clock.now();
    const left = operation.charges.flatMap((charge) => {
      const { timeMs } = charge.budget;
      return timeMs === undefined ? [] : [this.#counter(charge).timeLeft(timeMs, now)];
    });
    if (left.length === 0) return;
    const due = () => {
      const passed = this.#passed(operation);
      // Others may have ended meanwhile, which leaves it more.
      if (passed === undefined) this.#arm(id, operation);
      else this.#timeUp(id, passed);
    };
    operation.timer = setTimeout(due, Math.min(Math.ceil(Math.min(...left)), MAX_TIMER_MS)).unref();
  }

  #saw({ rule, budget }: Charge, value: string): void {
    const { column, max } = budget.distinct!;
    const hash = this.#budgets.hash(`${this.#principal}\0${rule}\0${column}`, value);
    this.#counter({ rule, budget }).saw(hash, max);
  }

  #counter({ rule, budget }: Pick<Charge, 'rule' | 'budget'>): Counter {
    if (budget.per === 'day') return this.#budgets.today({ principal: this.#principal, rule });
    let counter = this.#session.get(rule);
    if (counter === undefined) {
      counter = new Counter();
      this.#session.set(rule, counter);
    }
    return counter;
  }
}
