import { afterEach, describe, expect, it } from 'vitest';
import { type SessionEvent, SessionEvents } from '../../../src/session/events.ts';
import { EventRelay, RELAY_BYTES, type RelayChannel } from '../../../src/session/relay.ts';

const sent: string[] = [];
const listeners = new Set<(text: string) => void>();
const channel: RelayChannel = {
  send(text) {
    sent.push(text);
    for (const listener of listeners) listener(text);
  },
  listen(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

const relays: EventRelay[] = [];
afterEach(() => {
  for (const relay of relays.splice(0)) relay.stop();
  sent.length = 0;
});

function gateway(name: string): { events: SessionEvents; relay: EventRelay } {
  const events = new SessionEvents();
  const relay = new EventRelay({ gateway: name, events, channel, askMs: 20 });
  relays.push(relay);
  return { events, relay };
}

const operation = (session: string, n: number, text = ''): SessionEvent => ({
  ...{ type: 'operation', session, n, at: 0, text, verdict: 'allow' },
});

/** What a watcher of one session, or of all, is told. */
function told(events: SessionEvents, session?: string): SessionEvent[] {
  const seen: SessionEvent[] = [];
  events.subscribe(session, (event) => void seen.push(event));
  return seen;
}

describe('events of a session at another gateway', () => {
  it('come while somebody watches, once each, and are not sent back', async () => {
    const [a, b, c] = [gateway('a'), gateway('b'), gateway('c')];
    expect(a.events.wanted('s-1')).toBe(false);
    const [one, all] = [told(b.events, 's-1'), told(c.events)];
    const stops = [b.relay.watch('s-1'), c.relay.watch(undefined)];
    expect(a.events.wanted('s-1')).toBe(true);
    for (let n = 0; n < 3; n++) a.events.emit('s-1', operation('s-1', n));
    a.events.emit('s-2', operation('s-2', 9));
    await expect.poll(() => all.length).toBe(4);
    expect(one).toEqual([0, 1, 2].map((n) => operation('s-1', n)));
    b.events.emit('s-3', operation('s-3', 1));
    await expect.poll(() => all.length).toBe(5);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect([one.length, all.length]).toEqual([3, 5]);
    for (const stop of stops) stop();
  });

  it('that are too many are counted, and no text is longer than may be', async () => {
    const [a, b] = [gateway('a'), gateway('b')];
    const seen = told(b.events);
    b.relay.watch(undefined);
    for (let n = 0; n < 3000; n++) a.events.emit('s-1', operation('s-1', n, 'ü'.repeat(200)));
    a.events.emit('s-1', operation('s-1', 3000, 'x'.repeat(RELAY_BYTES)));
    const lost = () => seen.find((one) => one.type === 'lost') as { count: number } | undefined;
    await expect.poll(lost).toBeDefined();
    expect(lost()!.count + seen.length - 1).toBe(3001);
    expect(seen.length).toBeGreaterThan(50);
    expect(Math.max(...sent.map((text) => Buffer.byteLength(text)))).toBeLessThanOrEqual(RELAY_BYTES);
    a.events.emit('s-1', operation('s-1', 4000));
    await expect.poll(() => seen.at(-1)).toEqual(operation('s-1', 4000));
  });

  it('that are too many of a session are told to whoever watches it alone', async () => {
    const [a, b, c] = [gateway('a'), gateway('b'), gateway('c')];
    const [one, other, all] = [told(b.events, 's-1'), told(b.events, 's-2'), told(c.events)];
    b.relay.watch('s-1');
    b.relay.watch('s-2');
    c.relay.watch(undefined);
    for (let n = 0; n < 3000; n++) a.events.emit('s-1', operation('s-1', n, 'x'.repeat(200)));
    a.events.emit('s-2', operation('s-2', 1));
    const count = (seen: SessionEvent[]) =>
      seen.reduce((sum, event) => sum + (event.type === 'lost' ? event.count : 1), 0);
    await expect.poll(() => [count(one), count(other), count(all)]).toEqual([3000, 1, 3001]);
  });
});
