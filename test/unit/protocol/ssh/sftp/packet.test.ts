import { afterEach, expect, it, vi } from 'vitest';
import { limit } from '../../../../../src/core/limits.ts';
import { Packets } from '../../../../../src/protocol/ssh/sftp/packet.ts';

const bound = limit('test_packet_bytes', 'bytes', 300_000);

function packetOf(length: number, fill: number): Buffer {
  const packet = Buffer.alloc(4 + length, fill);
  packet.writeUInt32BE(length, 0);
  return packet;
}

afterEach(() => void vi.restoreAllMocks());

it('finds the same packets however the stream is cut', () => {
  const sent = [1, 5, 0x7fff, 17, 200_000, 1].map((length, i) => packetOf(length, i + 1));
  const stream = Buffer.concat(sent);
  for (const piece of [1, 3, 4, 5, 1000, 32_768, stream.length]) {
    const packets = new Packets(bound);
    const got: Buffer[] = [];
    for (let at = 0; at < stream.length; at += piece) {
      // What is given is the callee's until it returns.
      const chunk = Buffer.from(stream.subarray(at, at + piece));
      for (const packet of packets.take(chunk)) got.push(Buffer.from(packet));
      chunk.fill(0xee);
    }
    expect(got.length).toBe(sent.length);
    expect(got.every((packet, i) => packet.equals(sent[i]!))).toBe(true);
  }
});

it('copies a large packet that comes byte by byte no more than a few times', () => {
  const sent = packetOf(250_000, 7);
  const packets = new Packets(bound);
  let copied = 0;
  const copy = Buffer.prototype.copy;
  vi.spyOn(Buffer.prototype, 'copy').mockImplementation(function (this: Buffer, ...args: Parameters<typeof copy>) {
    const count = copy.apply(this, args);
    copied += count;
    return count;
  });
  vi.spyOn(Buffer, 'concat').mockImplementation((list) => {
    const all = Buffer.allocUnsafe(list.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const one of list) {
      all.set(one, at);
      at += one.length;
    }
    copied += at;
    return all;
  });
  let found = 0;
  for (let at = 0; at < sent.length; at++)
    for (const packet of packets.take(sent.subarray(at, at + 1))) found += packet.length;
  expect(found).toBe(sent.length);
  expect(copied).toBeLessThan(4 * sent.length);
});

it('refuses a packet that says to be longer than the limit', () => {
  const packets = new Packets(bound);
  expect(() => [...packets.take(packetOf(300_001, 0).subarray(0, 5))]).toThrow(/test_packet_bytes/);
});
