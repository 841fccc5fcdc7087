// What a name means to the server: prepared statements, or portals. Requests are pipelined, so a definition is pending
// until the server has answered it, and fails together with everything behind it up to Sync.
// Refuses to know: what is named.

/** NAMEDATALEN - 1: the server keeps so many bytes of a name, and takes longer ones that begin alike for one. */
const NAME_BYTES = 63;
const SHORT = /^[ -~]{0,63}$/;

/** What the server knows a name by. */
function keyOf(name: string): string {
  return SHORT.test(name) ? name : Buffer.from(name).toString('latin1', 0, NAME_BYTES);
}

/** The answer when the server has to be waited for: another batch's definition of the name is not answered yet. */
export const AMBIGUOUS = Symbol('ambiguous');

interface Pending<T> {
  readonly value: T | undefined;
  readonly batch: number;
  readonly token: object;
}

export class Names<T extends { size?: number }> {
  readonly #known = new Map<string, T>();
  readonly #pending = new Map<string, Pending<T>>();
  /** Of all that is known. What is pending is the queue's as well. */
  bytes = 0;

  /**
   * A definition (or removal: undefined) was sent. `batch` counts Syncs; `token` is its request.
   */
  send(name: string, value: T | undefined, batch: number, token: object): void {
    this.#pending.set(keyOf(name), { value, batch, token });
  }

  /**
   * The meaning of a name in a request of `batch`. INVARIANT: a pending definition of the same batch is certain: had it
   * failed, the server would ignore the request that asks.
   */
  lookup(name: string, batch: number): T | undefined | typeof AMBIGUOUS {
    const pending = this.#pending.get(keyOf(name));
    if (pending === undefined) return this.get(name);
    return pending.batch === batch ? pending.value : AMBIGUOUS;
  }

  /** The server did it. */
  confirm(name: string, value: T | undefined, token: object): void {
    this.#settle(name, token);
    this.set(name, value);
  }

  /** The server failed or ignored it. */
  drop(name: string, token: object): void {
    this.#settle(name, token);
  }

  /** What the server is known to have under a name. */
  get(name: string): T | undefined {
    return this.#known.get(keyOf(name));
  }

  /** Undefined: it has nothing of that name any more. */
  set(name: string, value: T | undefined): void {
    const key = keyOf(name);
    this.bytes += (value?.size ?? 0) - (this.#known.get(key)?.size ?? 0);
    if (value === undefined) this.#known.delete(key);
    else this.#known.set(key, value);
  }

  /** More is kept of a value than what came with its definition. */
  grow(name: string, value: T, bytes: number): void {
    value.size = (value.size ?? 0) + bytes;
    if (this.get(name) === value) this.bytes += bytes;
  }

  /** Undefined: all of them. */
  forget(name: string | undefined): void {
    if (name === undefined) {
      this.#known.clear();
      this.bytes = 0;
    } else this.set(name, undefined);
  }

  /** Takes out what is gone. */
  remove(isGone: (value: T) => boolean): void {
    for (const [key, value] of this.#known) {
      if (!isGone(value)) continue;
      this.#known.delete(key);
      this.bytes -= value.size ?? 0;
    }
  }

  /** A definition or removal of the name was sent and is not answered yet. */
  awaits(name: string): boolean {
    return this.#pending.has(keyOf(name));
  }

  get size(): number {
    return this.#known.size + this.#pending.size;
  }

  #settle(name: string, token: object): void {
    const key = keyOf(name);
    if (this.#pending.get(key)?.token === token) this.#pending.delete(key);
  }
}
