// `hoopctl grants revoke ID`: ends a grant and the sessions that live by it, at once.

import { route } from '../../api.ts';
import { command as define } from '../../command.ts';

export const command = define({
  options: { reason: { value: 'TEXT', help: 'why, for the record' } },
  arguments: [{ name: 'id', help: 'the grant', complete: 'grants' }],
  run: async ({ id, reason }, context) => {
    const api = await context.api();
    const body = reason === undefined ? {} : { reason };
    const answer = await api.call<object | undefined>(route`grants/${id}/revoke`, {
      method: 'POST',
      body,
      signal: context.signal,
    });
    await context.print({ id, revoked: true, ...answer }, () => `${id} revoked\n`);
  },
});
