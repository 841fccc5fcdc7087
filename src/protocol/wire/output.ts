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

  /** Everything added since the last `take`, as one buffer; undefined when there is nothing. */
  take(): Buffer | undefined {
    if (this.length === 0) return undefined;
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

  #close(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#buffer = undefined;
    const whole = this.#start === 0 && this.#end === buffer.length;
    this.#pieces.push(whole ? buffer : buffer.subarray(this.#start, this.#end));
  }
}
