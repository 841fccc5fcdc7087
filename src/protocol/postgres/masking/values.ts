// One value and its mask → the value to send, in a form that its type takes.
// Refuses to know: rows, formats of COPY.

import type { Mask } from '../../contract.ts';
import { binaryText } from './binary.ts';
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

/**
 * A value as text → the text to send, null for NULL, UNCHANGED. A mask that throws gives NULL: the value never passes.
 */
export function maskText(value: string, mask: Mask, type: ColumnType): string | null | typeof UNCHANGED {
  // A type that cannot hold a mask: whatever the mask would say.
  if (type.shape === 'none' && mask.by !== 'detector') return null;
  let masked: string | null;
  try {
    masked = mask.text(value);
  } catch {
    return null;
  }
  if (masked === value) return UNCHANGED;
  if (masked === null || typeof masked !== 'string' || type.shape === 'none') return null;
  return type.shape === 'json' ? asJson(masked) : withinLength(masked, type);
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
): string | null | typeof UNCHANGED {
  if (type.shape === 'none') {
    if (mask.by !== 'detector') return null;
    const masked = maskText(binaryText(buffer, from, to, type.typeOid), mask, type);
    return masked === UNCHANGED ? UNCHANGED : null;
  }
  // jsonb: a version byte, then the text.
  const start = type.typeOid === JSONB ? from + 1 : from;
  return maskText(buffer.toString('utf8', start, to), mask, type);
}
