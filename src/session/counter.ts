// One counter of a budget: what was used, which values were seen (as hashes), what runs now. Pure but for its state.
// Refuses to know: whose it is, where it is kept.

import { formatDuration } from '../core/clock.ts';
import type { Budget } from './policy/types.ts';

export interface Use {
  readonly rows: number;
  readonly bytes: number;
  readonly statements: number;
  readonly timeMs: number;
}

const NOTHING: Use = { rows: 0, bytes: 0, statements: 0, timeMs: 0 };

type Mutable = { -readonly [K in keyof Use]: Use[K] };

/** Something that runs and whose time counts. */
export interface Running {
  /** ms since the epoch. */
  readonly since: number;
}

export class Counter {
  /** By others and by us, as far as the store has told. */
  #stored: Use = NOTHING;
  /** By us, and not sent yet. */
  #own: Mutable = { ...NOTHING };
  #values: Set<string> | undefined;
  #fresh: string[] = [];
  readonly #running = new Set<Running>();
  /** How many of the values are in the store, as far as it has told. */
  storedValues = 0;

  add(use: Partial<Use>): void {
    for (const [what, amount] of Object.entries(use)) this.#own[what as keyof Use] += amount;
  }

  /** The hash of a value that was seen. At most one more than `max` is remembered: by then nothing is left. */
  saw(hash: string, max: number): void {
    this.#values ??= new Set();
    if (this.#values.size > max || this.#values.has(hash)) return;
    this.#values.add(hash);
    this.#fresh.push(hash);
  }

  begin(running: Running): void {
    this.#running.add(running);
  }

  end(running: Running, now: number): void {
    if (this.#running.delete(running)) this.#own.timeMs += Math.max(0, now - running.since);
  }

  /** How long until a bound of time is reached while all that runs goes on. */
  timeLeft(boundMs: number, now: number): number {
    return Math.max(0, boundMs - this.#time(now)) / Math.max(1, this.#running.size);
  }

  /** Which bound is reached (`room` 0: nothing is left) or passed (`room` 1), in words. */
  over(budget: Budget, room: 0 | 1, now: number): string | undefined {
    const passed = (value: number, bound: number | undefined) => bound !== undefined && value >= bound + room;
    const sum = (what: keyof Use) => this.#stored[what] + this.#own[what];
    const { rows, bytes, statements, timeMs, distinct } = budget;
    if (passed(sum('rows'), rows)) return `${rows} rows`;
    if (passed(sum('bytes'), bytes)) return `${bytes} bytes`;
    // One that runs was let in: it is not stopped by its own number.
    if (room === 0 && passed(sum('statements'), statements)) return `${statements} statements`;
    if (distinct !== undefined && passed(this.#values?.size ?? 0, distinct.max)) {
      return `${distinct.max} distinct values of ${distinct.column}`;
    }
    if (timeMs !== undefined && this.#time(now) >= timeMs) return `${formatDuration(timeMs)} of time`;
    return undefined;
  }

  /** What is to be sent; undefined: nothing. */
  unsent(): (Use & { readonly values: readonly string[] }) | undefined {
    const own = this.#own;
    if (this.#fresh.length === 0 && Object.values(own).every((amount) => amount === 0)) return undefined;
    return { ...own, values: [...this.#fresh] };
  }

  /** The store has it, and `total` has told so. */
  sent(use: Use & { readonly values: readonly string[] }): void {
    for (const what of Object.keys(NOTHING) as (keyof Use)[]) this.#own[what] -= use[what];
    this.#fresh = this.#fresh.slice(use.values.length);
  }

  /** What everybody has used, and the values that others saw, where there are any. */
  total(
    { values, rows, bytes, statements, timeMs }: Use & { readonly values: number },
    known: readonly string[],
  ): void {
    this.#stored = { rows, bytes, statements, timeMs };
    this.storedValues = values;
    if (known.length > 0) this.#values = new Set([...(this.#values ?? []), ...known]);
  }

  #time(now: number): number {
    let time = this.#stored.timeMs + this.#own.timeMs;
    for (const { since } of this.#running) time += Math.max(0, now - since);
    return time;
  }
}
