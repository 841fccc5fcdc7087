// `hoopctl admin revocations ls`: who is shut out.

import { ADMIN_OPTIONS, openAdmin } from '../../admin.ts';
import { command as define } from '../../command.ts';
import { localTime, table } from '../../text.ts';

export const command = define({
  options: ADMIN_OPTIONS,
  run: async ({ data }, context) => {
    await using admin = await openAdmin(context, data);
    const revocations = await admin.revocations();
    await context.print({ revocations }, () => {
      if (revocations.length === 0) return 'none\n';
      const rows = revocations.map((one) => [one.issuer, one.subject, localTime(one.at), one.by, one.reason ?? '']);
      return table(['issuer', 'subject', 'since', 'by', 'reason'], rows);
    });
  },
});
