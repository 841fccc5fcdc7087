import { describe, expect, it } from 'vitest';
import { closePayload, FrameReader, type FrameSink, frame, OPCODE } from '../../../src/tunnel/frames.ts';

class Sink implements FrameSink {
  stopped = false;
  seen: string[] = [];
  bytes = Buffer.alloc(0);

  frameBytes(chunk: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, chunk]);
  }
  frameText(text: string): void {
    this.seen.push(`${this.bytes.length}:text ${text}`);
  }
  framePing(payload: Buffer): void {
    this.seen.push(`${this.bytes.length}:ping ${payload.toString()}`);
  }
  frameClose(code: number, reason: string): void {
    this.seen.push(`${this.bytes.length}:close ${code} ${reason}`);
  }
}

/** A frame as another client would mask it. */
function masked(opcode: number, payload: Buffer, first = 0x80 | opcode): Buffer {
  const key = [0x12, 0xff, 0x00, 0x7a];
  const plain = frame(opcode, payload, true);
  const start = plain.length - payload.length;
  const out = Buffer.from(plain);
  out[0] = first;
  key.forEach((byte, i) => {
    out[start - 4 + i] = byte;
  });
  for (let i = 0; i < payload.length; i++) out[start + i]! ^= key[i & 3]!;
  return out;
}

const payload = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 255));
const conversation = Buffer.concat([
  masked(OPCODE.binary, payload),
  frame(OPCODE.ping, Buffer.from('p'), true),
  frame(OPCODE.binary, Buffer.alloc(0), true),
  masked(OPCODE.text, Buffer.from('{"a":'), 0x01),
  frame(OPCODE.ping, Buffer.alloc(0), true),
  masked(OPCODE.continuation, Buffer.from('"ü"}'), 0x80),
  frame(OPCODE.binary, Buffer.alloc(70_000, 7), true),
  frame(OPCODE.close, closePayload(1011, 'why'), true),
]);
const expected = ['300:ping p', '300:ping ', '300:text {"a":"ü"}', '70300:close 1011 why'];

describe('frames', () => {
  it('read the same wherever the stream is torn', () => {
    for (const step of [1, 2, 3, 5, 7, 13, 127, 4096, conversation.length]) {
      const sink = new Sink();
      const reader = new FrameReader(sink, true);
      for (let at = 0; at < conversation.length; at += step) {
        const chunk = Buffer.from(conversation.subarray(at, at + step));
        expect(reader.push(chunk)).toBe(chunk.length);
      }
      expect(sink.seen).toEqual(expected);
      expect(sink.bytes.subarray(0, 300).equals(payload)).toBe(true);
      expect(sink.bytes.subarray(300).equals(Buffer.alloc(70_000, 7))).toBe(true);
    }
  });

  it('stop before binary payload and go on where they stopped', () => {
    const sink = new Sink();
    const reader = new FrameReader(sink, false);
    const wire = Buffer.concat([
      frame(OPCODE.binary, Buffer.from('abc'), false),
      frame(OPCODE.text, Buffer.from('t'), false),
    ]);
    sink.stopped = true;
    const taken = reader.push(wire);
    expect(taken).toBe(2);
    expect([sink.bytes.length, sink.seen]).toEqual([0, []]);
    sink.stopped = false;
    reader.push(wire.subarray(taken));
    expect([sink.bytes.toString(), sink.seen]).toEqual(['abc', ['3:text t']]);
  });

  it.each([
    ['not masked', frame(OPCODE.binary, Buffer.from('x'), false), 'not masked'],
    ['reserved bits', Buffer.from([0xc2, 0x80, 0, 0, 0, 0]), 'reserved bits'],
    ['an unknown opcode', Buffer.from([0x83, 0x80, 0, 0, 0, 0]), 'opcode 3'],
    ['an unknown control opcode', Buffer.from([0x8b, 0x80, 0, 0, 0, 0]), 'opcode 11'],
    ['a fragmented ping', Buffer.from([0x09, 0x80, 0, 0, 0, 0]), 'fragmented'],
    ['a long ping', Buffer.from([0x89, 0xfe, 0, 200, 0, 0, 0, 0]), '200 bytes'],
    ['a continuation of nothing', Buffer.from([0x80, 0x80, 0, 0, 0, 0]), 'out of order'],
    ['a close of one byte', Buffer.from([0x88, 0x81, 0, 0, 0, 0, 1]), '1 byte'],
    ['a frame over the limit', Buffer.from([0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), 'tunnel_frame_bytes'],
    ['an event over the limit', Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]), 'tunnel_event_bytes'],
  ])('refuse %s at once, without its payload', (_, wire, why) => {
    expect(() => new FrameReader(new Sink(), true).push(wire)).toThrow(why);
    const torn = new FrameReader(new Sink(), true);
    expect(() => {
      for (const byte of wire) torn.push(Buffer.from([byte]));
    }).toThrow(why);
  });

  it('keep nothing of the chunks in which pieces of a text or of a ping came', () => {
    const sink = new Sink();
    const reader = new FrameReader(sink, true);
    const push = (bytes: Buffer) => {
      const chunk = Buffer.from(bytes);
      reader.push(chunk);
      chunk.fill(0x21);
    };
    push(masked(OPCODE.text, Buffer.from('ab'), 0x01));
    const ping = masked(OPCODE.ping, Buffer.from('pq'));
    push(ping.subarray(0, -1));
    push(ping.subarray(-1));
    push(masked(OPCODE.continuation, Buffer.from('cd'), 0x80));
    expect(sink.seen).toEqual(['0:ping pq', '0:text abcd']);
  });

  it('refuse events in many fragments that go over the limit together', () => {
    const reader = new FrameReader(new Sink(), true);
    const part = Buffer.alloc(30_000, 0x20);
    const send = (opcode: number, first: number) => {
      const wire = frame(opcode, part, true);
      wire[0] = first;
      reader.push(wire);
    };
    send(OPCODE.text, 0x01);
    send(OPCODE.continuation, 0x00);
    expect(() => send(OPCODE.continuation, 0x00)).toThrow('tunnel_event_bytes');
  });

  it('cut the reason of a close between characters', () => {
    const cut = closePayload(1011, 'ü'.repeat(100));
    expect(cut.length).toBeLessThanOrEqual(125);
    expect(cut.subarray(2).toString()).toBe('ü'.repeat(61));
  });
});
