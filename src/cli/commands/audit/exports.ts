// `hoopctl audit exports`: the destinations of the record as the gateway runs them.

import { formatDuration } from '../../../core/clock.ts';
import { command as define } from '../../command.ts';
import type { ExportsAnswer, RecordingStoreItem } from '../../shapes.ts';
import { table } from '../../text.ts';

export const command = define({
  notes: `behind: how old the oldest event is that the receiver has not. Exit code 1 when a receiver, or the object
storage of the recordings, takes nothing.`,
  run: async (_, context) => {
    const api = await context.api();
    const answer = await api.call<ExportsAnswer>('audit/exports', { signal: context.signal });
    await context.print(answer, () => {
      const { recordings } = answer;
      const store = recordings === undefined ? '' : storeLine(recordings);
      if (answer.exports.length === 0) return store === '' ? 'none\n' : store;
      const rows = answer.exports.map((one) => [
        ...[one.name, one.to, one.state, String(one.sequence), one.lagMs === 0 ? '' : formatDuration(one.lagMs)],
        ...[one.refused === 0 ? '' : String(one.refused), one.error ?? ''],
      ]);
      return table(['name', 'to', 'state', 'events', 'behind', 'refused', 'why'], rows) + store;
    });
    const all = [...answer.exports, ...(answer.recordings === undefined ? [] : [answer.recordings])];
    return all.some(({ state }) => state === 'failing') ? 1 : 0;
  },
});

function storeLine({ to, state, waiting, lagMs, error }: RecordingStoreItem): string {
  const behind = waiting === 0 ? '' : `, ${waiting} on the disk alone for up to ${formatDuration(lagMs)}`;
  return `recordings to ${to}: ${state}${behind}${error === undefined ? '' : `: ${error}`}\n`;
}
