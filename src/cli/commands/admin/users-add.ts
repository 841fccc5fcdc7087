// `hoopctl admin users add NAME`: a person of the embedded issuer.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';
import { askNewPassword, readStdin } from '../../prompt.ts';

export const command = define({
  options: {
    ...ADMIN_OPTIONS,
    email: { value: 'EMAIL', help: 'e-mail address; what others see of the user' },
    group: { value: 'NAME', short: 'g', many: true, help: 'a group to be in; may be repeated' },
    passwordStdin: { help: 'read the password from standard input' },
  },
  arguments: [{ name: 'name', help: 'the login name' }],
  notes: 'The first administrator: hoopctl admin users add NAME --group admins --data DIR',
  run: async ({ name, email, group, passwordStdin, data }, context) => {
    await using admin = await openAdmin(context, data);
    const password = passwordStdin ? await readStdin(context.io) : await askNewPassword(context.io, `'${name}'`);
    const user = await admin.addUser({ name, groups: group, password, ...(email === undefined ? {} : { email }) });
    await context.print(user, () => `${name} added${group.length > 0 ? ` to ${group.join(', ')}` : ''}\n`);
  },
});
