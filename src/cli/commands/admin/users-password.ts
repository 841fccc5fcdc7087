// `hoopctl admin users password NAME`: a new password; the user's logins end.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';
import { askNewPassword, readStdin } from '../../prompt.ts';

export const command = define({
  options: { ...ADMIN_OPTIONS, passwordStdin: { help: 'read the password from standard input' } },
  arguments: [{ name: 'name', help: 'the login name' }],
  run: async ({ name, passwordStdin, data }, context) => {
    await using admin = await openAdmin(context, data);
    const password = passwordStdin ? await readStdin(context.io) : await askNewPassword(context.io, `'${name}'`);
    await admin.setPassword(name, password);
    await context.print({ name, passwordSet: true }, () => `password of ${name} set\n`);
  },
});
