// The transport against itself, in memory: what it takes of ssh2's inside is there, before and after keys are changed.

import { afterEach, expect, it, vi } from 'vitest';
import { streamPair } from '../../../../../src/core/stream.ts';
import { Ed25519Key } from '../../../../../src/protocol/ssh/keys/ed25519.ts';
import { DEFAULT_LIMITS } from '../../../../../src/protocol/ssh/limits.ts';
import { gcmPacket } from '../../../../../src/protocol/ssh/transport/gcm-packet.ts';
import { type Role, Transport } from '../../../../../src/protocol/ssh/transport/transport.ts';
import { eventually } from '../../../../support/process.ts';

vi.mock('../../../../../src/protocol/ssh/transport/gcm-packet.ts', async (original) => {
  const real = await original<{ gcmPacket: typeof gcmPacket }>();
  return { gcmPacket: vi.fn(real.gcmPacket) };
});

/** CHANNEL_DATA, whose number is not ssh2's. */
const NUMBER = 94;
const hostKey = new Ed25519Key(Buffer.alloc(32, 7));
const rekey = { ...DEFAULT_LIMITS, rekeyBytes: { ...DEFAULT_LIMITS.rekeyBytes, value: 200_000 } };

interface End {
  readonly transport: Transport;
  readonly got: Buffer[];
  readonly ready: Promise<void>;
  readonly over: (Error | undefined)[];
}

async function end(stream: ReturnType<typeof streamPair>[number], role: Role): Promise<End> {
  const ready = Promise.withResolvers<void>();
  const got: Buffer[] = [];
  const over: (Error | undefined)[] = [];
  const events = {
    ready: ready.resolve,
    message: (payload: Buffer) => void got.push(Buffer.from(payload)),
    closed: (error: Error | undefined) => void over.push(error),
  };
  return { transport: await Transport.open(stream, role, events, rekey), got, ready: ready.promise, over };
}

const open: End[] = [];
afterEach(() => {
  for (const { transport } of open.splice(0)) transport.close();
});

it('carries messages of every size both ways over changes of keys, in packets of ours', async () => {
  const [near, far] = streamPair();
  const server = await end(near, { as: 'server', hostKey });
  const client = await end(far, { as: 'client', verify: (shown) => shown });
  open.push(server, client);
  await Promise.all([server.ready, client.ready]);
  const firstId = client.transport.sessionId;
  expect(server.transport.sessionId).toEqual(firstId);

  const payloads = Array.from({ length: 120 }, (_, i) => {
    const payload = Buffer.alloc(1 + ((i * 997) % 30_000), i);
    payload[0] = NUMBER;
    return payload;
  });
  for (const payload of payloads) {
    server.transport.send(payload.subarray(0, 1), payload.subarray(1));
    client.transport.send(payload);
    // As from a socket: the other end has its turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually('all has come', () => server.got.length === 120 && client.got.length === 120);
  expect(server.got).toEqual(payloads);
  expect(client.got).toEqual(payloads);
  expect([server.over, client.over]).toEqual([[], []]);
  // Behind the many exchanges of keys that 1.8 MB each way ask for, with another cipher of ssh2's each time.
  vi.mocked(gcmPacket).mockClear();
  for (const { transport } of open) transport.send(payloads[1]!);
  expect(vi.mocked(gcmPacket).mock.calls).toEqual([[payloads[1]!.length], [payloads[1]!.length]]);
  // RFC 4253 §7.2: the session keeps the first one.
  expect(client.transport.sessionId).toEqual(firstId);
});
