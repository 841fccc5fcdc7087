// Which sessions are sampled: those with the smallest SHA-256 of the seed, a newline and the session's id. Whoever has the
// seed and the ids can say so too (`printf 'SEED\nSESSION' | sha256sum`), and the order in which they come does not matter.

import { hash } from 'node:crypto';

export class Sample<T extends { readonly session: string }> {
  readonly #seed: string;
  readonly #size: number;
  /** Smallest first. */
  readonly #kept: { readonly rank: string; readonly one: T }[] = [];
  /** How many it was chosen from. */
  population = 0;

  constructor(seed: string, size: number) {
    this.#seed = seed;
    this.#size = size;
  }

  offer(one: T): void {
    this.population += 1;
    const rank = hash('sha256', `${this.#seed}\n${one.session}`, 'hex');
    if (this.#kept.length === this.#size && (this.#size === 0 || rank >= this.#kept.at(-1)!.rank)) return;
    let at = this.#kept.length;
    while (at > 0 && this.#kept[at - 1]!.rank > rank) at -= 1;
    this.#kept.splice(at, 0, { rank, one });
    if (this.#kept.length > this.#size) this.#kept.pop();
  }

  get chosen(): readonly T[] {
    return this.#kept.map(({ one }) => one);
  }
}
