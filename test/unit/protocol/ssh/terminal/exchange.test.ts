// What a host says in single bytes to a client that has no window costs what the same costs in large pieces.

import { expect, it } from 'vitest';
import { Leg } from '../../../../../src/protocol/ssh/channels/leg.ts';
import { DEFAULT_LIMITS } from '../../../../../src/protocol/ssh/limits.ts';
import { Exchange, type ExchangeOptions } from '../../../../../src/protocol/ssh/terminal/exchange.ts';

const BYTES = 50_000;

it('output in single bytes that waits for a window shares blocks, and goes in one piece', () => {
  const sent: Buffer[] = [];
  const transport = { send: (head: Buffer, more = Buffer.alloc(0)) => sent.push(Buffer.concat([head, more])) };
  const leg = (window: number) =>
    new Leg(transport as never, 1, window, 32_768, { ...DEFAULT_LIMITS.window, value: 2 * BYTES });
  const [client, target] = [leg(0), leg(0)];
  const exchange = new Exchange({
    ...{
      session: {},
      id: 1,
      operation: {},
      limits: DEFAULT_LIMITS,
      client,
      target,
      terminal: undefined,
      unmasked: true,
    },
    ...{ guard: (action: () => void) => action(), tell: () => {}, refused: () => {}, resumed: () => {} },
  } as unknown as ExchangeOptions);
  const before = process.memoryUsage().arrayBuffers;
  for (let at = 0; at < BYTES; at++) {
    target.received(1);
    exchange.wrote(0, Buffer.from([at & 127]));
  }
  // A block for each would be 400 MiB.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 2 ** 20);
  expect(sent).toEqual([]);
  expect(client.waiting).toBe(BYTES);
  client.granted(BYTES);
  expect(client.waiting).toBe(0);
  const data = sent.filter(([number]) => number === 94).map((message) => message.subarray(9));
  expect(Buffer.concat(data)).toEqual(Buffer.from(Array.from({ length: BYTES }, (_, at) => at & 127)));
  // The host may say as much again: half of what it may say at all is back.
  expect(sent.filter(([number]) => number === 93)).toHaveLength(1);
  exchange.close('the end');
});
