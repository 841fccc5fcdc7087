// What a name means to the server: prepared statements, or portals. Requests are pipelined, so a definition is pending
// until the server has answered it, and fails together with everything behind it up to Sync.
// Refuses to know: what is named.

/** The answer when the server has to be waited for: another batch's definition of the name is not answered yet. */
export const AMBIGUOUS = Symbol('ambiguous');

interface Pending<T> {
  readonly value: T | undefined;
  readonly batch: number;
  readonly token: object;
}

export class Names<T> {
  readonly known = new Map<string, T>();
  readonly #pending = new Map<string, Pending<T>>();

  /**
   * A definition (or removal: undefined) was sent. `batch` counts Syncs; `token` is its request.
   */
  send(name: string, value: T | undefined, batch: number, token: object): void {
    this.#pending.set(name, { value, batch, token });
  }

  /**
   * The meaning of a name in a request of `batch`. INVARIANT: a pending definition of the same batch is certain: had it
   * failed, the server would ignore the request that asks.
   */
  lookup(name: string, batch: number): T | undefined | typeof AMBIGUOUS {
    const pending = this.#pending.get(name);
    if (pending === undefined) return this.known.get(name);
    return pending.batch === batch ? pending.value : AMBIGUOUS;
  }

  /** The server did it. */
  confirm(name: string, value: T | undefined, token: object): void {
    this.#settle(name, token);
    if (value === undefined) this.known.delete(name);
    else this.known.set(name, value);
  }

  /** The server failed or ignored it. */
  drop(name: string, token: object): void {
    this.#settle(name, token);
  }

  get size(): number {
    return this.known.size + this.#pending.size;
  }

  #settle(name: string, token: object): void {
    if (this.#pending.get(name)?.token === token) this.#pending.delete(name);
  }
}
