// COPY in binary format (COPY, "Binary Format"): a signature, flags, an extension; then rows like those of DataRow;
// a count of -1 ends them.

import { CopyRows, malformedCopy } from './copy-rows.ts';
import { putValue } from './data-row.ts';
import { JSONB } from './types.ts';
import { maskBinary, UNCHANGED } from './values.ts';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** Signature, flags, length of the extension. */
const HEADER = SIGNATURE.length + 8;

export class BinaryRows extends CopyRows {
  #began = false;
  #ended = false;

  protected override rowEnd(buffer: Buffer, from: number): number {
    if (!this.#began) {
      if (buffer.length - from < HEADER) return -1;
      const end = from + HEADER + buffer.readUInt32BE(from + HEADER - 4);
      return end > buffer.length ? -1 : end;
    }
    if (this.#ended) throw malformedCopy('it goes on after its end');
    if (buffer.length - from < 2) return -1;
    const count = buffer.readInt16BE(from);
    let at = from + 2;
    for (let i = 0; i < count; i++) {
      if (at + 4 > buffer.length) return -1;
      at += 4 + Math.max(buffer.readInt32BE(at), 0);
    }
    return at > buffer.length ? -1 : at;
  }

  protected override row(buffer: Buffer, from: number, to: number): void {
    const { slab } = this.task;
    if (!this.#began) {
      this.#began = true;
      if (buffer.compare(SIGNATURE, 0, SIGNATURE.length, from, from + SIGNATURE.length) !== 0) {
        throw malformedCopy('it has not the signature of the binary format');
      }
      slab.copy(buffer, from, to);
      return;
    }
    const count = buffer.readInt16BE(from);
    if (count === -1) {
      this.#ended = true;
      slab.copy(buffer, from, to);
      return;
    }
    this.checkCount(count);
    this.#values(buffer, from, to);
  }

  #values(buffer: Buffer, from: number, to: number): void {
    const { masks, types, slab } = this.task;
    const record = this.task.sink();
    const values: (string | null)[] | undefined = record === undefined ? undefined : [];
    let copied = from;
    let at = from + 2;
    for (let i = 0; i < masks.length; i++) {
      const size = buffer.readInt32BE(at);
      const start = at + 4;
      at = start + Math.max(size, 0);
      const mask = masks[i]!;
      const type = types[i]!;
      // Without a type it is not known what the bytes are: nothing can be put in their place.
      const known = type.typeOid === 0 ? { ...type, shape: 'none' as const } : type;
      const masked = mask === null || size < 0 ? UNCHANGED : maskBinary(buffer, start, at, mask, known);
      if (masked !== UNCHANGED) {
        slab.copy(buffer, copied, start - 4);
        putValue(slab, masked, type.typeOid === JSONB);
        copied = at;
      }
      if (masked === UNCHANGED) values?.push(size < 0 ? null : `\\x${buffer.toString('hex', start, at)}`);
      else values?.push(masked === null ? null : `\\x${Buffer.from(masked).toString('hex')}`);
    }
    slab.copy(buffer, copied, to);
    if (values !== undefined) record?.(values);
  }
}
