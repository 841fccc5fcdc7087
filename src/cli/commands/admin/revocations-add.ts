// `hoopctl admin revocations add ISSUER SUBJECT`: shuts a principal out, whatever token it holds, and cuts its sessions.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';
import { plural } from '../../text.ts';

export const command = define({
  options: { ...ADMIN_OPTIONS, reason: { value: 'TEXT', help: 'why, for the record and for who is cut off' } },
  arguments: [
    { name: 'issuer', help: "the gateway's name of the issuer: local, service-accounts, or as configured" },
    { name: 'subject', help: "the principal's subject, as whoami and sessions show it" },
  ],
  run: async ({ issuer, subject, reason, data }, context) => {
    await using admin = await openAdmin(context, data);
    const ended = await admin.revoke(issuer, subject, reason);
    await context.print({ issuer, subject, revoked: true, sessionsEnded: ended }, () => {
      const cut = ended === undefined ? 'a running gateway notices within seconds' : `${plural(ended, 'session')} cut`;
      return `${subject} of ${issuer} is shut out; ${cut}\n`;
    });
  },
});
