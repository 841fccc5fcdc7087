// The rows of a result that are sent and not kept: how many, and a digest of their bytes, so that whoever has them can prove
// that they are what was sent. Refuses to know: what a row is.

import { createHash, type Hash } from 'node:crypto';

/** Small pieces are gathered: a call of the hash costs more than hashing them. */
const GATHERED = 16 * 1024;

export class Rest {
  rows = 0;
  bytes = 0;
  readonly #hash: Hash = createHash('sha256');
  #gathered: Buffer | undefined;
  #length = 0;

  /** `bytes` is not kept after the call. */
  add(bytes: Uint8Array, rows: number): void {
    this.rows += rows;
    this.bytes += bytes.length;
    if (this.#length + bytes.length > GATHERED) this.#flush();
    if (bytes.length > GATHERED / 4) {
      this.#flush();
      this.#hash.update(bytes);
      return;
    }
    this.#gathered ??= Buffer.allocUnsafeSlow(GATHERED);
    this.#gathered.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Once, at the end. */
  get fields(): { readonly rows: number; readonly bytes: number; readonly sha256: string } {
    this.#flush();
    return { rows: this.rows, bytes: this.bytes, sha256: this.#hash.digest('hex') };
  }

  #flush(): void {
    if (this.#length > 0) this.#hash.update(this.#gathered!.subarray(0, this.#length));
    this.#length = 0;
  }
}
