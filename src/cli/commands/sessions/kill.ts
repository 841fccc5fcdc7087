// `hoopctl sessions kill ID`: ends a session at once; its client is told why.

import { route } from '../../api.ts';
import { command as define } from '../../command.ts';

export const command = define({
  options: { reason: { value: 'TEXT', help: 'why, for who is in it and for the record' } },
  arguments: [{ name: 'id', help: 'the session', many: true, complete: 'sessions' }],
  run: async ({ id, reason }, context) => {
    const api = await context.api();
    const body = reason === undefined ? {} : { reason };
    for (const one of id) {
      await api.call(route`sessions/${one}/kill`, { method: 'POST', body, signal: context.signal });
      await context.print({ session: one, killed: true }, () => `${one} killed\n`);
    }
  },
});
