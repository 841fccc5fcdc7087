// `hoopctl admin holds ls`: what must not be removed, and why.

import { command as define } from '../../command.ts';
import { localTime, table } from '../../text.ts';

interface Item {
  readonly id: string;
  readonly kind: string;
  readonly value: string;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
  readonly releasedAt?: string;
  readonly releasedBy?: string;
}

export const command = define({
  options: { all: { help: 'also those that were released' } },
  run: async ({ all }, context) => {
    const api = await context.api();
    const query = all ? { all: 'true' } : {};
    const answer = await api.call<{ holds: readonly Item[] }>('admin/holds', { query, signal: context.signal });
    await context.print(answer, () => {
      if (answer.holds.length === 0) return 'none\n';
      const rows = answer.holds.map(({ id, kind, value, at, by, reason, releasedAt, releasedBy }) => [
        ...[id, kind, value, localTime(at), by, reason],
        releasedAt === undefined ? '' : `${localTime(releasedAt)} by ${releasedBy}`,
      ]);
      return table(['hold', 'of', 'which', 'since', 'by', 'reason', 'released'], rows);
    });
  },
});
