// Writes the fields of one message into a buffer that grows. Big-endian, as the protocols here are.
// Refuses to know: which message it is.

export class Writer {
  #buffer: Buffer;
  #at = 0;

  constructor(capacity = 128) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#at;
  }

  uint8(value: number): this {
    const at = this.#room(1);
    this.#buffer[at] = value;
    return this;
  }

  int16(value: number): this {
    const at = this.#room(2);
    this.#buffer.writeInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#room(4);
    this.#buffer.writeInt32BE(value, at);
    return this;
  }

  uint32(value: number): this {
    const at = this.#room(4);
    this.#buffer.writeUInt32BE(value, at);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** UTF-8 and a NUL. A NUL inside would end the string early for the reader, so it is dropped. */
  string(text: string): this {
    const clean = text.includes('\0') ? text.replaceAll('\0', '') : text;
    const length = Buffer.byteLength(clean);
    const at = this.#room(length + 1);
    this.#buffer.write(clean, at, length, 'utf8');
    this.#buffer[at + length] = 0;
    return this;
  }

  /** Overwrites four bytes at `at`: a length that is known only afterwards. */
  setInt32(at: number, value: number): this {
    this.#buffer.writeInt32BE(value, at);
    return this;
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  /** Where the next `length` bytes go. May replace the buffer: take it before the buffer is named. */
  #room(length: number): number {
    const at = this.#at;
    const need = at + length;
    if (need > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(need, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#at = need;
    return at;
  }
}
