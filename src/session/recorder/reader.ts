// Bytes of a recording → lines. Bounded, tells where each line stands, judges nothing (verify.ts does).

import { StringDecoder } from 'node:string_decoder';
import { fixedLimit } from '../../core/limits.ts';

/** The longest line that a reader takes: a statement of the largest message with its escapes. */
export const RECORDING_LINE_BYTES = fixedLimit('recording_line_bytes', 'bytes', 256 * 1024 * 1024);

export interface RawLine {
  /** Without the newline. Valid until the next `push`. */
  readonly bytes: Buffer;
  /** From 1. */
  readonly number: number;
  /** Of the line's first byte in the file. */
  readonly offset: number;
  /** Whether a newline ended it; false only for what stands after the last newline. */
  readonly whole: boolean;
}

/** A line as an object. Every line has these; the rest depends on its kind (FORMAT.md). */
export interface Line {
  readonly seq: number;
  /** ISO 8601 UTC. */
  readonly at: string;
  readonly kind: string;
  readonly prev: string;
  readonly [field: string]: unknown;
}

/** Cuts chunks at newlines. A line is copied only where it spans chunks. */
export class LineSplitter {
  #rest: Buffer[] = [];
  #restBytes = 0;
  #number = 1;
  #offset = 0;
  readonly #maxBytes: number;
  /** Set once a line is longer than the bound; nothing is read after that. */
  tooLong: RawLine | undefined;

  constructor(maxBytes: number = RECORDING_LINE_BYTES.value) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Uint8Array): RawLine[] {
    const lines: RawLine[] = [];
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    if (this.tooLong !== undefined) return lines;
    for (;;) {
      const end = bytes.indexOf(10, start);
      if (end < 0) break;
      lines.push(this.#take(bytes.subarray(start, end), true));
      start = end + 1;
    }
    if (start < bytes.length) {
      // Copied: the source may use its chunk again.
      this.#rest.push(Buffer.from(bytes.subarray(start)));
      this.#restBytes += bytes.length - start;
    }
    if (this.#restBytes > this.#maxBytes) {
      this.tooLong = { bytes: Buffer.alloc(0), number: this.#number, offset: this.#offset, whole: false };
      this.#rest = [];
      this.#restBytes = 0;
    }
    return lines;
  }

  /** What stands after the last newline; undefined when the file ended with one. */
  finish(): RawLine | undefined {
    return this.#restBytes === 0 ? undefined : this.#take(Buffer.alloc(0), false);
  }

  #take(tail: Buffer, whole: boolean): RawLine {
    const bytes = this.#restBytes === 0 ? tail : Buffer.concat([...this.#rest, tail]);
    this.#rest = [];
    this.#restBytes = 0;
    const line = { bytes, number: this.#number, offset: this.#offset, whole };
    this.#number += 1;
    this.#offset += bytes.length + (whole ? 1 : 0);
    return line;
  }
}

/** A line's bytes as an object; undefined when they are no line of ours. */
export function parseLine(bytes: Uint8Array): Line | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { seq, at, kind, prev } = value as Record<string, unknown>;
  if (!Number.isSafeInteger(seq) || typeof at !== 'string' || typeof kind !== 'string') return undefined;
  return typeof prev === 'string' && /^[0-9a-f]{64}$/.test(prev) ? (value as Line) : undefined;
}

/** Every readable line in order; what is not a line is skipped. For showing; `verify` is for trusting. */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  const splitter = new LineSplitter();
  for await (const chunk of source) {
    for (const raw of splitter.push(chunk)) {
      const line = parseLine(raw.bytes);
      if (line !== undefined) yield line;
    }
  }
}

/** Bytes as a source for the functions here. */
export async function* sourceOf(bytes: Uint8Array | string): AsyncGenerator<Uint8Array> {
  yield typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
}

/** Text of bytes that may be cut inside a character, for messages. */
export function preview(bytes: Uint8Array, max = 60): string {
  const text = new StringDecoder('utf8').write(Buffer.from(bytes.subarray(0, max)));
  return bytes.length > max ? `${text}…` : text;
}
