import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limit } from '../../../src/core/limits.ts';
import type { ByteStream } from '../../../src/core/stream.ts';
import { type DialledTunnel, TunnelDialer } from '../../../src/tunnel/dial.ts';
import { KeepAlive } from '../../../src/tunnel/keepalive.ts';
import { eventually, sleep } from '../../support/process.ts';
import { echo, type FakeGateway, fakeGateway } from './gateway.ts';

let gateway: FakeGateway;
let dialer: TunnelDialer;
const opened: DialledTunnel[] = [];

function dialerTo(target: FakeGateway, keepAlive?: KeepAlive): TunnelDialer {
  return new TunnelDialer({
    url: target.url,
    ca: target.ca,
    headers: async () => ({ Authorization: 'Bearer t' }),
    keepAlive,
  });
}

async function dial(): Promise<DialledTunnel> {
  const tunnel = await dialer.dial('db');
  opened.push(tunnel);
  return tunnel;
}

function collect(stream: ByteStream): { bytes: () => Buffer; ended: Promise<void> } {
  const chunks: Buffer[] = [];
  const ended = new Promise<void>((resolve) => {
    stream.onEnd = resolve;
  });
  stream.onData = (chunk) => chunks.push(Buffer.from(chunk));
  return { bytes: () => Buffer.concat(chunks), ended };
}

beforeEach(async () => {
  gateway = await fakeGateway();
  dialer = dialerTo(gateway);
});

afterEach(async () => {
  for (const tunnel of opened.splice(0)) tunnel.stream.destroy();
  await gateway.close();
});

describe('a tunnel carries bytes', () => {
  it('back and forth in order, whatever the sizes of the writes', async () => {
    const { stream } = await dial();
    const got = collect(stream);
    const sent: Buffer[] = [];
    for (const size of [1, 125, 126, 127, 65_535, 65_536, 65_537, 200_000, 3]) {
      const chunk = randomBytes(size);
      sent.push(Buffer.from(chunk));
      stream.write(chunk);
      if (size > 60_000) await sleep(5);
    }
    stream.end();
    await got.ended;
    expect(got.bytes().equals(Buffer.concat(sent))).toBe(true);
    expect(await gateway.tunnels[0]!.closed).toBeUndefined();
  });

  it('100 MB to a slow reader with bounded queues on the way', async () => {
    const chunk = randomBytes(1 << 16);
    const total = 1600 * chunk.length;
    let written = 0;
    let mostQueued = 0;
    gateway.serve = ({ stream }) => {
      const pump = () => {
        while (written < total) {
          written += chunk.length;
          const room = stream.write(chunk);
          mostQueued = Math.max(mostQueued, stream.queued);
          if (!room) return;
        }
        stream.end();
      };
      stream.onDrain = pump;
      stream.onData = pump;
    };
    const { stream } = await dial();
    let read = 0;
    let ended = false;
    stream.onData = (bytes) => {
      const before = Math.floor(read / 10_000_000);
      read += bytes.length;
      if (Math.floor(read / 10_000_000) === before) return;
      stream.pause();
      const at = written;
      setTimeout(() => {
        // Paused means that the writer stands still but for what fits into the kernel's buffers (some MB).
        expect(written - at).toBeLessThan(9_000_000);
        stream.resume();
      }, 30);
    };
    stream.onEnd = () => {
      ended = true;
    };
    stream.write(Buffer.from('go'));
    await eventually('the end', () => ended, 30_000);
    expect(read).toBe(total);
    expect(mostQueued).toBeLessThan(300_000);
  });

  it('delivers nothing between pause and resume, not even the rest of what was read', async () => {
    gateway.serve = ({ stream, sendEvent }) => {
      stream.onData = () => {
        for (let i = 0; i < 50; i++) {
          stream.write(Buffer.from([i]));
          sendEvent({ type: 'review', id: 'r', rule: 'r', state: 'pending' }); // keeps the frames apart
        }
      };
    };
    const tunnel = await dial();
    const seen: number[] = [];
    let paused = false;
    tunnel.stream.onData = (chunk) => {
      expect(paused).toBe(false);
      seen.push(...chunk);
      tunnel.stream.pause();
      paused = true;
      setImmediate(() => {
        paused = false;
        tunnel.stream.resume();
      });
    };
    tunnel.stream.write(Buffer.from('x'));
    await eventually('all bytes', () => seen.length === 50);
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('keeps sending after the other side has ended (half-close)', async () => {
    gateway.serve = ({ stream }) => {
      let got = '';
      stream.onData = (chunk) => {
        got += chunk.toString();
      };
      stream.onEnd = () => {
        setTimeout(() => {
          stream.write(Buffer.from(`answer to ${got}`));
          stream.end();
        }, 20);
      };
    };
    const { stream, closed } = await dial();
    const got = collect(stream);
    stream.write(Buffer.from('question'));
    stream.end();
    await got.ended;
    expect(got.bytes().toString()).toBe('answer to question');
    expect(await closed).toBeUndefined();
  });
});

describe('a tunnel carries events', () => {
  it('in order with the bytes, also those that came before anybody listened', async () => {
    gateway.serve = ({ stream, sendEvent }) => {
      sendEvent({ type: 'session', id: 's-1' });
      echo({ stream } as never);
    };
    const tunnel = await dial();
    await sleep(20);
    const events: unknown[] = [];
    tunnel.onEvent = (event) => events.push(event);
    await eventually('the event', () => events.length === 1);
    expect(events).toEqual([{ type: 'session', id: 's-1' }]);
  });

  it('and says when the client takes it into use, not before', async () => {
    const order: string[] = [];
    gateway.serve = (tunnel) => {
      void tunnel.started.then(() => {
        order.push('started');
        const got = collect(tunnel.stream);
        void eventually('bytes', () => got.bytes().length > 0).then(() => order.push(got.bytes().toString()));
      });
    };
    const quiet = await dial();
    await sleep(30);
    expect(order).toEqual([]);
    quiet.start();
    await eventually('started', () => order.length === 1);
    order.length = 0;
    const talking = await dial();
    talking.stream.write(Buffer.from('first'));
    await eventually('started and the first bytes', () => order.length === 2);
    expect(order).toEqual(['started', 'first']);
  });
});

describe('a tunnel ends', () => {
  it('with the reason that the gateway gave', async () => {
    const { userError } = await import('../../../src/core/errors.ts');
    gateway.serve = ({ stream }) => {
      stream.onData = () => stream.destroy(userError('session_killed', 'session was killed by alice'));
    };
    const { stream, closed } = await dial();
    stream.onData = () => {};
    stream.write(Buffer.from('x'));
    expect((await closed)?.message).toContain('session_killed: session was killed by alice');
  });

  it('alone: the reset of one leaves the others', async () => {
    const one = await dial();
    const other = await dial();
    const got = collect(other.stream);
    one.stream.write(Buffer.from('x'));
    await eventually('both there', () => gateway.tunnels.length === 2);
    one.stream.destroy();
    await gateway.tunnels[0]!.closed;
    other.stream.write(Buffer.from('still here'));
    await eventually('the echo', () => got.bytes().toString() === 'still here');
  });

  it('on both sides when the connection breaks', async () => {
    const { closed } = await dial();
    const accepted = gateway.tunnels[0]!;
    (accepted.stream as unknown as { dead(ms: number): void }).dead(5);
    expect(await closed).toMatchObject({ code: 'gateway_unreachable' });
    expect(await accepted.closed).toMatchObject({ code: 'client_gone' });
  });

  it('when nothing was heard of the peer for the named time', async () => {
    await gateway.close();
    const mute = new KeepAlive(limit('ping', 'ms', 3_600_000), limit('dead', 'ms', 7_200_000));
    gateway = await fakeGateway(echo, { keepAlive: mute });
    const watch = new KeepAlive(limit('ping', 'ms', 40), limit('dead', 'ms', 120));
    dialer = dialerTo(gateway, watch);
    const { closed } = await dial();
    // The fake gateway stops reading, so that it does not even answer pings.
    gateway.tunnels[0]!.stream.pause();
    expect(await closed).toMatchObject({ code: 'gateway_unreachable' });
    expect((await closed)?.message).toContain('nothing heard for 120 ms');
  });

  it('not while both only wait: pings keep an idle one alive, and a reader that is slow on purpose is not dead', async () => {
    await gateway.close();
    const quick = () => new KeepAlive(limit('ping', 'ms', 20), limit('dead', 'ms', 120));
    gateway = await fakeGateway(echo, { keepAlive: quick() });
    dialer = dialerTo(gateway, quick());
    const idle = await dial();
    const slow = await dial();
    slow.stream.onData = () => {};
    slow.stream.pause();
    await sleep(500);
    const got = collect(idle.stream);
    const late = collect(slow.stream);
    slow.stream.resume();
    idle.stream.write(Buffer.from('a'));
    slow.stream.write(Buffer.from('b'));
    await eventually('both echoes', () => got.bytes().length === 1 && late.bytes().length === 1);
  });
});
