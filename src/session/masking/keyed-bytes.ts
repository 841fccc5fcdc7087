// A stream of bytes that a value, the gateway's key and a purpose determine, and that nobody without the key can tell from
// random ones: keyed BLAKE3, 128-bit security. Each purpose has keys of its own (HMAC-SHA-256 of its name under the
// gateway's), so that one use of that key tells nothing about another.

import { createHmac } from 'node:crypto';
import { Blake3, CHUNK } from './blake3.ts';

export class KeyedBytes {
  /** Of values of up to 1,024 bytes. */
  readonly #short: Blake3;
  /** Of the HMAC-SHA-256 of longer ones. */
  readonly #long: Blake3;
  readonly #digest: Uint8Array;
  #current: Blake3;

  /** `key`: of any length, 32 random bytes are meant. */
  constructor(key: Uint8Array, purpose: string) {
    const derive = (name: string) => createHmac('sha256', key).update(name).digest();
    this.#short = new Blake3(derive(purpose));
    this.#long = new Blake3(derive(`${purpose}\0long`));
    this.#digest = derive(`${purpose}\0digest`);
    this.#current = this.#short;
  }

  /** The first 64 bytes of the stream of the value in `from`‥`to` of `bytes`; good until the next call. */
  begin(bytes: Uint8Array, from = 0, to = bytes.length): Uint8Array {
    if (to - from <= CHUNK) {
      this.#short.begin(bytes, from, to);
      this.#current = this.#short;
    } else {
      const digest = createHmac('sha256', this.#digest).update(bytes.subarray(from, to)).digest();
      this.#long.begin(digest, 0, digest.length);
      this.#current = this.#long;
    }
    return this.#current.output;
  }

  /** The next 64 bytes, in the same place. */
  more(): void {
    this.#current.more();
  }
}
