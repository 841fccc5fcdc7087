// `hoopctl admin gateways ls`: the gateways that share one store.

import { command as define } from '../../command.ts';
import type { GatewaysAnswer } from '../../shapes.ts';
import { relativeTime, table } from '../../text.ts';

export const command = define({
  notes:
    'silent: not seen for a while, and not yet taken for dead; over: it stopped, or the others closed what it left.',
  run: async (_, context) => {
    const api = await context.api();
    const answer = await api.call<GatewaysAnswer>('admin/gateways', { signal: context.signal });
    const now = Date.now();
    await context.print(answer, () =>
      table(
        ['gateway', 'state', 'host', 'url', 'version', 'began', 'seen'],
        answer.gateways.map(({ id, state, host, url, version, startedAt, seenAt }) => [
          ...[id, state, host, url, version, relativeTime(startedAt, now), relativeTime(seenAt, now)],
        ]),
      ),
    );
  },
});
