// The transport against itself, in memory: what it takes of ssh2's inside is there, before and after keys are changed.

import { afterEach, expect, it, vi } from 'vitest';
import { type ByteStream, streamPair } from '../../../../../src/core/stream.ts';
import { Ed25519Key } from '../../../../../src/protocol/ssh/keys/ed25519.ts';
import { DEFAULT_LIMITS } from '../../../../../src/protocol/ssh/limits.ts';
import { gcmPacket } from '../../../../../src/protocol/ssh/transport/gcm-packet.ts';
import { giveBack } from '../../../../../src/protocol/ssh/transport/rooms.ts';
import { type Rekey, type Role, Transport } from '../../../../../src/protocol/ssh/transport/transport.ts';
import { eventually } from '../../../../support/process.ts';

vi.mock('../../../../../src/protocol/ssh/transport/gcm-packet.ts', async (original) => {
  const real = await original<{ gcmPacket: typeof gcmPacket }>();
  return { gcmPacket: vi.fn(real.gcmPacket) };
});

// What is used again is spoiled first: whoever still needs it would see that.
vi.mock('../../../../../src/protocol/ssh/transport/rooms.ts', async (original) => {
  const real = await original<{ giveBack: typeof giveBack; isRoom(packet: Buffer): boolean }>();
  const spoil = (packet: Buffer) => {
    if (real.isRoom(packet)) Buffer.from(packet.buffer).fill(0xdd);
    real.giveBack(packet);
  };
  return { ...real, giveBack: vi.fn(spoil) };
});

/**
 * A stream that takes what is written a turn later, and reads in chunks as large as a socket's, the last 16 bytes (an
 * authentication tag) on their own; a chunk is spoiled when it is released.
 */
class SlowStream implements ByteStream {
  onData: ((chunk: Buffer) => void) | undefined;
  onEnd: (() => void) | undefined;
  onClose: ((error: Error | undefined) => void) | undefined;
  onDrain: (() => void) | undefined;
  readonly remote = 'slow';
  released = 0;
  other!: SlowStream;
  #written: Buffer[] = [];

  get queued(): number {
    return this.#written.reduce((sum, { length }) => sum + length, 0);
  }

  write(chunk: Buffer): boolean {
    if (this.#written.length === 0) setImmediate(() => this.#taken());
    this.#written.push(chunk);
    return true;
  }

  release(chunk: Buffer): void {
    this.released += 1;
    chunk.fill(0xee);
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}

  #taken(): void {
    const all = Buffer.concat(this.#written);
    this.#written = [];
    const tag = Math.max(0, all.length - 16);
    for (let at = 0; at < tag; at += 65_536)
      this.other.onData?.(Buffer.from(all.subarray(at, Math.min(tag, at + 65_536))));
    this.other.onData?.(Buffer.from(all.subarray(tag)));
  }
}

/** CHANNEL_DATA, whose number is not ssh2's. */
const NUMBER = 94;
const hostKey = new Ed25519Key(Buffer.alloc(32, 7));
const often = { ...DEFAULT_LIMITS, rekeyBytes: { ...DEFAULT_LIMITS.rekeyBytes, value: 200_000 } };

interface End {
  readonly transport: Transport;
  readonly got: Buffer[];
  readonly ready: Promise<void>;
  readonly over: (Error | undefined)[];
}

async function end(stream: ByteStream, role: Role, rekey: Rekey = often): Promise<End> {
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
  expect(vi.mocked(gcmPacket).mock.calls.map(([bytes]) => bytes)).toEqual([payloads[1]!.length, payloads[1]!.length]);
  // RFC 4253 §7.2: the session keeps the first one.
  expect(client.transport.sessionId).toEqual(firstId);
});

it('uses memory again for packets that are written and chunks that are read, and for none that somebody needs', async () => {
  const [near, far] = [new SlowStream(), new SlowStream()];
  near.other = far;
  far.other = near;
  const seldom = { ...often, rekeyBytes: { ...often.rekeyBytes, value: 3_000_000 } };
  const server = await end(near, { as: 'server', hostKey }, seldom);
  const client = await end(far, { as: 'client', verify: (shown) => shown }, seldom);
  open.push(server, client);
  await Promise.all([server.ready, client.ready]);
  vi.mocked(giveBack).mockClear();
  const payloads = Array.from({ length: 400 }, (_, i) => {
    const payload = Buffer.alloc(1 + ((i * 7919) % 32_000), i);
    payload[0] = NUMBER;
    return payload;
  });
  for (const [i, payload] of payloads.entries()) {
    server.transport.send(payload);
    client.transport.send(payload);
    // Several a turn, so that packets lie across chunks.
    if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually('all has come', () => server.got.length === 400 && client.got.length === 400);
  expect(server.got.every((got, i) => got.equals(payloads[i]!))).toBe(true);
  expect(client.got.every((got, i) => got.equals(payloads[i]!))).toBe(true);
  expect([server.over, client.over]).toEqual([[], []]);
  expect(vi.mocked(giveBack).mock.calls.length).toBeGreaterThan(100);
  expect(Math.min(near.released, far.released)).toBeGreaterThan(20);
});

it('does not read a side that has changed keys for a while, whoever would', async () => {
  const [near, far] = streamPair();
  const rests = Promise.withResolvers<void>();
  const [pause, resume] = [vi.spyOn(near, 'pause'), vi.spyOn(near, 'resume')];
  pause.mockImplementation(() => rests.resolve());
  const server = await end(near, { as: 'server', hostKey }, DEFAULT_LIMITS);
  const client = await end(far, { as: 'client', verify: (shown) => shown });
  open.push(server, client);
  await Promise.all([server.ready, client.ready]);
  expect(pause).not.toHaveBeenCalled();
  const payload = Buffer.alloc(30_000, NUMBER);
  for (let i = 0; i < 8; i++) client.transport.send(payload);
  await rests.promise;
  const before = resume.mock.calls.length;
  server.transport.resume();
  expect(resume.mock.calls.length).toBe(before);
  await eventually('it goes on', async () => resume.mock.calls.length > before && server.got.length === 8);
});
