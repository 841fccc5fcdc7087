// Requests one after the other: those behind one that is held wait, and so do all while the client does not take its answers.
// So many as a window has room for may wait; they are not done in one go, as others want to be served too.
// Refuses to know: what a request is.

/** Requests that are done before others of the gateway have their turn. */
const A_TURN = 256;

export interface TurnsOptions {
  take(request: Buffer): void;
  /** Whether no more should be taken now; `then` is called when that is over. */
  full(then: () => void): boolean;
  /** Does it soon, when others have had their turn. */
  later(action: () => void): void;
  /** Nothing waits any more. */
  done(): void;
}

export class Turns {
  readonly #options: TurnsOptions;
  /** Those that wait, from `#at` on. */
  #waiting: Buffer[] = [];
  #at = 0;
  #held = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Takes it, or keeps a copy for later. */
  add(request: Buffer): void {
    if (this.#stopped()) this.#waiting.push(Buffer.from(request));
    else this.#options.take(request);
  }

  /** What comes from now on waits for `go`. */
  hold(): void {
    this.#held = true;
  }

  /** What waited comes now, up to the next that has to. */
  go(): void {
    this.#held = false;
    const end = this.#at + A_TURN;
    while (this.#at < this.#waiting.length && !this.#stopped()) {
      if (this.#at < end) this.#options.take(this.#waiting[this.#at++]!);
      else {
        this.#held = true;
        this.#options.later(() => this.go());
      }
    }
    if (this.#at * 2 < this.#waiting.length) return;
    this.#waiting.splice(0, this.#at);
    this.#at = 0;
    if (this.over) this.#options.done();
  }

  /** Nothing waits, and nothing is held. */
  get over(): boolean {
    return !this.#held && this.#at === this.#waiting.length;
  }

  /** Nothing that waits is taken any more. */
  end(): void {
    this.#waiting = [];
    this.#at = 0;
  }

  #stopped(): boolean {
    this.#held ||= this.#options.full(() => this.go());
    return this.#held;
  }
}
