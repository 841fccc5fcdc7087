// `hoopctl admin users ls`: people of the embedded issuer.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';
import { localTime, table } from '../../text.ts';

export const command = define({
  options: ADMIN_OPTIONS,
  run: async ({ data }, context) => {
    await using admin = await openAdmin(context, data);
    const users = await admin.users();
    await context.print({ users }, () => {
      const rows = users.map((user) => [
        user.name,
        user.email ?? '',
        user.groups.join(', '),
        localTime(user.createdAt),
      ]);
      return users.length === 0 ? 'none\n' : table(['name', 'email', 'groups', 'since'], rows);
    });
  },
});
