// `hoopctl admin users groups NAME --group …`: the groups a user is in, all of them.

import { userError } from '../../../core/errors.ts';
import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';

export const command = define({
  options: {
    ...ADMIN_OPTIONS,
    group: { value: 'NAME', short: 'g', many: true, trusted: true, help: 'a group to be in; may be repeated' },
    none: { flagOnly: true, help: 'in no group' },
  },
  arguments: [{ name: 'name', help: 'the login name' }],
  notes: `Those named take the place of all that the user was in. They count from the next token on: hoopctl takes one when the
one that it has ends (limits.access_token_ms, 15m), or at a login. Sessions that run go on; to cut them and to refuse the old
token at once: hoopctl admin revocations add local NAME --reason TEXT, then revocations rm, and a new login.`,
  run: async ({ name, group, none, data }, context) => {
    // Who only wants to look types this too: that must not take away everything.
    if ((group.length === 0) !== none) {
      const said = none ? '--none and --group do not go together' : 'no group is named';
      throw userError('usage', said, {
        fix: "name every group to be in with --group, or say --none; 'hoopctl admin users ls' shows them",
      });
    }
    await using admin = await openAdmin(context, data);
    await admin.setGroups(name, group);
    context.io.say(
      'this counts from the next token on: within limits.access_token_ms (15m where nobody set it), or at a new login',
    );
    await context.print({ name, groups: group }, () => `${name} is in ${group.join(', ') || 'no group'}\n`);
  },
});
