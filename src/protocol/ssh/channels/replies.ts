// Replies have to come in the order of their requests (RFC 4254 §4, §5.4): some are ours, some come from the other side.

import { type Limit, limitExceeded } from '../../../core/limits.ts';

export class Replies {
  readonly #most: Limit;
  readonly #send: (success: boolean, payload: Buffer | undefined) => void;
  /** A verdict of ours, or undefined: the other side's. */
  readonly #due: (boolean | undefined)[] = [];

  /** `most`: of those that are due. */
  constructor(most: Limit, send: (success: boolean, payload: Buffer | undefined) => void) {
    this.#most = most;
    this.#send = send;
  }

  /** We answer this one. Throws limit_exceeded. */
  own(success: boolean): void {
    this.#add(success);
    this.#flush();
  }

  /** The other side will. Throws limit_exceeded. */
  awaited(): void {
    this.#add(undefined);
  }

  /** The other side did; false when nothing was asked of it. */
  came(success: boolean, payload?: Buffer): boolean {
    if (this.#due.length === 0) return false;
    this.#due.shift();
    this.#send(success, payload);
    this.#flush();
    return true;
  }

  #add(verdict: boolean | undefined): void {
    if (this.#due.length >= this.#most.value) throw limitExceeded(this.#most, this.#due.length + 1);
    this.#due.push(verdict);
  }

  #flush(): void {
    while (this.#due.length > 0 && this.#due[0] !== undefined) this.#send(this.#due.shift()!, undefined);
  }
}
