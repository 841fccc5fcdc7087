// `hoopctl admin service-accounts add NAME`: a workload with a secret, shown this once.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';

export const command = define({
  options: {
    ...ADMIN_OPTIONS,
    group: { value: 'NAME', short: 'g', many: true, trusted: true, help: 'a group to be in; may be repeated' },
    description: { value: 'TEXT', help: 'what it is for' },
  },
  arguments: [{ name: 'name', help: 'its name: HOOPCTL_CLIENT_ID' }],
  notes: 'Only the secret goes to stdout. It is stored hashed: whoever loses it rotates it.',
  run: async ({ name, group, description, data }, context) => {
    await using admin = await openAdmin(context, data);
    const made = await admin.addAccount({ name, groups: group, ...(description === undefined ? {} : { description }) });
    if (!context.json) context.io.say(`service account '${name}' added; its secret, shown this once:`);
    await context.print(made, () => `${made.secret}\n`);
  },
});
