// One value and its mask → the value to send, in a form that its type takes.
// Refuses to know: rows, formats of COPY.

import { type Mask, Masked } from '../../contract.ts';
import { binaryText } from './binary.ts';
import { plainJson, plainText } from './inside.ts';
import { asBinary, fromBinary, holds } from './typed.ts';
import { BOUNDED, JSONB, type Shape } from './types.ts';

/** What the masking of a value has to know of its column. */
export interface ColumnType {
  readonly shape: Shape;
  readonly typeOid: number;
  /** The type's modifier; -1 for none. */
  readonly typmod: number;
}

/** The value stays as it is. */
export const UNCHANGED = Symbol('unchanged');

/** Whether a mask wants to see a value of this shape at all. */
export function looks(mask: Mask, shape: Shape): boolean {
  return shape !== 'none' || mask.by === 'detector' || mask.count !== undefined;
}

/** Whether a mask that wants to see a value has nothing to put in its place but NULL. */
function hides({ by }: Mask, { shape }: ColumnType): boolean {
  return shape === 'none' && by !== 'detector' && by !== 'count';
}

/**
 * A value as text → the text to send, null for NULL, UNCHANGED. A mask that throws gives NULL: the value never passes.
 */
export function maskText(value: string, mask: Mask, type: ColumnType): string | null | typeof UNCHANGED {
  // A type that cannot hold a mask: whatever the mask would say.
  if (!looks(mask, type.shape)) return null;
  let masked: string | null;
  try {
    mask.count?.(value);
    if (hides(mask, type)) return null;
    const plain = mask.by === 'detector' && type.shape === 'json' ? plainJson(value) : value;
    masked = mask.text(plain);
    if (masked === plain && !findsInside(value, mask, type)) return UNCHANGED;
  } catch {
    return null;
  }
  if (masked === null || typeof masked !== 'string' || type.shape === 'none') return null;
  if (type.shape === 'typed') return holds(type.typeOid, type.typmod, masked) ? masked : null;
  return type.shape === 'json' ? asJson(masked) : withinLength(masked, type);
}

/** Of types that become NULL for what is found in them. */
function findsInside(value: string, mask: Mask, { shape }: ColumnType): boolean {
  if (mask.by !== 'detector' || shape !== 'none') return false;
  const plain = plainText(value);
  return plain !== value && mask.text(plain) !== plain;
}

/** A document stays one when it still parses; otherwise the masked text becomes a JSON string. */
function asJson(masked: string): string {
  try {
    JSON.parse(masked);
    return masked;
  } catch {
    return JSON.stringify(masked);
  }
}

function withinLength(masked: string, type: ColumnType): string {
  if (!BOUNDED.has(type.typeOid) || type.typmod < 4) return masked;
  const length = type.typmod - 4;
  const characters = masked.length <= length ? masked : [...masked].slice(0, length).join('');
  // char(n) is padded.
  return type.typeOid === 1042 ? characters.padEnd(length) : characters;
}

/** The same for `length` bytes at `at` of `out`: how many are the value, askText where characters have to be counted. */
export function withinLengthBytes(out: Buffer, at: number, length: number, type: ColumnType): number {
  if (length < 0 || type.typmod < 4 || !BOUNDED.has(type.typeOid)) return length;
  const bound = type.typmod - 4;
  const padded = type.typeOid === 1042;
  // No more characters than bytes.
  if (length <= bound && !padded) return length;
  for (let i = at; i < at + length; i++) if (out[i]! > 127) return Masked.askText;
  if (length >= bound) return bound;
  // A value of char(n) comes padded, so that there is room.
  if (at + bound > out.length) return Masked.askText;
  out.fill(32, at + length, at + bound);
  return bound;
}

/**
 * The same for a value in binary format, from its bytes `from` to `to`. Text types are their text; of others a detector
 * sees what text there is in them, and what it finds makes the value NULL.
 */
export function maskBinary(
  buffer: Buffer,
  from: number,
  to: number,
  mask: Mask,
  type: ColumnType,
): string | Buffer | null | typeof UNCHANGED {
  if (type.shape === 'typed') {
    const masked = maskText(fromBinary(buffer, from, to, type.typeOid), mask, type);
    return typeof masked === 'string' ? asBinary(type.typeOid, masked) : masked;
  }
  if (type.shape === 'none') {
    if (!looks(mask, type.shape)) return null;
    const masked = maskText(binaryText(buffer, from, to, type.typeOid), mask, type);
    return masked === UNCHANGED ? UNCHANGED : null;
  }
  // jsonb: a version byte, then the text.
  const start = type.typeOid === JSONB ? from + 1 : from;
  return maskText(buffer.toString('utf8', start, to), mask, type);
}
