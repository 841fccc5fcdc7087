import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Output } from '../../../../src/protocol/wire/output.ts';
import { Reader } from '../../../../src/protocol/wire/reader.ts';
import { Writer } from '../../../../src/protocol/wire/writer.ts';

describe('Writer and Reader', () => {
  it('read back what was written, also when the buffer has to grow', () => {
    const long = 'ü'.repeat(300);
    const bytes = new Writer(4)
      .uint8(7)
      .int16(-2)
      .int32(-3)
      .uint32(4_000_000_000)
      .string(long)
      .bytes(Buffer.from('abc'))
      .finish();
    const reader = new Reader(bytes, 0, bytes.length, 'Test');
    expect([reader.uint8(), reader.int16(), reader.int32(), reader.uint32(), reader.string()]).toEqual([
      7,
      -2,
      -3,
      4_000_000_000,
      long,
    ]);
    expect(reader.rest().toString()).toBe('abc');
    reader.done();
  });

  it('drops a NUL inside a string: it would end it for the reader', () => {
    expect(new Writer().string('a\0b').finish().toString('latin1')).toBe('ab\0');
  });

  it('never reads behind its end, whatever a field declares', () => {
    const bytes = Buffer.from('ab\0tail\0');
    for (const read of [
      (r: Reader) => r.bytes(4),
      (r: Reader) => r.bytes(-1),
      (r: Reader) => r.int32(),
      (r: Reader) => [r.string(), r.string()],
    ]) {
      expect(() => read(new Reader(bytes, 0, 3, 'Test'))).toThrow(
        expect.objectContaining({ code: 'protocol_violation' }),
      );
    }
  });

  it('reads UTF-8 as Node does, short or long, right or wrong', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), fc.string({ unit: 'binary', maxLength: 10 }), (bytes, text) => {
        for (const one of [Buffer.from(bytes), Buffer.from(text), Buffer.from(`12345${text}`)]) {
          const framed = Buffer.concat([Buffer.from('<'), one, Buffer.from('é>')]);
          expect(new Reader(framed, 1, framed.length, 'Test').utf8(one.length)).toBe(one.toString());
        }
      }),
    );
  });

  it('calls a tail malformed', () => {
    expect(() => new Reader(Buffer.from('a'), 0, 1, 'Test').done()).toThrow(/Test is malformed: 1 bytes are left over/);
  });
});

describe('Output', () => {
  it('gives adjacent slices of one buffer back as one slice without a copy', () => {
    const bytes = Buffer.from('abcdef');
    const output = new Output();
    output.slice(bytes, 0, 2);
    output.slice(bytes, 2, 6);
    expect(output.take()).toBe(bytes);
    expect(output.take()).toBeUndefined();
  });

  it('joins what is not adjacent in order', () => {
    const bytes = Buffer.from('abcdef');
    const output = new Output();
    output.slice(bytes, 1, 2);
    output.add(Buffer.from('-'));
    output.slice(bytes, 2, 3);
    output.add(Buffer.alloc(0));
    output.slice(bytes, 4, 6);
    expect(output.length).toBe(5);
    expect(output.take()?.toString()).toBe('b-cef');
    expect(output.length).toBe(0);
  });

  it('gives its beginning, and the rest later, however it is cut', () => {
    const bytes = Buffer.from('abcdef');
    for (let limit = 1; limit < 6; limit++) {
      const output = new Output();
      output.slice(bytes, 0, 2);
      output.add(Buffer.from('-'));
      output.slice(bytes, 2, 4);
      expect(output.take(limit)?.toString()).toBe('ab-cd'.slice(0, limit));
      expect(output.take(0)).toBeUndefined();
      output.slice(bytes, 4, 6);
      expect(output.take()?.toString()).toBe(`${'ab-cd'.slice(limit)}ef`);
      expect(output.length).toBe(0);
      expect(output.take()).toBeUndefined();
    }
  });

  it('forgets everything on clear', () => {
    const output = new Output();
    output.add(Buffer.from('x'));
    output.clear();
    expect(output.take()).toBeUndefined();
    output.add(Buffer.from('y'));
    expect(output.take()?.toString()).toBe('y');
  });
});
