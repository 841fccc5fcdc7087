// Operations: the unit that is decided and recorded; what is shown of one, and what an approval of it is for.
// Part of the contract. Refuses to know: any protocol by name.

import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Facts } from './facts.ts';

/** One unit to decide. Several statements in one message are one operation with several parts: all or none. */
export interface Operation {
  /** How it came: `query`, `execute`, `exec`, `request`, …; recorded as it is. */
  readonly kind: string;
  /** The exact text as the client wrote it; a review binds it. Bytes that are no text: `shownBytes`. */
  readonly text: string;
  /** The bytes of `text`, base64, where it shows them escaped. */
  readonly bytes?: string;
  /** Texts that were prepared before and that it executes by name; a review shows and binds them with its own. */
  readonly executes?: string;
  /** Bind values as text, null for NULL; binary ones as `\x…` hex. A review binds them too. */
  readonly params?: readonly (string | null)[];
  /** How each of `params` is to be read where that is not plain text: `binary`, a declared type. Left out: all are plain. */
  readonly forms?: readonly (string | null)[];
  /**
   * What else decides what the target will do with it (a digest, a list: nobody reads it). With what is shown, a review
   * binds it: two operations that the target could take for different ones differ in one of these, and the same again has
   * the same. Empty: what is shown is all of it.
   */
  readonly exact: string;
  readonly parts: readonly Facts[];
  /**
   * The text with its constants taken out, where the protocol can prove that operations of one shape differ in nothing
   * but the values of constants: their facts are equal. A reviewer may approve a shape for a session; messages to the
   * outside show it in place of the text. Undefined: there is none.
   */
  readonly shape?: string;
}

/**
 * Bytes as the text of an operation: as they are where they are UTF-8. Otherwise each byte that is not is `\xNN`, each
 * backslash is doubled, and the exact bytes come along, which mark it.
 */
export function shownBytes(bytes: Uint8Array): Pick<Operation, 'text' | 'bytes'> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer)
    ? { text: buffer.toString() }
    : { text: escapedBytes(buffer), bytes: buffer.toString('base64') };
}

/** Whether a text says what its bytes, `from`‥`to`, say: what is not UTF-8 was replaced in it. Cheap for what has nothing of it. */
export function isRead(text: string, bytes: Buffer, from = 0, to: number = bytes.length): boolean {
  return !text.includes('\ufffd') || isUtf8(bytes.subarray(from, to));
}

/** The same without the mark, for what names a place. */
export function shownName(bytes: Uint8Array): string {
  return shownBytes(bytes).text;
}

function escapedBytes(bytes: Buffer): string {
  let out = '';
  // What cannot be decoded becomes U+FFFD: a run without it is text, and so is one that has it in its bytes.
  for (let at = 0; at < bytes.length; ) {
    const length = sequence(bytes, at);
    const one = bytes.subarray(at, at + Math.max(1, length));
    out += length === 0 ? `\\x${one.toString('hex')}` : one[0] === 0x5c ? '\\\\' : one.toString();
    at += one.length;
  }
  return out;
}

/** How many bytes the character here has; 0: it is none. */
function sequence(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}

/** SHA-256 over parts, hex; each with its length before it, so that none passes for another and its neighbour. */
export function digestOf(...parts: readonly (string | Uint8Array)[]): string {
  const sum = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    sum.update(`${bytes.length}:`).update(bytes);
  }
  return sum.digest('hex');
}
