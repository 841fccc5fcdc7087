// `hoopctl admin service-accounts rm NAME`: its secret, its tokens and its live sessions end.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';

export const command = define({
  options: ADMIN_OPTIONS,
  arguments: [{ name: 'name', help: 'the service account' }],
  run: async ({ name, data }, context) => {
    await using admin = await openAdmin(context, data);
    await admin.removeAccount(name);
    await context.print({ name, removed: true }, () => `${name} removed\n`);
  },
});
