// What waits for a window, in its order: runs of bytes that go the same way, a short head before each, in blocks that small
// pieces share. Whoever's output changes its way with each byte makes no more wait here than four times what it sent.
// Refuses to know: windows, channels, what a way is.

/** Small pieces that wait share blocks: many of them cost no more than few large ones. */
export const BLOCK = 8192;

/** Before each run: its way, and how long it is. */
const HEAD = 3;
const LONGEST = 0xffff;

interface Block {
  readonly memory: Buffer;
  from: number;
  to: number;
}

export class Backlog<Way> {
  readonly #same: (a: Way, b: Way) => boolean;
  /** A few for all that ever waits. */
  readonly #ways: Way[] = [];
  #blocks: Block[] = [];
  /** Where the head of the last run is, in the last block. */
  #last = 0;

  constructor(same: (a: Way, b: Way) => boolean) {
    this.#same = same;
  }

  get empty(): boolean {
    return this.#blocks.length === 0;
  }

  /** The bytes are copied. */
  add(bytes: Buffer, way: Way): void {
    const number = this.#number(way);
    for (let at = 0; at < bytes.length; at += LONGEST) this.#run(bytes.subarray(at, at + LONGEST), number);
  }

  /** What is next, at most so much of it and until `drop`; undefined: nothing is. */
  next(most: number): { readonly bytes: Buffer; readonly way: Way } | undefined {
    const block = this.#blocks[0];
    if (block === undefined) return undefined;
    const { memory, from } = block;
    const length = Math.min(most, memory.readUInt16BE(from + 1));
    return { bytes: memory.subarray(from + HEAD, from + HEAD + length), way: this.#ways[memory[from]!]! };
  }

  /** So much of what is next is done with. */
  drop(count: number): void {
    const block = this.#blocks[0]!;
    const { memory, from } = block;
    const left = memory.readUInt16BE(from + 1) - count;
    if (left === 0) {
      block.from += HEAD + count;
      if (block.from === block.to) this.#blocks.shift();
      return;
    }
    // The rest is a run of its own: its head takes the place of bytes that are done with.
    block.from += count;
    memory[block.from] = memory[from]!;
    memory.writeUInt16BE(left, block.from + 1);
    if (this.#blocks.length === 1 && this.#last === from) this.#last = block.from;
  }

  #number(way: Way): number {
    const known = this.#ways.findIndex((one) => this.#same(one, way));
    return known === -1 ? this.#ways.push(way) - 1 : known;
  }

  #run(bytes: Buffer, way: number): void {
    const block = this.#blocks.at(-1);
    if (block !== undefined) {
      const { memory } = block;
      const length = memory.readUInt16BE(this.#last + 1) + bytes.length;
      if (memory[this.#last] === way && length <= LONGEST && block.to + bytes.length <= memory.length) {
        block.to += bytes.copy(memory, block.to);
        memory.writeUInt16BE(length, this.#last + 1);
        return;
      }
      if (block.to + HEAD + bytes.length <= memory.length) {
        this.#begin(block, bytes, way);
        return;
      }
    }
    const memory = Buffer.allocUnsafeSlow(Math.max(HEAD + bytes.length, BLOCK));
    const fresh = { memory, from: 0, to: 0 };
    this.#blocks.push(fresh);
    this.#begin(fresh, bytes, way);
  }

  #begin(block: Block, bytes: Buffer, way: number): void {
    this.#last = block.to;
    block.memory[block.to] = way;
    block.memory.writeUInt16BE(bytes.length, block.to + 1);
    block.to += HEAD + bytes.copy(block.memory, block.to + HEAD);
  }
}
