// DataRow ("Message Formats"): 'D', int32 length, int16 count, then for each value int32 length (-1: NULL) and bytes.

import { peerError } from '../../../core/errors.ts';
import type { Mask } from '../../contract.ts';
import type { Field } from '../analysis.ts';
import type { Slab } from './slab.ts';
import { JSONB, type TypeRegistry } from './types.ts';
import { type ColumnType, maskBinary, maskText, UNCHANGED } from './values.ts';

const HEADER = 7;

function malformed(what: string): Error {
  return peerError('protocol_violation', `the target sent a row that cannot be masked: ${what}`);
}

/** The same message with masks applied; the same buffer when nothing changed. Throws on a row that is not one. */
export function maskDataRow(
  message: Buffer,
  fields: readonly Field[],
  masks: readonly (Mask | null)[],
  types: TypeRegistry,
  slab: Slab,
): Buffer {
  const { length } = message;
  if (length < HEADER) throw malformed('it is too short');
  const count = message.readUInt16BE(5);
  if (count !== masks.length || count !== fields.length) {
    throw malformed(`it has ${count} values, ${masks.length} were described`);
  }
  slab.drop();
  /** Up to here the message has been copied. */
  let copied = 0;
  let at = HEADER;
  for (let i = 0; i < count; i++) {
    if (at + 4 > length) throw malformed('a value is missing');
    const size = message.readInt32BE(at);
    const from = at + 4;
    at = size < 0 ? from : from + size;
    if (at > length) throw malformed('a value is longer than the message');
    const mask = masks[i]!;
    if (mask === null || size < 0) continue;
    const field = fields[i]!;
    const type: ColumnType = { shape: types.shape(field.typeOid), typeOid: field.typeOid, typmod: field.typmod };
    const masked =
      field.format === 1
        ? maskBinary(message, from, at, mask, type)
        : maskText(
            type.shape === 'none' && mask.by !== 'detector' ? '' : message.toString('utf8', from, at),
            mask,
            type,
          );
    if (masked === UNCHANGED) continue;
    slab.copy(message, copied, from - 4);
    copied = at;
    putValue(slab, masked, field.format === 1 && type.typeOid === JSONB);
  }
  if (at !== length) throw malformed('it is longer than its values');
  if (copied === 0) return message;
  slab.copy(message, copied, length);
  slab.int32At(1, slab.length - 1);
  return slab.take();
}

/** int32 length and bytes; NULL is -1 and none. */
export function putValue(slab: Slab, value: string | null, versioned: boolean): void {
  if (value === null) {
    slab.int32(-1);
    return;
  }
  const at = slab.length;
  slab.int32(0);
  if (versioned) slab.byte(1);
  const bytes = slab.text(value);
  slab.int32At(at, versioned ? bytes + 1 : bytes);
}
