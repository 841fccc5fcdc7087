// `hoopctl admin revocations add ISSUER SUBJECT`: shuts a principal out, whatever token it holds, and cuts its sessions.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';
import { oneLine, plural } from '../../text.ts';

export const command = define({
  options: { ...ADMIN_OPTIONS, reason: { value: 'TEXT', help: 'why, for the record and for who is cut off' } },
  arguments: [
    { name: 'issuer', help: "the gateway's name of the issuer: local, service-accounts, or as configured" },
    { name: 'subject', help: "the principal's subject, as whoami and sessions show it" },
  ],
  notes: `An issuer that the gateway does not have is refused. A subject that never came is shut out all the same, with a warning
on standard error.`,
  run: async ({ issuer, subject, reason, data }, context) => {
    await using admin = await openAdmin(context, data);
    const { sessionsEnded: ended, warning } = await admin.revoke(issuer, subject, reason);
    if (warning !== undefined) context.io.say(`warning: ${oneLine(warning)}`);
    await context.print({ issuer, subject, revoked: true, sessionsEnded: ended, warning }, () => {
      const cut = ended === undefined ? 'a running gateway notices within seconds' : `${plural(ended, 'session')} cut`;
      return `${subject} of ${issuer} is shut out; ${cut}\n`;
    });
  },
});
