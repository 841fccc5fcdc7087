// Bytes on their way out during one turn: adjacent slices of one buffer stay one slice, and all of it leaves as one
// write. Refuses to know: where the bytes go.

export class Output {
  #pieces: Buffer[] = [];
  #buffer: Buffer | undefined;
  #start = 0;
  #end = 0;
  /** Bytes held. */
  length = 0;

  /** Adds `start`‥`end` of `buffer` as it is; a slice that continues the last one costs nothing. */
  slice(buffer: Buffer, start: number, end: number): void {
    this.length += end - start;
    if (buffer === this.#buffer && start === this.#end) {
      this.#end = end;
      return;
    }
    this.#close();
    this.#buffer = buffer;
    this.#start = start;
    this.#end = end;
  }

  add(bytes: Buffer): void {
    if (bytes.length > 0) this.slice(bytes, 0, bytes.length);
  }

  /** Everything added since the last `take`, or its first `limit` bytes, as one buffer; undefined when that is nothing. */
  take(limit = this.length): Buffer | undefined {
    if (this.length === 0 || limit <= 0) return undefined;
    if (limit < this.length) return this.#first(limit);
    const only = this.#pieces.length === 0;
    this.#close();
    this.length = 0;
    const pieces = this.#pieces;
    if (only) return pieces.pop();
    this.#pieces = [];
    return Buffer.concat(pieces);
  }

  /** Forgets everything added since the last `take`. */
  clear(): void {
    this.#pieces = [];
    this.#buffer = undefined;
    this.length = 0;
  }

  #first(limit: number): Buffer {
    this.#close();
    const taken: Buffer[] = [];
    const rest: Buffer[] = [];
    let left = limit;
    for (const piece of this.#pieces) {
      if (left > 0) taken.push(piece.subarray(0, left));
      if (piece.length > left) rest.push(piece.subarray(left));
      left = Math.max(0, left - piece.length);
    }
    this.#pieces = rest;
    this.length -= limit;
    return Buffer.concat(taken);
  }

  #close(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#buffer = undefined;
    const whole = this.#start === 0 && this.#end === buffer.length;
    this.#pieces.push(whole ? buffer : buffer.subarray(this.#start, this.#end));
  }
}
