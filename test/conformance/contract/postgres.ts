// PostgreSQL for the contract's tests: a real server that logs every statement.

import { startPostgres } from '../../support/postgres.ts';
import { connectionTo } from '../../support/stage.ts';
import { execute, int16, int32, message, query, sync, WireClient } from '../../support/wire.ts';
import type { Answer, Conversation, Driver } from './driver.ts';

/** A statement with one value, of this declared type, in this format. */
const withValue =
  (type: number, format: number, value: Buffer, results: readonly number[] = []) =>
  (text: string) => [
    message('P', '', text, int16(1), int32(type)),
    message(
      ...(['B', '', '', int16(1), int16(format), int16(1), int32(value.length), value] as const),
      ...[results.length, ...results].map(int16),
    ),
    execute(''),
    sync(),
  ];
const [TEXT, INT4, FLOAT4] = [25, 23, 700];

const ALIKE: Record<string, Record<'one' | 'other', (text: string) => Buffer[]>> = {
  'a binary value that a text reads like': {
    one: withValue(TEXT, 0, Buffer.from('\\x41')),
    other: withValue(TEXT, 1, Buffer.from('A')),
  },
  'the same bytes as another type': {
    one: withValue(INT4, 1, int32(0x3f800000)),
    other: withValue(FLOAT4, 1, int32(0x3f800000)),
  },
  'a result in another format': {
    one: withValue(INT4, 0, Buffer.from('1')),
    other: withValue(INT4, 0, Buffer.from('1'), [1]),
  },
};

export const postgres: Driver = {
  protocol: 'postgres',
  needs: ['postgresql-15'],
  alike: Object.keys(ALIKE),
  limit: { name: 'inspected_message_bytes', value: 20_000 },
  async start() {
    const server = await startPostgres({ databases: ['app'], config: { log_statement: "'all'" } });
    return {
      connection: (more) => connectionTo(server, 'app', more),
      env: { TARGET_PASSWORD: server.password },
      secret: server.password,
      ran: (tag) =>
        server
          .log()
          .split('\n')
          .some((line) => line.includes('LOG:') && line.includes(tag)),
      stop: () => server.stop(),
    };
  },
  async converse(_, port): Promise<Conversation> {
    const client = await WireClient.connect({ port, user: 'x', database: 'app' });
    let told = '';
    const ended = Promise.withResolvers<string>();
    client.socket.on('data', (chunk: Buffer) => {
      told += chunk.toString('latin1');
    });
    client.socket.once('close', () => ended.resolve(told));
    async function run(...messages: Buffer[]): Promise<Answer> {
      client.send(...messages);
      const frames = await client.until('Z', 60_000);
      if (frames.at(-1)?.type !== 'Z') throw new Error(`the conversation ended: ${told}`);
      return {
        ok: !frames.some(({ type }) => type === 'E'),
        told: frames.map(({ body }) => body.toString('latin1')).join('\n'),
      };
    }
    return {
      ended: ended.promise,
      run: (tag) => run(query(`select '${tag}'`)),
      runAlike: (alike, which, tag) => run(...ALIKE[alike]![which](`select '${tag}', $1`)),
      destroy: () => client.destroy(),
    };
  },
};
