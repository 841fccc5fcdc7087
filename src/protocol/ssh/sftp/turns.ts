// Requests one after the other: those behind one that is held wait, and so do all while the client does not take its answers.
// So many as a window has room for may wait; they are not done in one go, as others want to be served too.
// Refuses to know: what a request is.

import { Waiting } from './waiting.ts';

/** Requests that are done before others of the gateway have their turn. */
const A_TURN = 256;

export interface TurnsOptions {
  /** The buffer is the callee's only until it returns. */
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
  readonly #waiting = new Waiting();
  #held = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Takes it, or keeps a copy for later. */
  add(request: Buffer): void {
    if (this.#stopped()) this.#waiting.add(request);
    else this.#options.take(request);
  }

  /** What comes from now on waits for `go`. */
  hold(): void {
    this.#held = true;
  }

  /** What waited comes now, up to the next that has to. */
  go(): void {
    this.#held = false;
    let left = A_TURN;
    while (!this.#waiting.empty && !this.#stopped()) {
      if (left-- > 0) this.#options.take(this.#waiting.take()!);
      else {
        this.#held = true;
        this.#options.later(() => this.go());
      }
    }
    if (this.over) this.#options.done();
  }

  /** Nothing waits, and nothing is held. */
  get over(): boolean {
    return !this.#held && this.#waiting.empty;
  }

  /** Nothing that waits is taken any more. */
  end(): void {
    this.#waiting.clear();
  }

  #stopped(): boolean {
    this.#held ||= this.#options.full(() => this.go());
    return this.#held;
  }
}
