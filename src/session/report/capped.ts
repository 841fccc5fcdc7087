// So many of something and no more, with the number of all: what keeps a report small however much there is.

export class Capped<T> {
  readonly kept: T[] = [];
  readonly #max: number;
  total = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether it was kept. */
  add(make: () => T): boolean {
    this.total += 1;
    if (this.kept.length >= this.#max) return false;
    this.kept.push(make());
    return true;
  }
}

/** Counts by key; keys beyond the most that are told apart are counted together. */
export class Counts {
  readonly all = new Map<string, number>();
  readonly #max: number;
  others = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(key: string, count = 1): void {
    const before = this.all.get(key);
    if (before === undefined && this.all.size >= this.#max) this.others += count;
    else this.all.set(key, (before ?? 0) + count);
  }

  /** Most first, then by name. */
  sorted(): [string, number][] {
    return [...this.all].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  }
}
