// `hoopctl token NAME`: a password for the gateway's native listener, good for one connection and a short time.

import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { route } from '../api.ts';
import { command as define } from '../command.ts';
import { nearestConnection } from '../missing.ts';
import { relativeTime } from '../text.ts';

interface Issued {
  readonly token: string;
  readonly expiresAt: string | number;
  readonly user: string;
  readonly native?: string;
}

export const command = define({
  options: {
    ttl: { value: 'DURATION', default: '15m', help: 'how long it is good for' },
    reason: { value: 'TEXT', help: 'why, for the record' },
  },
  arguments: [{ name: 'name', help: 'the connection', complete: 'connections' }],
  notes: `Only the token goes to stdout: PGPASSWORD=$(hoopctl token prod-db) psql "host=gw port=15432 dbname=prod-db user=…".`,
  run: async ({ name, ttl, reason }, context) => {
    if (parseDuration(ttl) === undefined)
      throw userError('usage', `--ttl is '${ttl}', expected a duration such as 15m`);
    const api = await context.api();
    const issued = await nearestConnection(context, name, () =>
      api.call<Issued>(route`connections/${name}/token`, {
        method: 'POST',
        body: { ttl },
        reason,
        signal: context.signal,
      }),
    );
    if (!context.json) {
      const where = issued.native === undefined ? 'the gateway has no native listener for it' : `at ${issued.native}`;
      context.io.say(
        `user ${issued.user}, database ${name}, ${where}; expires ${relativeTime(issued.expiresAt, Date.now())}`,
      );
    }
    await context.print(issued, () => `${issued.token}\n`);
  },
});
