// `hoopctl grants ls`: time-boxed access that was approved.

import { command as define } from '../../command.ts';
import { rememberNames } from '../../names.ts';
import type { GrantItem } from '../../shapes.ts';
import { relativeTime, table } from '../../text.ts';

export const command = define({
  run: async (_, context) => {
    const api = await context.api();
    const answer = await api.call<{ grants: GrantItem[] }>('grants', { signal: context.signal });
    rememberNames(
      context,
      api.access.url,
      'grants',
      answer.grants.map((grant) => grant.id),
    );
    const now = Date.now();
    await context.print(answer, () => {
      if (answer.grants.length === 0) return 'none\n';
      const rows = answer.grants.map((grant) => [
        grant.id,
        grant.principal.name,
        grant.connection,
        grant.breakGlass === true ? `${grant.state} (break-glass)` : (grant.state ?? ''),
        relativeTime(grant.until, now),
        grant.reason ?? '',
      ]);
      return table(['id', 'who', 'connection', 'state', 'ends', 'reason'], rows);
    });
  },
});
