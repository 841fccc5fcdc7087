// Where rewritten rows are put together: pieces of old rows and new values, one after the other in big blocks.

const BLOCK = 128 * 1024;

export function putInt32(out: Buffer, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}

export function copyBytes(source: Buffer, from: number, to: number, out: Buffer, at: number): void {
  if (to - from > 48) source.copy(out, at, from, to);
  // A call into the runtime costs more than a few bytes.
  else for (let i = from, n = at; i < to; i++) out[n++] = source[i]!;
}

export class Slab {
  #buffer = Buffer.allocUnsafeSlow(BLOCK);
  #start = 0;
  #end = 0;

  /** Length of what has been put together since the last `take` or `drop`. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Where `end` is: good until something is put into it. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Where in the buffer what is in the making ends; after it there is room for so many bytes. */
  end(most: number): number {
    this.#room(most);
    return this.#end;
  }

  /** So many bytes have been written there. */
  grown(bytes: number): void {
    this.#end += bytes;
  }

  #room(bytes: number): void {
    if (this.#buffer.length - this.#end >= bytes) return;
    const kept = this.#end - this.#start;
    // What was taken keeps its block; what is in the making moves to the new one.
    const next = Buffer.allocUnsafeSlow(Math.max(BLOCK, 2 * (kept + bytes)));
    this.#buffer.copy(next, 0, this.#start, this.#end);
    this.#buffer = next;
    this.#start = 0;
    this.#end = kept;
  }

  copy(source: Buffer, from: number, to: number): void {
    const length = to - from;
    this.#room(length);
    copyBytes(source, from, to, this.#buffer, this.#end);
    this.#end += length;
  }

  /** Writes UTF-8; answers the number of bytes. */
  text(value: string): number {
    this.#room(value.length * 3);
    const written = this.#ascii(value);
    const bytes = written < 0 ? this.#buffer.write(value, this.#end, 'utf8') : written;
    this.#end += bytes;
    return bytes;
  }

  /** Short ASCII without a call into the runtime; -1 when it is not that. */
  #ascii(value: string): number {
    const { length } = value;
    if (length > 32) return -1;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) return -1;
      this.#buffer[this.#end + i] = code;
    }
    return length;
  }

  byte(value: number): void {
    this.#room(1);
    this.#buffer[this.#end++] = value;
  }

  int32(value: number): void {
    this.#room(4);
    putInt32(this.#buffer, this.#end, value);
    this.#end += 4;
  }

  /** Overwrites four bytes at an offset from the beginning of what is in the making. */
  int32At(offset: number, value: number): void {
    putInt32(this.#buffer, this.#start + offset, value);
  }

  /** What was put together; it belongs to the caller. */
  take(): Buffer {
    const taken = this.#buffer.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return taken;
  }

  /** Forgets what was put together. */
  drop(): void {
    this.#end = this.#start;
  }
}
