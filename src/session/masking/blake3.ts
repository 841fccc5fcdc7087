// BLAKE3 with a key (BLAKE3 specification, "keyed_hash"), for inputs of one chunk: a pseudo-random function that gives 64
// bytes for a value of up to 64 in one step, and more for little. Written for many short values: some 130 ns each, where
// HMAC-SHA-256 takes 500 in JavaScript and 1,700 through node:crypto, whose calls alone cost more than the hash.
// Refuses to know: where the key comes from, what is hashed.

/** The longest input, in bytes. */
export const CHUNK = 1024;
export const KEY_BYTES = 32;
/** Bytes of output a step. */
export const OUTPUT = 64;
const BLOCK = 64;

const CHUNK_START = 1;
const CHUNK_END = 2;
const ROOT = 8;
const KEYED_HASH = 16;

/** Which word of the block goes where: seven rounds of sixteen, each the permutation of the one before. */
const ORDER = new Uint8Array(7 * 16);
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
for (let i = 0; i < ORDER.length; i++) ORDER[i] = i < 16 ? i : ORDER[i - 16 - (i % 16) + PERMUTATION[i % 16]!]!;

/** As the words of the output are told. */
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

type Words = Int32Array<ArrayBuffer>;

/** `h`: the chaining value; `out`: sixteen words, of which the first eight are the next chaining value. */
function compress(h: Words, m: Words, counter: number, length: number, flags: number, out: Words): void {
  let m0 = m[0]!;
  let m1 = m[1]!;
  let m2 = m[2]!;
  let m3 = m[3]!;
  let m4 = m[4]!;
  let m5 = m[5]!;
  let m6 = m[6]!;
  let m7 = m[7]!;
  let m8 = m[8]!;
  let m9 = m[9]!;
  let m10 = m[10]!;
  let m11 = m[11]!;
  let m12 = m[12]!;
  let m13 = m[13]!;
  let m14 = m[14]!;
  let m15 = m[15]!;
  let t = 0;
  let v0 = h[0]!;
  let v1 = h[1]!;
  let v2 = h[2]!;
  let v3 = h[3]!;
  let v4 = h[4]!;
  let v5 = h[5]!;
  let v6 = h[6]!;
  let v7 = h[7]!;
  let v8 = 0x6a09e667;
  let v9 = 0xbb67ae85;
  let v10 = 0x3c6ef372;
  let v11 = 0xa54ff53a;
  let v12 = counter;
  let v13 = 0;
  let v14 = length;
  let v15 = flags;
  // Two rounds a turn: moving the words to their next places costs too.
  for (let round = 0; ; round += 2) {
    v0 = (v0 + v4 + m0) | 0;
    t = v12 ^ v0;
    v12 = (t >>> 16) | (t << 16);
    v8 = (v8 + v12) | 0;
    t = v4 ^ v8;
    v4 = (t >>> 12) | (t << 20);
    v0 = (v0 + v4 + m1) | 0;
    t = v12 ^ v0;
    v12 = (t >>> 8) | (t << 24);
    v8 = (v8 + v12) | 0;
    t = v4 ^ v8;
    v4 = (t >>> 7) | (t << 25);
    v1 = (v1 + v5 + m2) | 0;
    t = v13 ^ v1;
    v13 = (t >>> 16) | (t << 16);
    v9 = (v9 + v13) | 0;
    t = v5 ^ v9;
    v5 = (t >>> 12) | (t << 20);
    v1 = (v1 + v5 + m3) | 0;
    t = v13 ^ v1;
    v13 = (t >>> 8) | (t << 24);
    v9 = (v9 + v13) | 0;
    t = v5 ^ v9;
    v5 = (t >>> 7) | (t << 25);
    v2 = (v2 + v6 + m4) | 0;
    t = v14 ^ v2;
    v14 = (t >>> 16) | (t << 16);
    v10 = (v10 + v14) | 0;
    t = v6 ^ v10;
    v6 = (t >>> 12) | (t << 20);
    v2 = (v2 + v6 + m5) | 0;
    t = v14 ^ v2;
    v14 = (t >>> 8) | (t << 24);
    v10 = (v10 + v14) | 0;
    t = v6 ^ v10;
    v6 = (t >>> 7) | (t << 25);
    v3 = (v3 + v7 + m6) | 0;
    t = v15 ^ v3;
    v15 = (t >>> 16) | (t << 16);
    v11 = (v11 + v15) | 0;
    t = v7 ^ v11;
    v7 = (t >>> 12) | (t << 20);
    v3 = (v3 + v7 + m7) | 0;
    t = v15 ^ v3;
    v15 = (t >>> 8) | (t << 24);
    v11 = (v11 + v15) | 0;
    t = v7 ^ v11;
    v7 = (t >>> 7) | (t << 25);
    v0 = (v0 + v5 + m8) | 0;
    t = v15 ^ v0;
    v15 = (t >>> 16) | (t << 16);
    v10 = (v10 + v15) | 0;
    t = v5 ^ v10;
    v5 = (t >>> 12) | (t << 20);
    v0 = (v0 + v5 + m9) | 0;
    t = v15 ^ v0;
    v15 = (t >>> 8) | (t << 24);
    v10 = (v10 + v15) | 0;
    t = v5 ^ v10;
    v5 = (t >>> 7) | (t << 25);
    v1 = (v1 + v6 + m10) | 0;
    t = v12 ^ v1;
    v12 = (t >>> 16) | (t << 16);
    v11 = (v11 + v12) | 0;
    t = v6 ^ v11;
    v6 = (t >>> 12) | (t << 20);
    v1 = (v1 + v6 + m11) | 0;
    t = v12 ^ v1;
    v12 = (t >>> 8) | (t << 24);
    v11 = (v11 + v12) | 0;
    t = v6 ^ v11;
    v6 = (t >>> 7) | (t << 25);
    v2 = (v2 + v7 + m12) | 0;
    t = v13 ^ v2;
    v13 = (t >>> 16) | (t << 16);
    v8 = (v8 + v13) | 0;
    t = v7 ^ v8;
    v7 = (t >>> 12) | (t << 20);
    v2 = (v2 + v7 + m13) | 0;
    t = v13 ^ v2;
    v13 = (t >>> 8) | (t << 24);
    v8 = (v8 + v13) | 0;
    t = v7 ^ v8;
    v7 = (t >>> 7) | (t << 25);
    v3 = (v3 + v4 + m14) | 0;
    t = v14 ^ v3;
    v14 = (t >>> 16) | (t << 16);
    v9 = (v9 + v14) | 0;
    t = v4 ^ v9;
    v4 = (t >>> 12) | (t << 20);
    v3 = (v3 + v4 + m15) | 0;
    t = v14 ^ v3;
    v14 = (t >>> 8) | (t << 24);
    v9 = (v9 + v14) | 0;
    t = v4 ^ v9;
    v4 = (t >>> 7) | (t << 25);
    if (round === 6) break;
    v0 = (v0 + v4 + m2) | 0;
    t = v12 ^ v0;
    v12 = (t >>> 16) | (t << 16);
    v8 = (v8 + v12) | 0;
    t = v4 ^ v8;
    v4 = (t >>> 12) | (t << 20);
    v0 = (v0 + v4 + m6) | 0;
    t = v12 ^ v0;
    v12 = (t >>> 8) | (t << 24);
    v8 = (v8 + v12) | 0;
    t = v4 ^ v8;
    v4 = (t >>> 7) | (t << 25);
    v1 = (v1 + v5 + m3) | 0;
    t = v13 ^ v1;
    v13 = (t >>> 16) | (t << 16);
    v9 = (v9 + v13) | 0;
    t = v5 ^ v9;
    v5 = (t >>> 12) | (t << 20);
    v1 = (v1 + v5 + m10) | 0;
    t = v13 ^ v1;
    v13 = (t >>> 8) | (t << 24);
    v9 = (v9 + v13) | 0;
    t = v5 ^ v9;
    v5 = (t >>> 7) | (t << 25);
    v2 = (v2 + v6 + m7) | 0;
    t = v14 ^ v2;
    v14 = (t >>> 16) | (t << 16);
    v10 = (v10 + v14) | 0;
    t = v6 ^ v10;
    v6 = (t >>> 12) | (t << 20);
    v2 = (v2 + v6 + m0) | 0;
    t = v14 ^ v2;
    v14 = (t >>> 8) | (t << 24);
    v10 = (v10 + v14) | 0;
    t = v6 ^ v10;
    v6 = (t >>> 7) | (t << 25);
    v3 = (v3 + v7 + m4) | 0;
    t = v15 ^ v3;
    v15 = (t >>> 16) | (t << 16);
    v11 = (v11 + v15) | 0;
    t = v7 ^ v11;
    v7 = (t >>> 12) | (t << 20);
    v3 = (v3 + v7 + m13) | 0;
    t = v15 ^ v3;
    v15 = (t >>> 8) | (t << 24);
    v11 = (v11 + v15) | 0;
    t = v7 ^ v11;
    v7 = (t >>> 7) | (t << 25);
    v0 = (v0 + v5 + m1) | 0;
    t = v15 ^ v0;
    v15 = (t >>> 16) | (t << 16);
    v10 = (v10 + v15) | 0;
    t = v5 ^ v10;
    v5 = (t >>> 12) | (t << 20);
    v0 = (v0 + v5 + m11) | 0;
    t = v15 ^ v0;
    v15 = (t >>> 8) | (t << 24);
    v10 = (v10 + v15) | 0;
    t = v5 ^ v10;
    v5 = (t >>> 7) | (t << 25);
    v1 = (v1 + v6 + m12) | 0;
    t = v12 ^ v1;
    v12 = (t >>> 16) | (t << 16);
    v11 = (v11 + v12) | 0;
    t = v6 ^ v11;
    v6 = (t >>> 12) | (t << 20);
    v1 = (v1 + v6 + m5) | 0;
    t = v12 ^ v1;
    v12 = (t >>> 8) | (t << 24);
    v11 = (v11 + v12) | 0;
    t = v6 ^ v11;
    v6 = (t >>> 7) | (t << 25);
    v2 = (v2 + v7 + m9) | 0;
    t = v13 ^ v2;
    v13 = (t >>> 16) | (t << 16);
    v8 = (v8 + v13) | 0;
    t = v7 ^ v8;
    v7 = (t >>> 12) | (t << 20);
    v2 = (v2 + v7 + m14) | 0;
    t = v13 ^ v2;
    v13 = (t >>> 8) | (t << 24);
    v8 = (v8 + v13) | 0;
    t = v7 ^ v8;
    v7 = (t >>> 7) | (t << 25);
    v3 = (v3 + v4 + m15) | 0;
    t = v14 ^ v3;
    v14 = (t >>> 16) | (t << 16);
    v9 = (v9 + v14) | 0;
    t = v4 ^ v9;
    v4 = (t >>> 12) | (t << 20);
    v3 = (v3 + v4 + m8) | 0;
    t = v14 ^ v3;
    v14 = (t >>> 8) | (t << 24);
    v9 = (v9 + v14) | 0;
    t = v4 ^ v9;
    v4 = (t >>> 7) | (t << 25);
    t = m0;
    m0 = m3;
    m3 = m12;
    m12 = m11;
    m11 = t;
    t = m1;
    m1 = m4;
    m4 = m13;
    m13 = m15;
    m15 = t;
    t = m2;
    m2 = m10;
    m10 = m9;
    m9 = m5;
    m5 = t;
    t = m6;
    m6 = m7;
    m7 = m14;
    m14 = m8;
    m8 = t;
  }
  out[8] = v8 ^ h[0]!;
  out[9] = v9 ^ h[1]!;
  out[10] = v10 ^ h[2]!;
  out[11] = v11 ^ h[3]!;
  out[12] = v12 ^ h[4]!;
  out[13] = v13 ^ h[5]!;
  out[14] = v14 ^ h[6]!;
  out[15] = v15 ^ h[7]!;
  out[0] = v0 ^ v8;
  out[1] = v1 ^ v9;
  out[2] = v2 ^ v10;
  out[3] = v3 ^ v11;
  out[4] = v4 ^ v12;
  out[5] = v5 ^ v13;
  out[6] = v6 ^ v14;
  out[7] = v7 ^ v15;
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

export class Blake3 {
  readonly #key: Words = new Int32Array(8);
  /** The input's last block, from which all output comes: chaining value, words, length, flags; and the output so far. */
  readonly #chain: Words = new Int32Array(16);
  readonly #message: Words = new Int32Array(16);
  #input: Words = this.#key;
  #length = 0;
  #flags = 0;
  #counter = 0;
  readonly #out: Words = new Int32Array(16);
  /** The last 64 bytes of output: the words as they lie in memory. */
  readonly output = new Uint8Array(this.#out.buffer);

  constructor(key: Uint8Array) {
    if (key.length !== KEY_BYTES) throw new RangeError(`a key of ${key.length} bytes, ${KEY_BYTES} expected`);
    for (let i = 0; i < 8; i++) this.#key[i] = word(key, i * 4);
  }

  /** Takes `from`‥`to` of `bytes`, at most CHUNK, and puts the first 64 bytes of its hash into `output`. */
  begin(bytes: Uint8Array, from: number, to: number): void {
    if (to - from > CHUNK) throw new RangeError(`an input of ${to - from} bytes, at most ${CHUNK} expected`);
    const message = this.#message;
    let input = this.#key;
    let flags = KEYED_HASH | CHUNK_START;
    let at = from;
    while (to - at > BLOCK) {
      for (let i = 0; i < 16; i++, at += 4) message[i] = word(bytes, at);
      compress(input, message, 0, BLOCK, flags, this.#chain);
      input = this.#chain;
      flags = KEYED_HASH;
    }
    this.#length = to - at;
    let i = 0;
    for (; to - at >= 4; i++, at += 4) message[i] = word(bytes, at);
    if (at < to) {
      let rest = 0;
      for (let shift = 0; at < to; shift += 8, at++) rest |= bytes[at]! << shift;
      message[i++] = rest;
    }
    while (i < 16) message[i++] = 0;
    this.#input = input;
    this.#flags = flags | CHUNK_END | ROOT;
    this.#counter = -1;
    this.more();
  }

  /** The next 64 bytes of output. */
  more(): void {
    compress(this.#input, this.#message, ++this.#counter, this.#length, this.#flags, this.#out);
    if (!LITTLE_ENDIAN) Buffer.from(this.#out.buffer).swap32();
  }
}
