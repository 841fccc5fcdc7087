// So many a minute for one address and no more: what anybody may ask of the issuer is kept in the store for a while.
// Refuses to know: what is asked.

import type { Clock } from '../../core/clock.ts';

const MINUTE_MS = 60_000;
/** Addresses kept at most; the oldest go first. */
const MAX_KEYS = 10_000;

export class Rate {
  readonly #clock: Clock;
  readonly #perMinute: () => number;
  /** When the last one will have been worked off, at an even pace. */
  readonly #due = new Map<string, number>();

  constructor(clock: Clock, perMinute: () => number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** Milliseconds until it may be tried again; 0: it may be now, and counts. */
  take(key: string): number {
    const now = this.#clock.now();
    const step = MINUTE_MS / Math.max(1, this.#perMinute());
    const due = Math.max(this.#due.get(key) ?? 0, now) + step;
    const wait = due - now - MINUTE_MS;
    if (wait > 0) return wait;
    this.#due.delete(key);
    this.#due.set(key, due);
    if (this.#due.size > MAX_KEYS) this.#due.delete(this.#due.keys().next().value!);
    return 0;
  }
}
