// `hoopctl admin service-accounts ls`.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';
import { localTime, table } from '../../text.ts';

export const command = define({
  options: ADMIN_OPTIONS,
  run: async ({ data }, context) => {
    await using admin = await openAdmin(context, data);
    const serviceAccounts = await admin.accounts();
    await context.print({ serviceAccounts }, () => {
      if (serviceAccounts.length === 0) return 'none\n';
      const rows = serviceAccounts.map((account) => [
        account.name,
        account.groups.join(', '),
        localTime(account.rotatedAt),
        account.description ?? '',
      ]);
      return table(['name', 'groups', 'secret since', 'description'], rows);
    });
  },
});
