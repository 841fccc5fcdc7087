// Replies have to come in the order of their requests (RFC 4254 §4, §5.4): some are ours, some come from the other side.

export class Replies {
  readonly #send: (success: boolean, payload: Buffer | undefined) => void;
  /** A verdict of ours, or undefined: the other side's. */
  readonly #due: (boolean | undefined)[] = [];

  constructor(send: (success: boolean, payload: Buffer | undefined) => void) {
    this.#send = send;
  }

  /** We answer this one. */
  own(success: boolean): void {
    this.#due.push(success);
    this.#flush();
  }

  /** The other side will. */
  awaited(): void {
    this.#due.push(undefined);
  }

  /** The other side did; false when nothing was asked of it. */
  came(success: boolean, payload?: Buffer): boolean {
    if (this.#due.length === 0) return false;
    this.#due.shift();
    this.#send(success, payload);
    this.#flush();
    return true;
  }

  #flush(): void {
    while (this.#due.length > 0 && this.#due[0] !== undefined) this.#send(this.#due.shift()!, undefined);
  }
}
