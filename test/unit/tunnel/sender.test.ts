import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { FrameReader, type FrameSink } from '../../../src/tunnel/frames.ts';
import { FrameSender, QUEUE_BYTES } from '../../../src/tunnel/sender.ts';
import { eventually } from '../../support/process.ts';

/** A socket that keeps what it is given, one entry for each write that reaches the system. */
class Wire extends Writable {
  readonly writes: Buffer[] = [];
  held: (() => void) | undefined;
  hold = false;

  constructor() {
    super({ highWaterMark: QUEUE_BYTES });
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.writes.push(chunk);
    if (this.hold) this.held = done;
    else done();
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), '', done);
  }
}

/** What a peer reads of it: binary frames by their size, texts as they are. */
function read(wire: Wire): string[] {
  const seen: string[] = [];
  const sink: FrameSink = {
    stopped: false,
    frameBytes: (chunk) => seen.push(`${chunk.length}`),
    frameText: (text) => seen.push(text),
    framePing: () => seen.push('ping'),
    frameClose: (code) => seen.push(`close ${code}`),
  };
  new FrameReader(sink, false).push(Buffer.concat(wire.writes));
  return seen;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('what a tunnel sends', () => {
  it('in one turn of the event loop is one frame in one write', async () => {
    const wire = new Wire();
    const sender = new FrameSender(wire as never, false);
    for (let i = 0; i < 10; i++) sender.write(Buffer.alloc(100));
    expect(wire.writes).toEqual([]);
    await turn();
    expect(wire.writes).toHaveLength(1);
    expect(read(wire)).toEqual(['1000']);
  });

  it('of texts that are not urgent travels with the next bytes, or alone a little later', async () => {
    const wire = new Wire();
    const sender = new FrameSender(wire as never, false);
    sender.text('one', false);
    sender.text('two', false);
    await turn();
    expect(wire.writes).toEqual([]);
    sender.write(Buffer.alloc(7));
    await turn();
    expect(wire.writes).toHaveLength(1);
    expect(read(wire)).toEqual(['one', 'two', '7']);
    sender.text('three', false);
    await eventually('it is sent alone', () => wire.writes.length === 2);
    expect(read(wire).at(-1)).toBe('three');
  });

  it('keeps texts behind the bytes that were written before them', async () => {
    const wire = new Wire();
    const sender = new FrameSender(wire as never, false);
    sender.write(Buffer.alloc(3));
    sender.text('after three', true);
    sender.write(Buffer.alloc(70_000));
    sender.write(Buffer.alloc(4));
    sender.text('after all', false);
    sender.end(Buffer.from([3, 232]));
    await turn();
    expect(read(wire)).toEqual(['3', 'after three', '70000', '4', 'after all', 'close 1000']);
    expect(sender.write(Buffer.alloc(1))).toBe(false);
  });

  it('stops the writer when the queue is full and calls it back when it has drained', async () => {
    const wire = new Wire();
    wire.hold = true;
    const sender = new FrameSender(wire as never, false);
    let drained = 0;
    sender.onDrain = () => drained++;
    expect(sender.write(Buffer.alloc(QUEUE_BYTES - 10))).toBe(true);
    expect(sender.write(Buffer.alloc(100))).toBe(false);
    await turn();
    expect(drained).toBe(0);
    // Pings would only make the queue of a peer that does not read longer.
    sender.control(9, Buffer.alloc(0));
    expect(sender.queued).toBeLessThan(QUEUE_BYTES + 200);
    wire.hold = false;
    wire.held!();
    await eventually('the drain', () => drained === 1);
    expect(sender.write(Buffer.alloc(1))).toBe(true);
  });
});
