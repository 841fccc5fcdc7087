// What masks cost those who touch nothing masked: honest statements over the schema of the leak suite come back as the server
// itself says them. The rate at which they do not (masked, refused, or different in any byte) is told, and bounded.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Frame, query, WireClient } from '../../../support/wire.ts';
import { attempt, type Mode, readAttempts } from '../attempts.ts';
import { type Guarded, openGuarded } from '../guarded.ts';
import { MASKS, SETUP } from './schema.ts';

const HONEST = readAttempts(new URL('./honest.txt', import.meta.url));
const MODES: readonly Mode[] = ['simple', 'extended', 'binary'];
/** At most this share of the statements may differ. */
const BOUND = 0.02;

let guarded: Guarded;

beforeAll(async () => {
  guarded = await openGuarded({ setup: SETUP, policy: { masks: MASKS } });
});
afterAll(() => guarded?.close());

/** What a client sees, without what no two runs share. */
function seen(answers: readonly Frame[][]): string {
  return JSON.stringify(
    answers.map((frames) =>
      frames
        .filter(({ type }) => 'TDCEHdcIs'.includes(type))
        .map(({ type, body }) =>
          type === 'E' ? `E ${body.toString('latin1').match(/C(\w{5})/)?.[1]}` : `${type}${body.toString('latin1')}`,
        ),
    ),
  );
}

async function inTransaction(client: WireClient, mode: Mode, statements: readonly string[]): Promise<string> {
  client.send(query('begin'));
  await client.until('Z');
  const answers = await attempt(client, mode, statements);
  client.send(query('rollback'));
  await client.until('Z');
  return seen(answers);
}

it('is enough to tell', () => {
  expect(HONEST.length).toBeGreaterThanOrEqual(250);
});

it.each(MODES)('hardly any honest statement is masked or refused: %s', { timeout: 400_000 }, async (mode) => {
  const { server } = guarded;
  const direct = await WireClient.connect({
    port: server.port,
    user: server.user,
    password: server.password,
    database: 'app',
  });
  let client = await guarded.connect();
  const different: string[] = [];
  for (const { name, statements } of HONEST) {
    const expected = await inTransaction(direct, mode, statements);
    const found = await inTransaction(client, mode, statements);
    if (found !== expected) different.push(`${name}: ${found.slice(0, 300)}`);
    if (client.closed) client = await guarded.connect();
  }
  direct.close();
  client.close();
  const rate = different.length / HONEST.length;
  console.info(`over-masking, ${mode}: ${different.length} of ${HONEST.length} (${(rate * 100).toFixed(1)} %)`);
  expect(rate, different.join('\n')).toBeLessThanOrEqual(BOUND);
});
