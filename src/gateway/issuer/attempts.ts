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
/** A key without a failure for this long starts anew. */
const FORGET_MS = 3_600_000;

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
    if (failed === undefined || failed.count < free) return 0;
    const pause = Math.min(1000 * 2 ** Math.min(failed.count - free, 30), maxPauseMs);
    return Math.max(0, failed.at + pause - clock.now());
  }

  failed(key: string): void {
    const now = this.#options.clock.now();
    const before = this.#failures.get(key);
    this.#failures.delete(key);
    const count = before === undefined || now - before.at > FORGET_MS ? 1 : before.count + 1;
    this.#failures.set(key, { count, at: now });
    if (this.#failures.size > MAX_KEYS) this.#failures.delete(this.#failures.keys().next().value!);
  }

  succeeded(key: string): void {
    this.#failures.delete(key);
  }
}
