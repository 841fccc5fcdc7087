// Malformed and truncated PostgreSQL conversations, made from a seed: what a gateway has to bear from anybody.

import { sleep } from './process.ts';
import type { Random } from './random.ts';
import {
  bind,
  describePortal,
  execute,
  int16,
  int32,
  message,
  parse,
  query,
  startupMessage,
  sync,
  WireClient,
  type WireOptions,
} from './wire.ts';

const VALID = [
  () => query('select 1'),
  () => parse('s', 'select $1::int'),
  () => bind('', 's', ['1']),
  () => describePortal(''),
  () => execute(''),
  () => sync(),
  () => message('C', Buffer.from('S'), 's'),
  () => message('H'),
  () => message('d', Buffer.from('data')),
  () => message('c'),
  () => message('f', 'no'),
  () => message('F', int32(1), int16(0), int16(0), int16(0)),
  () => message('p', 'again'),
];

/** One way to break a message that was well-formed. */
export function brokenMessage(original: Buffer, random: Random): Buffer {
  const broken = Buffer.from(original);
  switch (random.below(9)) {
    case 0:
      return broken.subarray(0, random.below(broken.length));
    case 1:
      broken.writeInt32BE(random.pick([0, 1, 3, -1, -2_147_483_648, 2_147_483_647, 1_500_000_000, 5]), 1);
      return broken;
    case 2:
      broken[0] = random.below(256);
      return broken;
    case 3:
      for (let i = 0; i < 3; i++) broken[5 + random.below(Math.max(1, broken.length - 5))] = random.below(256);
      return broken;
    case 4:
      return Buffer.concat([broken, random.bytes(1 + random.below(40))]);
    case 5:
      return message(
        'B',
        '',
        's',
        int16(random.pick([-1, 32_767, 2])),
        int16(random.pick([-1, 9])),
        int32(random.pick([-5, 2_000_000_000])),
      );
    case 6:
      return message('P', 'x', 'select 1', int16(random.pick([-1, 32_767])));
    case 7:
      // No terminating zero.
      return message(random.pick(['Q', 'P', 'D', 'C', 'E']), Buffer.from('select 1'));
    default:
      return random.bytes(1 + random.below(200));
  }
}

export function brokenStartup(random: Random): Buffer {
  const good = startupMessage({ user: 'alice', database: 'app' });
  switch (random.below(8)) {
    case 0:
      return good.subarray(0, 1 + random.below(good.length - 1));
    case 1:
      good.writeInt32BE(random.pick([0, 4, 7, -1, 2_147_483_647, 100_000_000]), 0);
      return good;
    case 2:
      good.writeInt32BE(random.pick([0, 131_072, 80_877_102, 80_877_103, 80_877_104, -1]), 4);
      return good;
    case 3:
      return random.bytes(1 + random.below(300));
    case 4:
      return Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    case 5:
      return Buffer.concat([int32(9 + 3), int32(196_608), Buffer.from('use')]);
    case 6:
      // A cancel request with a key that nobody has.
      return Buffer.concat([int32(16), int32(80_877_102), random.bytes(8)]);
    default:
      return Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, ...random.bytes(60)]);
  }
}

/** The two ways in: a port of `connect`, and the native listener. */
export interface Doors {
  tunnel: WireOptions;
  native: WireOptions;
}

/** One conversation that goes wrong somewhere; resolves when the gateway has ended it or after its wait. */
export async function brokenConversation(number: number, random: Random, doors: Doors): Promise<void> {
  const { native } = doors;
  const overTls = number % 3 === 0;
  const options: WireOptions = overTls ? native : doors.tunnel;
  const early = number % 2 === 0;
  let client: WireClient;
  try {
    if (early) client = await WireClient.open(number % 6 === 0 ? { port: native.port } : options);
    else client = await WireClient.connect(options);
  } catch {
    return;
  }
  if (early) client.send(brokenStartup(random));
  else {
    for (let i = random.below(4); i > 0; i--) client.send(random.pick(VALID)());
    client.send(brokenMessage(random.pick(VALID)(), random));
    if (random.below(2) === 0) client.send(random.pick(VALID)());
  }
  // Truncated means that the client goes; otherwise the gateway may keep waiting for the rest.
  const wait = sleep(30 + random.below(60));
  await Promise.race([wait, client.ended(200).catch(() => {})]);
  if (random.below(2) === 0) client.socket.end();
  else client.destroy();
  await Promise.race([sleep(20), client.ended(100).catch(() => {})]);
  client.destroy();
}
