// `hoopctl admin users groups NAME --group …`: the groups a user is in, all of them.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';

export const command = define({
  options: {
    ...ADMIN_OPTIONS,
    group: {
      value: 'NAME',
      short: 'g',
      many: true,
      trusted: true,
      help: 'a group to be in; may be repeated; none: in no group',
    },
  },
  arguments: [{ name: 'name', help: 'the login name' }],
  run: async ({ name, group, data }, context) => {
    await using admin = await openAdmin(context, data);
    await admin.setGroups(name, group);
    await context.print({ name, groups: group }, () => `${name} is in ${group.join(', ') || 'no group'}\n`);
  },
});
