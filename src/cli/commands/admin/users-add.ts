// `hoopctl admin users add NAME`: a person of the embedded issuer.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';
import { askNewPassword, readStdin } from '../../prompt.ts';

export const command = define({
  options: {
    ...ADMIN_OPTIONS,
    email: { value: 'EMAIL', help: 'e-mail address; what others see of the user' },
    group: { value: 'NAME', short: 'g', many: true, trusted: true, help: 'a group to be in; may be repeated' },
    admin: {
      trusted: true,
      help: 'also in the group admins, whose members administer the gateway unless its roles say otherwise',
    },
    passwordStdin: { help: 'read the password from standard input' },
  },
  arguments: [{ name: 'name', help: 'the login name' }],
  notes: `The first administrator: hoopctl admin users add NAME --admin --data DIR; where the configuration's roles.admin asks for
others than the group admins, 'hoopctl serve' says how.`,
  run: async ({ name, email, group, admin, passwordStdin, data }, context) => {
    await using door = await openAdmin(context, data);
    const groups = admin ? [...new Set([...group, 'admins'])] : group;
    const password = passwordStdin ? await readStdin(context.io) : await askNewPassword(context.io, `'${name}'`);
    const user = await door.addUser({ name, groups, password, ...(email === undefined ? {} : { email }) });
    await context.print(user, () => `${name} added${groups.length > 0 ? ` to ${groups.join(', ')}` : ''}\n`);
  },
});
