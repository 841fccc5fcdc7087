// Requests that wait, in their order, in blocks that small ones share: a window's worth of the smallest costs no more than
// one of large ones. Refuses to know: what a request is, what it waits for.

import { BLOCK } from '../channels/backlog.ts';

/** Before each request: how long it is. */
const HEAD = 4;

interface Block {
  readonly memory: Buffer;
  from: number;
  to: number;
}

export class Waiting {
  #blocks: Block[] = [];

  get empty(): boolean {
    return this.#blocks.length === 0;
  }

  /** The bytes are copied. */
  add(request: Buffer): void {
    const size = HEAD + request.length;
    let block = this.#blocks.at(-1);
    if (block === undefined || block.to + size > block.memory.length) {
      block = { memory: Buffer.allocUnsafeSlow(Math.max(size, BLOCK)), from: 0, to: 0 };
      this.#blocks.push(block);
    }
    block.memory.writeUInt32BE(request.length, block.to);
    block.to += HEAD + request.copy(block.memory, block.to + HEAD);
  }

  /** The next, which waits no more; undefined: none does. */
  take(): Buffer | undefined {
    const block = this.#blocks[0];
    if (block === undefined) return undefined;
    const from = block.from + HEAD;
    block.from = from + block.memory.readUInt32BE(block.from);
    const request = block.memory.subarray(from, block.from);
    if (block.from === block.to) this.#blocks.shift();
    return request;
  }

  clear(): void {
    this.#blocks = [];
  }
}
