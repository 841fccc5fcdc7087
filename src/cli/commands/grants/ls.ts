// `hoopctl grants ls`: time-boxed access, and masks lifted for a time, that were approved.

import { command as define } from '../../command.ts';
import { printListing } from '../../listing.ts';
import type { GrantItem } from '../../shapes.ts';
import { relativeTime } from '../../text.ts';

export const command = define({
  run: async (_, context) => {
    const api = await context.api();
    const answer = await api.call<{ grants: GrantItem[] }>('grants', { signal: context.signal });
    await printListing(context, answer, {
      kind: 'grants',
      gateway: api.access.url,
      items: answer.grants,
      headers: ['id', 'who', 'connection', 'what', 'state', 'ends', 'reason'],
      state: 4,
      row: (grant, now) => [
        grant.id,
        grant.principal.name,
        grant.connection,
        grant.masks === undefined ? 'access' : `without ${grant.masks.join(', ')}`,
        grant.breakGlass === true ? `${grant.state} (break-glass)` : (grant.state ?? ''),
        relativeTime(grant.until, now),
        reasons(grant),
      ],
    });
  },
});

/** Why it was asked for, and who ended it and why. */
function reasons({ reason = '', revokedBy, revokedReason }: GrantItem): string {
  if (revokedBy === undefined) return reason;
  const why = revokedReason === undefined ? '' : `: ${revokedReason}`;
  return `${reason === '' ? '' : `${reason}; `}revoked by ${revokedBy}${why}`;
}
