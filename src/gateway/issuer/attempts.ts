// Slows down whoever guesses: each failure after the first few doubles the time in which further tries are refused.

import type { Clock } from '../../core/clock.ts';

export interface AttemptsOptions {
  readonly clock: Clock;
  /** Failures that cost nothing. */
  readonly free: number;
  /** The longest pause, in ms. */
  readonly maxPauseMs: number;
}

/** Keys kept at most; the oldest go first. */
const MAX_KEYS = 10_000;
/** In so long as many failures as cost nothing are worked off: what an office mistypes in a day does not add up. */
const FORGET_MS = 3_600_000;
/** Failures beyond the free ones that are counted: the pause does not grow any more, and has to be worked off some time. */
const MAX_COUNTED = 20;

/** Counts failures by key: a user's name, an address. In memory: a restart forgives, which a guesser cannot cause. */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #failures = new Map<string, { count: number; at: number }>();

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** Milliseconds to wait before the next try; 0 when it may be now. */
  pause(key: string): number {
    const { clock, free, maxPauseMs } = this.#options;
    const failed = this.#failures.get(key);
    const count = Math.ceil(failed?.count ?? 0);
    if (failed === undefined || count < free) return 0;
    const pause = Math.min(1000 * 2 ** (count - free), maxPauseMs);
    return Math.max(0, failed.at + pause - clock.now());
  }

  failed(key: string): void {
    const { clock, free } = this.#options;
    const now = clock.now();
    const before = this.#failures.get(key);
    this.#failures.delete(key);
    const left = before === undefined ? 0 : Math.max(0, before.count - ((now - before.at) * free) / FORGET_MS);
    this.#failures.set(key, { count: Math.min(left + 1, free + MAX_COUNTED), at: now });
    if (this.#failures.size > MAX_KEYS) this.#failures.delete(this.#failures.keys().next().value!);
  }

  /** All is forgiven: the key is somebody's own. */
  succeeded(key: string): void {
    this.#failures.delete(key);
  }

  /** The last one was none. What came before is another's, or of somebody who has a password of their own beside it. */
  takeBack(key: string): void {
    const failed = this.#failures.get(key);
    if (failed !== undefined) this.#failures.set(key, { ...failed, count: failed.count - 1 });
  }
}
