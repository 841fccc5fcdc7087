// What one session does with a database that may have nothing of what masks are about: whether a statement is concerned, and
// whether what it does may change that. Refuses to know: how the catalogue is read, when a statement is sent.

import type { Covering } from '../../contract.ts';
import type { Covered } from '../catalogue/covered.ts';

export class Coverage {
  readonly #covered: Covered;
  /**
   * A text of the session has named something that masks are about: from then on its DDL may cover more. Undefined: it has no
   * masks, and nobody looks at what its texts name.
   */
  #touched: boolean | undefined;
  /** DDL under way does: nobody else can see yet what it has made. */
  #leads = false;

  constructor(covered: Covered) {
    this.#covered = covered;
  }

  /** @param unseen its rows are of something that was made by a text before it, which was looked at then. */
  ask(covering: Covering | undefined, text: string, unseen: boolean): boolean | Promise<boolean> {
    this.#touched ??= false;
    return this.#leads || (unseen && this.#touched) || this.#covered.ask(covering, text);
  }

  now(covering: Covering | undefined, text: string): boolean {
    return this.#leads || this.#covered.now(covering, text);
  }

  /** A text that is let through. */
  defines(covering: Covering | undefined, text: string): void {
    this.#touched ||= covering === undefined || this.#covered.touches(covering, text);
    this.#leads ||= this.#covered.leads(covering, text);
  }

  /** Whether DDL of this session may have covered more than was. */
  get mayCover(): boolean {
    return this.#touched !== false || this.#leads;
  }

  /** No DDL is under way. */
  settle(): void {
    this.#leads = false;
  }
}
