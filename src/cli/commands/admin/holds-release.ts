// `hoopctl admin holds release ID`: retention applies again.

import { route } from '../../api.ts';
import { command as define } from '../../command.ts';

export const command = define({
  arguments: [{ name: 'id', help: 'the hold' }],
  run: async ({ id }, context) => {
    const api = await context.api();
    await api.call(route`admin/holds/${id}`, { method: 'DELETE', signal: context.signal });
    await context.print({ hold: id, released: true }, () => `${id} is released\n`);
  },
});
