// PostgreSQL for the contract's tests: a real server that logs every statement.

import { startPostgres } from '../../support/postgres.ts';
import { connectionTo } from '../../support/stage.ts';
import { query, WireClient } from '../../support/wire.ts';
import type { Conversation, Driver } from './driver.ts';

export const postgres: Driver = {
  protocol: 'postgres',
  needs: ['postgresql-15'],
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
    return {
      ended: ended.promise,
      async run(tag) {
        client.send(query(`select '${tag}'`));
        const frames = await client.until('Z', 60_000);
        if (frames.at(-1)?.type !== 'Z') throw new Error(`the conversation ended: ${told}`);
        return {
          ok: !frames.some(({ type }) => type === 'E'),
          told: frames.map(({ body }) => body.toString('latin1')).join('\n'),
        };
      },
      destroy: () => client.destroy(),
    };
  },
};
