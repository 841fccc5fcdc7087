// What goes through one open file: counted against budgets before it goes on, digested, and kept for the record up to a limit.
// Refuses to know: packets, who asked for it.

import { createHash, type Hash } from 'node:crypto';
import type { OperationId, Refusal, Session } from '../../contract.ts';

export class Transfer {
  readonly operation: OperationId;
  readonly #session: Session;
  readonly #hash: Hash = createHash('sha256');
  /** How many bytes of it the record still keeps. */
  #keep: number;
  #bytes = 0;
  /** Where the next byte has to be for the digest to be that of the whole. */
  #next = 0n;
  #whole = true;
  #cut: Refusal | undefined;

  constructor(session: Session, operation: OperationId, keep: number) {
    this.#session = session;
    this.operation = operation;
    this.#keep = keep;
  }

  /** Why nothing more of it goes through. */
  get cut(): Refusal | undefined {
    return this.#cut;
  }

  /** Its time is up. */
  end(refusal: Refusal): void {
    this.#cut ??= refusal;
  }

  /** Bytes that are about to go on; a refusal: they may not. */
  pass(offset: bigint, bytes: Buffer, direction: 'in' | 'out'): Refusal | undefined {
    this.#cut ??= this.#session.spend?.(this.operation, 0, bytes.length);
    if (this.#cut !== undefined) return this.#cut;
    this.#bytes += bytes.length;
    if (offset !== this.#next) this.#whole = false;
    if (!this.#whole) return undefined;
    this.#hash.update(bytes);
    this.#next += BigInt(bytes.length);
    if (this.#keep > 0) {
      const kept = Buffer.from(bytes.subarray(0, this.#keep));
      this.#keep -= kept.length;
      this.#session.data?.(this.operation, direction, kept);
    }
    return undefined;
  }

  closed(outcome: 'ok' | 'unknown'): void {
    const bytes = this.#bytes;
    // A digest is of the file only when it went through from its beginning, in order.
    const digest = this.#whole && bytes > 0 && this.#cut === undefined;
    const tag = this.#cut !== undefined ? 'cut' : digest ? `sha256 ${this.#hash.digest('hex')}` : outcome;
    this.#session.result(this.operation, { part: 0, status: this.#cut === undefined ? outcome : 'error', bytes, tag });
    this.#session.over?.(this.operation);
  }
}
