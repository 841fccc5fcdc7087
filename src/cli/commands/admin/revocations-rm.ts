// `hoopctl admin revocations rm ISSUER SUBJECT`: lets a principal in again.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';

export const command = define({
  options: ADMIN_OPTIONS,
  arguments: [
    { name: 'issuer', help: "the gateway's name of the issuer" },
    { name: 'subject', help: "the principal's subject" },
  ],
  run: async ({ issuer, subject, data }, context) => {
    await using admin = await openAdmin(context, data);
    await admin.unrevoke(issuer, subject);
    await context.print({ issuer, subject, revoked: false }, () => `${subject} of ${issuer} may come in again\n`);
  },
});
