// Reads the fields of one message that is wholly here, and never behind its end.
// Refuses to know: which message it is.

import { type HoopctlError, peerError } from '../../core/errors.ts';

/** Bytes. */
const SHORT = 12;

export class Reader {
  readonly #buffer: Buffer;
  readonly #end: number;
  readonly #what: string;
  #at: number;

  /** Fields of `buffer` from `start` to `end`; `what` names the message in errors (protocol_violation). */
  constructor(buffer: Buffer, start: number, end: number, what: string) {
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
    this.#what = what;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  /** Where the next field begins, in the buffer. */
  get at(): number {
    return this.#at;
  }

  uint8(): number {
    return this.#buffer[this.#take(1)]!;
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#take(2));
  }

  uint16(): number {
    return this.#buffer.readUInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#take(4));
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }

  /** So many bytes of UTF-8. */
  utf8(length: number): string {
    const at = this.#take(length);
    const end = at + length;
    if (length > SHORT) return this.#buffer.toString('utf8', at, end);
    // A number mostly: asking the system for its characters costs more than they.
    let text = '';
    for (let next = at; next < end; next++) {
      const byte = this.#buffer[next]!;
      if (byte > 0x7f) return this.#buffer.toString('utf8', at, end);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  rest(): Buffer {
    return this.bytes(this.left);
  }

  /** Bytes up to a NUL, which is skipped. */
  zeroTerminated(): Buffer {
    const zero = this.#buffer.indexOf(0, this.#at);
    if (zero < 0 || zero >= this.#end) throw this.wrong('a string has no terminator');
    const bytes = this.#buffer.subarray(this.#at, zero);
    this.#at = zero + 1;
    return bytes;
  }

  string(): string {
    const bytes = this.zeroTerminated();
    return bytes.length === 0 ? '' : bytes.toString();
  }

  /** Nothing may be left: a message with a tail is malformed. */
  done(): void {
    if (this.#at !== this.#end) throw this.wrong(`${this.left} bytes are left over`);
  }

  #take(length: number): number {
    const at = this.#at;
    if (length < 0 || length > this.#end - at) throw this.wrong(`${length} bytes wanted, ${this.#end - at} left`);
    this.#at = at + length;
    return at;
  }

  /** The error of this message, for what only its decoder can see. */
  wrong(why: string): HoopctlError {
    return peerError('protocol_violation', `${this.#what} is malformed: ${why}`);
  }
}
