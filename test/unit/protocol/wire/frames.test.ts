import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limit } from '../../../../src/core/limits.ts';
import { type FrameFormat, FrameReader, Step } from '../../../../src/protocol/wire/frames.ts';
import { effort } from '../../../support/property.ts';

const format: FrameFormat = {
  header: 5,
  min: 5,
  total: (buffer, at) => buffer.readInt32BE(at + 1) + 1,
  limit: (type) => (type === 0x44 ? limit('passed_test', 'bytes', 10_000) : limit('inspected_test', 'bytes', 100)),
  free: 100,
};

function frame(type: string, length: number): Buffer {
  const bytes = Buffer.alloc(length + 5, type.toLowerCase());
  bytes.write(type, 0, 'latin1');
  bytes.writeInt32BE(length + 4, 1);
  return bytes;
}

/** Everything `next` finds: whole frames as they are, passed ones joined; `D` is passed when it is not whole. */
function read(chunks: readonly Buffer[]): { frames: string[]; left: number } {
  const reader = new FrameReader(format);
  const frames: string[] = [];
  let passed = '';
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let step = reader.next(); step !== Step.need; step = reader.next()) {
      if (step === Step.header) {
        if (reader.buffer[reader.start] !== 0x44) break;
        reader.pass();
        continue;
      }
      const bytes = reader.buffer.toString('latin1', reader.start, reader.end);
      if (step === Step.frame) frames.push(bytes);
      else passed += bytes;
      if (step === Step.part && !reader.midFrame) {
        frames.push(passed);
        passed = '';
      }
    }
    reader.release();
  }
  return { frames, left: reader.pending };
}

const stream = [frame('Q', 3), frame('D', 0), frame('D', 40), frame('Z', 1), frame('D', 300)];
const whole = stream.map((bytes) => bytes.toString('latin1'));

describe('FrameReader', () => {
  it('finds every frame of a whole stream', () => {
    expect(read([Buffer.concat(stream)])).toEqual({ frames: whole, left: 0 });
  });

  it('finds the same frames when the stream is cut at any byte', () => {
    const bytes = Buffer.concat(stream);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(read([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual({ frames: whole, left: 0 });
    }
  });

  it('finds the same frames byte by byte', () => {
    const bytes = Buffer.concat(stream);
    expect(read([...bytes].map((byte) => Buffer.from([byte])))).toEqual({ frames: whole, left: 0 });
  });

  it('keeps a tail that is not yet a frame', () => {
    const tail = frame('Q', 20).subarray(0, 9);
    expect(read([Buffer.concat([...stream, tail])])).toEqual({ frames: whole, left: 9 });
  });

  it('finds the same frames however the stream is cut', () => {
    const types = fc.constantFrom('Q', 'D', 'Z');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(types, fc.integer({ min: 0, max: 90 })), { maxLength: 12 }),
        fc.array(fc.nat(1200), { maxLength: 12 }),
        (frames, cuts) => {
          const parts = frames.map(([type, length]) => frame(type, length));
          const bytes = Buffer.concat(parts);
          const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
          const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
          expect(read(chunks)).toEqual({ frames: parts.map((part) => part.toString('latin1')), left: 0 });
        },
      ),
      effort({ seed: 7, numRuns: 500 }),
    );
  });

  it('refuses a length under the minimum before any body', () => {
    for (const length of [3, 0, -1, -2147483648]) {
      const header = frame('Q', 0);
      header.writeInt32BE(length, 1);
      const reader = new FrameReader(format);
      reader.push(header);
      expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'protocol_violation' }));
    }
  });

  it('refuses a length over the limit of its type before any body, with the limit in the error', () => {
    const header = frame('Q', 0);
    header.writeInt32BE(100, 1);
    const reader = new FrameReader(format);
    reader.push(header);
    expect(() => reader.next()).toThrow(
      expect.objectContaining({ code: 'limit_exceeded', details: { limit: 'inspected_test', value: 101, max: 100 } }),
    );
  });

  it('lets a frame over the smallest limit through when its own type has a larger one', () => {
    expect(read([frame('D', 9000)]).frames).toHaveLength(1);
    expect(() => read([frame('D', 10_000)])).toThrow(expect.objectContaining({ code: 'limit_exceeded' }));
  });

  it('holds no more of a passed frame than the chunk in hand', () => {
    const reader = new FrameReader(format);
    const bytes = frame('D', 5000);
    reader.push(bytes.subarray(0, 10));
    expect(reader.next()).toBe(Step.header);
    reader.pass();
    for (let at = 10; at < bytes.length; at += 100) {
      expect(reader.next()).toBe(Step.part);
      expect(reader.next()).toBe(Step.need);
      expect(reader.pending).toBe(0);
      reader.push(bytes.subarray(at, at + 100));
    }
    expect(reader.next()).toBe(Step.part);
    expect(reader.midFrame).toBe(false);
  });

  it('walks a run of frames of one type and stops at another, or at one that is not whole', () => {
    const reader = new FrameReader(format);
    reader.push(
      Buffer.concat([frame('D', 1), frame('D', 2), frame('D', 3), frame('Z', 1), frame('D', 9).subarray(0, 8)]),
    );
    expect(reader.next()).toBe(Step.frame);
    expect(reader.run(0x44)).toBe(2);
    expect(reader.end).toBe(6 + 7 + 8);
    expect(reader.next()).toBe(Step.frame);
    expect(reader.buffer[reader.start]).toBe(0x5a);
    expect(reader.run(0x44)).toBe(0);
    expect(reader.next()).toBe(Step.header);
  });

  it('finds a frame again after it was put back', () => {
    const reader = new FrameReader(format);
    reader.push(Buffer.concat([frame('Q', 1), frame('Z', 1)]));
    reader.next();
    reader.unread();
    reader.push(frame('S', 0));
    const found: string[] = [];
    while (reader.next() === Step.frame) found.push(reader.buffer.toString('latin1', reader.start, reader.start + 1));
    expect(found).toEqual(['Q', 'Z', 'S']);
  });
});
