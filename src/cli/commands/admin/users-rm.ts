// `hoopctl admin users rm NAME`: the user, its logins and its live sessions are gone.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';

export const command = define({
  options: ADMIN_OPTIONS,
  arguments: [{ name: 'name', help: 'the login name' }],
  run: async ({ name, data }, context) => {
    await using admin = await openAdmin(context, data);
    await admin.removeUser(name);
    await context.print({ name, removed: true }, () => `${name} removed\n`);
  },
});
