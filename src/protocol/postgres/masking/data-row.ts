// DataRow ("Message Formats"): 'D', int32 length, int16 count, then for each value int32 length (-1: NULL) and bytes.

import { peerError } from '../../../core/errors.ts';
import { MASK_ROOM, type Mask, Masked } from '../../contract.ts';
import type { Field } from '../analysis.ts';
import { escapes, mayEscape } from './inside.ts';
import { copyBytes, putInt32, Slab } from './slab.ts';
import { JSONB, type TypeRegistry } from './types.ts';
import { type ColumnType, looks, maskBinary, maskText, UNCHANGED, withinLengthBytes } from './values.ts';

const HEADER = 7;

interface FieldType extends ColumnType {
  readonly binary: boolean;
  readonly mayEscape: boolean;
}

function malformed(what: string): Error {
  return peerError('protocol_violation', `the target sent a row that cannot be masked: ${what}`);
}

/** Masks of the rows of one result, one after the other. */
export class DataRows {
  readonly #registry: TypeRegistry;
  readonly #slab = new Slab();
  /** Of the result whose row came last. */
  #fields: readonly Field[] | undefined;
  #version = -1;
  #types: readonly FieldType[] = [];

  constructor(registry: TypeRegistry) {
    this.#registry = registry;
  }

  #typesOf(fields: readonly Field[]): readonly FieldType[] {
    const { version } = this.#registry;
    if (fields !== this.#fields || version !== this.#version) {
      this.#types = fields.map(({ typeOid, typmod, format }) => {
        const shape = this.#registry.shape(typeOid);
        return { shape, typeOid, typmod, binary: format === 1, mayEscape: mayEscape(shape, typeOid) };
      });
      this.#fields = fields;
      this.#version = version;
    }
    return this.#types;
  }

  /** The same message with masks applied; the same buffer when nothing changed. Throws on a row that is not one. */
  mask(message: Buffer, fields: readonly Field[], masks: readonly (Mask | null)[]): Buffer {
    const { length } = message;
    if (length < HEADER) throw malformed('it is too short');
    const count = (message[5]! << 8) | message[6]!;
    if (count !== masks.length || count !== fields.length) {
      throw malformed(`it has ${count} values, ${masks.length} were described`);
    }
    const types = this.#typesOf(fields);
    const slab = this.#slab;
    slab.drop();
    /** Up to here the message has been copied. */
    let copied = 0;
    let at = HEADER;
    for (let i = 0; i < count; i++) {
      if (at + 4 > length) throw malformed('a value is missing');
      const size = (message[at]! << 24) | (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!;
      const from = at + 4;
      at = size < 0 ? from : from + size;
      if (at > length) throw malformed('a value is longer than the message');
      const mask = masks[i]!;
      if (mask === null || size < 0) continue;
      const type = types[i]!;
      if (type.shape === 'text' && mask.bytes !== undefined) {
        const done = putBytes(slab, message, copied, from, at, mask.bytes, type);
        if (done === Masked.same) continue;
        if (done !== Masked.askText) {
          copied = at;
          continue;
        }
      } else {
        const shown = !type.binary || type.shape === 'text';
        const hidden = type.mayEscape && escapes(message, from, at);
        if (shown && !hidden && stays(slab, message, from, at, mask, type)) continue;
      }
      const masked = type.binary
        ? maskBinary(message, from, at, mask, type)
        : maskText(looks(mask, type.shape) ? message.toString('utf8', from, at) : '', mask, type);
      if (masked === UNCHANGED) continue;
      slab.copy(message, copied, from - 4);
      copied = at;
      putValue(slab, masked, type.binary && type.typeOid === JSONB);
    }
    if (at !== length) throw malformed('it is longer than its values');
    if (copied === 0) return message;
    slab.copy(message, copied, length);
    slab.int32At(1, slab.length - 1);
    return slab.take();
  }
}

/**
 * The masked value of a text type, put together from its bytes, behind what of the message comes before it from `copied`
 * on. Masked.askText: it has to be masked as text; Masked.same: it stays as it is; nothing is put then.
 */
function putBytes(
  slab: Slab,
  message: Buffer,
  copied: number,
  from: number,
  to: number,
  bytes: NonNullable<Mask['bytes']>,
  type: ColumnType,
): number {
  const before = from - 4 - copied;
  const end = slab.end(before + 4 + to - from + MASK_ROOM);
  const at = end + before;
  const out = slab.buffer;
  let length: number;
  try {
    length = withinLengthBytes(out, at + 4, bytes(message, from, to, out, at + 4), type);
  } catch {
    // Asked as text it throws again, and the value becomes NULL.
    return Masked.askText;
  }
  if (length < 0 && length !== Masked.null) return length;
  copyBytes(message, copied, from - 4, out, end);
  putInt32(out, at, length < 0 ? -1 : length);
  slab.grown(before + 4 + Math.max(length, 0));
  return 0;
}

/** Whether for certain nothing is found in a value that shows all it says. */
function stays(slab: Slab, message: Buffer, from: number, to: number, mask: Mask, { shape }: ColumnType): boolean {
  try {
    // Types that cannot hold a mask are read in more ways than one (inside.ts): there nothing may even begin.
    if (shape === 'none' || mask.bytes === undefined) return mask.clean?.(message, from, to) === true;
    const at = slab.end(to - from + MASK_ROOM);
    return mask.by === 'detector' && mask.bytes(message, from, to, slab.buffer, at) === Masked.same;
  } catch {
    return false;
  }
}

/** int32 length and bytes; NULL is -1 and none. */
export function putValue(slab: Slab, value: string | Buffer | null, versioned: boolean): void {
  if (value === null) {
    slab.int32(-1);
    return;
  }
  if (typeof value !== 'string') {
    slab.int32(value.length);
    slab.copy(value, 0, value.length);
    return;
  }
  const at = slab.length;
  slab.int32(0);
  if (versioned) slab.byte(1);
  const bytes = slab.text(value);
  slab.int32At(at, versioned ? bytes + 1 : bytes);
}
