// What goes through one open file: counted against budgets before it goes on, digested, and kept for the record up to a limit.
// Refuses to know: packets, who asked for it.

import { createHash, type Hash } from 'node:crypto';
import { type OperationId, type Refusal, type Session, shownName } from '../../contract.ts';

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
  /** What the host could not do of it, as its status. */
  #failure: number | undefined;
  #over = false;

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

  /** The host did not do a part of it, and says why. */
  failed(code: number): void {
    this.#failure ??= code;
  }

  /** Something else goes into it than what passes here: what the file of that path has. */
  mixed(from: Buffer | undefined): void {
    this.#whole = false;
    if (from !== undefined) this.#session.note('copied', { operation: this.operation, from: shownName(from) });
  }

  /** Bytes that are about to go on; a refusal: they may not. */
  pass(offset: bigint, bytes: Buffer, direction: 'in' | 'out'): Refusal | undefined {
    this.#cut ??= this.#session.spend?.(this.operation, 0, bytes.length);
    if (this.#cut !== undefined) return this.#cut;
    if (this.#over) return undefined;
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
    if (this.#over) return;
    this.#over = true;
    const bytes = this.#bytes;
    const failed = this.#cut !== undefined || this.#failure !== undefined;
    const error = this.#cut && { code: this.#cut.code, message: this.#cut.message };
    const status = failed ? 'error' : outcome;
    this.#session.result(this.operation, { part: 0, status, bytes, tag: this.#tag(outcome), ...(error && { error }) });
    this.#session.over?.(this.operation);
  }

  #tag(outcome: string): string {
    if (this.#cut !== undefined) return 'cut';
    if (this.#failure !== undefined) return `status ${this.#failure}`;
    // A digest is of the file only when it went through from its beginning, in order.
    return this.#whole && this.#bytes > 0 ? `sha256 ${this.#hash.digest('hex')}` : outcome;
  }
}
