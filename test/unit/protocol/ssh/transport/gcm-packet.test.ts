import { expect, it } from 'vitest';
import { gcmPacket } from '../../../../../src/protocol/ssh/transport/gcm-packet.ts';

it('has whole blocks behind its length, padding of at least four bytes that differs, and room for the tag', () => {
  const seen = new Set<string>();
  let long = 0;
  for (let payload = 0; payload < 2000; payload++) {
    const packet = gcmPacket(payload);
    const length = packet.readUInt32BE(0);
    const padding = packet[4]!;
    expect(length % 16).toBe(0);
    expect(length).toBe(1 + payload + padding);
    expect(packet.length).toBe(4 + length + 16);
    expect(padding).toBeGreaterThanOrEqual(4);
    expect(padding).toBeLessThan(4 + 16);
    if (padding < 8) continue;
    long += 1;
    seen.add(packet.subarray(5 + payload, 5 + payload + 8).toString('hex'));
  }
  // Eight random bytes do not come twice.
  expect(seen.size).toBe(long);
});
