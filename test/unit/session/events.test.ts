import { expect, it } from 'vitest';
import { type SessionEvent, SessionEvents } from '../../../src/session/events.ts';

const event = (n: number, session = 's-1'): SessionEvent => ({
  type: 'operation',
  session,
  n,
  at: 0,
  text: '',
  verdict: 'allow',
});

it('gives a stream of one session until its end', async () => {
  const events = new SessionEvents();
  expect(events.wanted('s-1')).toBe(false);
  const seen: SessionEvent[] = [];
  const reading = (async () => {
    for await (const one of events.stream('s-1', new AbortController().signal)) seen.push(one);
  })();
  await Promise.resolve();
  expect([events.wanted('s-1'), events.wanted('s-2')]).toEqual([true, false]);
  events.emit('s-1', event(1));
  events.emit('s-2', event(9, 's-2'));
  await new Promise((resolve) => setImmediate(resolve));
  events.emit('s-1', event(2));
  events.emit('s-1', { type: 'end', session: 's-1', code: 'client_closed', message: '', at: 0 });
  await reading;
  expect(seen.map((one) => (one.type === 'operation' ? one.n : one.type))).toEqual([1, 2, 'end']);
  expect(events.wanted('s-1')).toBe(false);
});

it('never holds more than its bound for one that does not read, and tells how many it lost', async () => {
  const events = new SessionEvents();
  const abort = new AbortController();
  const stream = events.stream(undefined, abort.signal, { bound: 3 });
  const first = stream.next();
  events.emit('s-1', event(0));
  expect((await first).value).toMatchObject({ n: 0 });
  for (let n = 1; n <= 10; n++) events.emit('s-1', event(n));
  const rest: SessionEvent[] = [];
  for (let i = 0; i < 4; i++) rest.push((await stream.next()).value as SessionEvent);
  expect(rest).toMatchObject([{ type: 'lost', count: 7 }, { n: 8 }, { n: 9 }, { n: 10 }]);
  const last = stream.next();
  abort.abort();
  expect((await last).done).toBe(true);
  expect(events.wanted('s-1')).toBe(false);
});

it('gives what operations put out to whoever asks for it, and holds no more than its bound of that', async () => {
  const events = new SessionEvents();
  const abort = new AbortController();
  const without = events.stream('s-1', abort.signal);
  const told = without.next();
  expect(events.wantsOutput('s-1')).toBe(false);
  const stream = events.stream('s-1', abort.signal, { output: true });
  const first = stream.next();
  expect([events.wantsOutput('s-1'), events.wantsOutput('s-2')]).toEqual([true, false]);
  const output = (text: string) =>
    events.emitOutput('s-1', { type: 'output', session: 's-1', n: 1, at: 0, stream: 'out', text });
  output('hello');
  expect((await first).value).toMatchObject({ type: 'output', text: 'hello' });
  for (const letter of 'abc') output(letter.repeat(2 * 1024 * 1024));
  expect((await stream.next()).value).toEqual({ type: 'lost', count: 1 });
  expect(((await stream.next()).value as { text: string }).text[0]).toBe('b');
  events.emit('s-1', event(7));
  expect((await told).value).toMatchObject({ type: 'operation', n: 7 });
  abort.abort();
  await without.next();
  await stream.next();
  await stream.next();
  await stream.next();
  expect(events.wantsOutput('s-1')).toBe(false);
});
