// Lets one of many alike pass in a while and counts the others, which the next one tells.

const MAX_KEYS = 10_000;

export class Throttle {
  readonly #everyMs: number;
  readonly #keys = new Map<string, { at: number; leftOut: number }>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** How many were left out since the last; undefined: leave this one out too. */
  pass(key: string, now: number): number | undefined {
    const known = this.#keys.get(key);
    // A clock that was set back would leave out everything for as long.
    if (known !== undefined && now >= known.at && now - known.at < this.#everyMs) {
      known.leftOut += 1;
      return undefined;
    }
    if (known === undefined && this.#keys.size >= MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value!);
    this.#keys.set(key, { at: now, leftOut: 0 });
    return known?.leftOut ?? 0;
  }
}
