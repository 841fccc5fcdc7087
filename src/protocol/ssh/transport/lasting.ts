// Keeps ssh2's native ciphers from taking the process with them. Each is a node::ObjectWrap, and what Node 24.19 and later
// compile into one asks, when it is collected, for the context that runs; a collection that optimised code begins has none,
// and Node aborts (nodejs/node#65446). So none of them is ever left to such a collection: they are held, and let go together
// in a collection asked for from here, where there is a context.
// Refuses to know: ciphers, keys.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ourError } from '../../../core/errors.ts';

type Native = Record<string, (...args: unknown[]) => unknown>;
type Constructor = new (...args: unknown[]) => Native;

/**
 * So many are held before they are let go: 5 MB, some eight thousand conversations of two exchanges of keys each, for one
 * pause of a full collection.
 */
const MOST = 32_768;

let collect: (() => void) | undefined;

function fullCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return gc;
}

export class Lasting {
  readonly #most: number;
  /** Free of their keys, and waiting for their end. */
  #dead: Native[] = [];
  #due = false;
  /** The value that it holds is what keeps the native object: until the collector has seen that nobody uses it. */
  readonly #users = new FinalizationRegistry<Native>((native) => this.#unused(native));

  constructor(most: number = MOST) {
    this.#most = most;
  }

  get held(): number {
    return this.#dead.length;
  }

  /** Replaces every class of native objects in `binding` by one of the same methods whose instances may be collected whenever. */
  guard(binding: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(binding)) {
      if (typeof value === 'function' && typeof value.prototype?.free === 'function') {
        binding[name] = this.#user(value as Constructor);
      }
    }
  }

  #user(Original: Constructor): Constructor {
    const users = this.#users;
    class User {
      readonly native: Native;
      ended = false;
      constructor(...args: unknown[]) {
        this.native = new Original(...args);
        users.register(this, this.native);
      }
    }
    for (const name of Object.getOwnPropertyNames(Original.prototype)) {
      if (name === 'constructor') continue;
      // No method of theirs takes more.
      const method = function (this: User, a: unknown, b: unknown, c: unknown, d: unknown) {
        // They do not look: one that is used after its end reads what is no longer its own.
        if (this.ended && name !== 'free') throw ourError('internal', `a cipher was used (${name}) after its end`);
        if (name === 'free') this.ended = true;
        return this.native[name]!(a, b, c, d);
      };
      Object.defineProperty(User.prototype, name, { value: method });
    }
    return User as unknown as Constructor;
  }

  #unused(native: Native): void {
    native.free!();
    this.#dead.push(native);
    if (this.#dead.length < this.#most || this.#due) return;
    this.#due = true;
    // A turn of its own: nothing on the stack refers to the last of them.
    setImmediate(() => this.#letGo());
  }

  #letGo(): void {
    this.#due = false;
    collect ??= fullCollection();
    // Nothing is allocated in between.
    this.#dead.length = 0;
    collect();
  }
}
