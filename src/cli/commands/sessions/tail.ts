// `hoopctl sessions tail [ID]`: what happens, as it happens, until the session ends or we are stopped.

import type { Line } from '../../../session/recorder/reader.ts';
import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { painter } from '../../paint.ts';
import { Timeline } from '../../timeline.ts';

export const command = define({
  options: { rows: { negated: true, help: 'leave out the rows of results' } },
  arguments: [{ name: 'id', optional: true, help: 'the session (default: all that I may see)', complete: 'sessions' }],
  notes: 'With --json the lines of the recordings, one JSON object a line.',
  run: async ({ id, rows }, context) => {
    const { io } = context;
    const api = await context.api();
    const paint = await painter(io);
    const width = io.terminal.stdout ? io.columns : undefined;
    const path = id === undefined ? 'sessions/tail' : route`sessions/${id}/tail`;
    const timelines = new Map<string, Timeline>();
    for await (const line of api.lines<Line>(path, { signal: context.signal })) {
      if (context.json) {
        await io.write(`${JSON.stringify(line)}\n`);
        continue;
      }
      const session = typeof line.session === 'string' ? line.session : (id ?? '');
      const timeline = timelines.get(session) ?? new Timeline({ paint, width, rows });
      timelines.set(session, timeline);
      const text = timeline.text(line);
      if (text !== '')
        await io.write(id === undefined && line.kind !== 'open' ? `${paint('quiet', session)} ${text}` : text);
      if (line.kind === 'seal' || line.kind === 'end') timelines.delete(session);
    }
  },
});
