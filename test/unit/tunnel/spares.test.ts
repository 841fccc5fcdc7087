import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Limit } from '../../../src/core/limits.ts';
import { type DialOptions, TunnelDialer } from '../../../src/tunnel/dial.ts';
import { type SpareOptions, SparePool } from '../../../src/tunnel/spares.ts';
import { eventually, sleep } from '../../support/process.ts';
import { type FakeGateway, fakeGateway } from './gateway.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function setUp(options: Partial<SpareOptions> = {}, dial: Partial<DialOptions> = {}, unstarted?: Limit) {
  const gateway: FakeGateway = await fakeGateway(undefined, unstarted === undefined ? {} : { unstarted });
  const dialer = new TunnelDialer({ url: gateway.url, ca: gateway.ca, headers: async () => ({}), ...dial });
  const pool = new SparePool({ dial: (signal) => dialer.dial('db', signal), ...options });
  cleanups.push(gateway.close, () => pool.close());
  return { gateway, dialer, pool };
}

describe('spare tunnels', () => {
  it('are opened by a probe, handed out without a handshake, and replaced', async () => {
    const { gateway, pool } = await setUp({ size: 2 });
    await pool.probe();
    await eventually('two spares', () => pool.ready === 2);
    const before = gateway.requests.length;
    const taken = await pool.take();
    expect(gateway.requests.length).toBe(before);
    await eventually('the replacement', () => pool.ready === 2);
    await eventually(
      'the start',
      async () => (await Promise.race([gateway.tunnels[0]!.started.then(() => 1), sleep(5)])) === 1,
    );
    let echoed = '';
    taken.stream.onData = (chunk) => {
      echoed += chunk.toString();
    };
    taken.stream.write(Buffer.from('hi'));
    await eventually('the echo', () => echoed === 'hi');
    taken.stream.destroy();
  });

  it('are what a probe opened: none is opened for the question alone', async () => {
    const { gateway, pool } = await setUp({ size: 1 });
    await Promise.all([pool.probe(), pool.probe()]);
    await eventually('a spare', () => pool.ready === 1);
    await sleep(50);
    expect(gateway.requests.length).toBe(1);
  });

  it('resume the TLS session of the handshake before', async () => {
    const { dialer, pool } = await setUp({ size: 1 });
    for (let i = 0; i < 4; i++) {
      const { stream } = await pool.take();
      await eventually('a spare', () => pool.ready === 1);
      stream.destroy();
    }
    expect(dialer.handshakes.total).toBeGreaterThanOrEqual(5);
    expect(dialer.handshakes.resumed).toBeGreaterThanOrEqual(dialer.handshakes.total - 3);
  });

  it('are not enough for a burst: everybody is served all the same', async () => {
    const { pool } = await setUp({ size: 1 });
    const taken = await Promise.all(Array.from({ length: 20 }, () => pool.take()));
    expect(new Set(taken).size).toBe(20);
    for (const { stream } of taken) stream.destroy();
  });

  it('are not trusted after a sleep of the machine, of which the gateway has not told yet', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    cleanups.push(() => vi.useRealTimers());
    const { gateway, pool } = await setUp({ size: 1 });
    await pool.probe();
    await eventually('a spare', () => pool.ready === 1);
    vi.setSystemTime(Date.now() + 30_000);
    const { stream } = await pool.take();
    expect(gateway.requests.length).toBeGreaterThan(1);
    let echoed = '';
    stream.onData = (chunk) => {
      echoed += chunk.toString();
    };
    stream.write(Buffer.from('awake'));
    await vi.waitUntil(() => echoed === 'awake');
    const first = await Promise.race([gateway.tunnels[0]!.started.then(() => 'used'), gateway.tunnels[0]!.closed]);
    expect(first).not.toBe('used');
    stream.destroy();
  });

  it('grow old and are replaced; an idle pool drops them', async () => {
    const { gateway, pool } = await setUp({ size: 1, maxAgeMs: 60, idleMs: 3000 });
    await pool.probe();
    await eventually('an old one was replaced', () => gateway.requests.length >= 3);
    await eventually('no more are opened', async () => {
      const before = gateway.requests.length;
      await sleep(200);
      return pool.ready === 0 && gateway.requests.length === before;
    });
  });

  it('are given up before the gateway closes them: none ends in the hands of who took it', async () => {
    const ends: string[] = [];
    const { gateway, pool } = await setUp({ size: 1 }, {}, { value: 500, name: 'tunnel_unstarted_ms', unit: 'ms' });
    gateway.serve = (tunnel) => void tunnel.closed.then((error) => ends.push(error?.message ?? 'closed'));
    await pool.probe();
    await eventually('two were replaced', () => ends.length >= 2);
    expect(ends.filter((end) => end.includes('not used'))).toEqual([]);
  });

  it('that the gateway closed are replaced', async () => {
    const { gateway, pool } = await setUp({ size: 1 });
    await pool.probe();
    await eventually('a spare', () => pool.ready === 1);
    gateway.tunnels[0]!.stream.destroy();
    await eventually('another', () => gateway.tunnels.length >= 2 && pool.ready === 1);
  });

  it('fail whoever waits with the refusal, without hammering the gateway', async () => {
    const { gateway, pool } = await setUp({ size: 2 });
    const { refuse } = await import('../../../src/tunnel/accept.ts');
    gateway.intercept = (_, socket) => {
      refuse(socket, 403, { error: { code: 'access_denied', message: 'no access to db', next: 'ask' } });
      return true;
    };
    await expect(pool.take()).rejects.toMatchObject({ code: 'access_denied', message: 'no access to db', fix: 'ask' });
    await sleep(200);
    // The one that was waited for and those that were to be kept, once.
    expect(gateway.requests.length).toBeLessThanOrEqual(3);
  });

  it('give up waiting when told to', async () => {
    const { gateway, pool } = await setUp({ size: 0 });
    gateway.intercept = () => true; // never answers
    const abort = new AbortController();
    const taking = pool.take(abort.signal);
    setTimeout(() => abort.abort(new Error('enough')), 20);
    await expect(taking).rejects.toThrow('enough');
  });
});
