// `digits`: every digit becomes some digit and every letter some letter (of its case in ASCII, `x` outside); the rest stays.
// Which, the stream of the value says, a byte for each character.

import type { ApplyBytes } from './ascii.ts';
import type { KeyedBytes } from './keyed-bytes.ts';

/**
 * By byte: the first of its kind, and above it how many there are; of what stays, itself and none. So that there is no
 * branch: a wrong guess of the processor costs more than all the rest.
 */
const KIND = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) KIND[byte] = byte;
for (const [first, count] of [
  [48, 10],
  [97, 26],
  [65, 26],
] as const) {
  KIND.fill((count << 8) | first, first, first + count);
}

/** The character that the byte `some` of the stream makes of another. */
function another(code: number, some: number): number {
  const kind = KIND[code]!;
  return (kind & 255) + ((some * (kind >> 8)) >> 8);
}

export function sameFormatBytes(stream: KeyedBytes): ApplyBytes {
  return (value, from, to, out, at) => {
    let seen = 0;
    const block = stream.begin(value, from, to);
    const size = block.length;
    for (let start = from; start < to; start += size) {
      if (start > from) stream.more();
      seen |= put(value, start, Math.min(start + size, to), block, out, at + start - from);
    }
    return seen > 127 ? -1 : to - from;
  };
}

/** One block of it; all bits of the value's bytes. By itself, since the loop is faster with nothing else in it. */
function put(value: Uint8Array, from: number, to: number, block: Uint8Array, out: Uint8Array, at: number): number {
  let seen = 0;
  const kinds = KIND;
  for (let i = from, k = 0, n = at; i < to; i++, k++, n++) {
    const byte = value[i]!;
    const kind = kinds[byte]!;
    seen |= byte;
    out[n] = (kind & 255) + ((block[k]! * (kind >> 8)) >> 8);
  }
  return seen;
}

export function sameFormat(value: string, stream: KeyedBytes): string {
  const block = stream.begin(Buffer.from(value));
  let used = 0;
  let out = '';
  for (const character of value) {
    if (used === block.length) {
      stream.more();
      used = 0;
    }
    const some = block[used++]!;
    const code = character.charCodeAt(0);
    if (code < 128) out += String.fromCharCode(another(code, some));
    else out += /[\p{L}\p{N}\p{M}]/u.test(character) ? 'x' : character;
  }
  return out;
}
