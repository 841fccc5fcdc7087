// An empty packet for AES-GCM: ssh2's own asks the system for padding packet by packet, which was a twentieth of what a
// transfer costs. Refuses to know: keys, what is sent.

import { randomFillSync } from 'node:crypto';

const BLOCK = 16;
const LEAST_PADDING = 4;
const TAG = 16;

const padding = Buffer.allocUnsafeSlow(8192);
let used = padding.length;

/**
 * Room for a payload of so many bytes: packet_length, padding_length, payload, random padding up to a whole block
 * (RFC 4253 section 6, RFC 5647 section 7.2), and the tag's 16 bytes.
 */
export function gcmPacket(payloadBytes: number, room: (bytes: number) => Buffer = Buffer.allocUnsafe): Buffer {
  const padded = BLOCK - ((1 + payloadBytes) % BLOCK);
  const pad = padded < LEAST_PADDING ? padded + BLOCK : padded;
  const length = 1 + payloadBytes + pad;
  const packet = room(4 + length + TAG);
  packet.writeUInt32BE(length, 0);
  packet[4] = pad;
  if (used + pad > padding.length) {
    randomFillSync(padding);
    used = 0;
  }
  for (let i = 5 + payloadBytes; i < 4 + length; i++) packet[i] = padding[used++]!;
  return packet;
}
