// When lines are written that nothing waits for: soon; and those of several sessions in one turn of the event loop.
// One for the process; refuses to know what is written.

export interface Flushable {
  /** Writes what is buffered, then runs what waited for it. Never throws. */
  flush(): void;
  /** The same, when `lazy` was asked for: it may be asked for again from now on. */
  overdue(): void;
}

/** How long an outcome may stay in memory when no intent follows, in ms. A kill of the process loses no more than this. */
const LAZY_MS = 50;

/** Sessions at work from which on they are worth a turn's wait for one another. */
const MANY = 3;

export class FlushScheduler {
  #lazy = new Set<Flushable>();
  #timer: NodeJS.Timeout | undefined;
  #turn = new Set<Flushable>();

  /** Whether several sessions write, as it was a moment ago. */
  get busy(): boolean {
    return this.#lazy.size >= MANY;
  }

  /** Flush it when everything that has come in this turn of the event loop was looked at. */
  together(flushable: Flushable): void {
    this.#turn.add(flushable);
    if (this.#turn.size > 1) return;
    setImmediate(() => {
      const due = this.#turn;
      this.#turn = new Set();
      for (const one of due) one.flush();
    });
  }

  /** `overdue` within 50 ms. */
  lazy(flushable: Flushable): void {
    this.#lazy.add(flushable);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const due = this.#lazy;
      this.#lazy = new Set();
      for (const one of due) one.overdue();
    }, LAZY_MS);
  }

  /** It is gone. */
  forget(flushable: Flushable): void {
    this.#lazy.delete(flushable);
    this.#turn.delete(flushable);
    if (this.#lazy.size === 0 && this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }
}
