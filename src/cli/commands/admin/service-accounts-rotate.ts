// `hoopctl admin service-accounts rotate NAME`: a new secret, shown this once; the old one stops working at once.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';

export const command = define({
  options: ADMIN_OPTIONS,
  arguments: [{ name: 'name', help: 'the service account' }],
  run: async ({ name, data }, context) => {
    await using admin = await openAdmin(context, data);
    const made = await admin.rotateAccount(name);
    if (!context.json) context.io.say(`the old secret of '${name}' is void; the new one, shown this once:`);
    await context.print(made, () => `${made.secret}\n`);
  },
});
