// `hoopctl sessions tail [ID]`: what happens, as it happens, until the session ends or we are stopped.

import type { SessionEvent } from '../../../session/events.ts';
import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { type Paint, painter } from '../../paint.ts';
import { localTime, oneLine } from '../../text.ts';

export const command = define({
  arguments: [
    { name: 'id', optional: true, help: 'the session (default: all, for auditors and admins)', complete: 'sessions' },
  ],
  notes: 'With --json one event a line. Replay has the whole text and the results.',
  run: async ({ id }, context) => {
    const { io } = context;
    const api = await context.api();
    const paint = await painter(io);
    const path = id === undefined ? 'sessions/tail' : route`sessions/${id}/tail`;
    if (!context.json && id === undefined) io.say('watching all sessions, Ctrl-C to stop');
    for await (const event of api.lines<SessionEvent>(path, { signal: context.signal })) {
      await context.print(event, () => eventText(event, paint));
    }
  },
});

export function eventText(event: SessionEvent, paint: Paint): string {
  if (event.type === 'lost') return `${paint('quiet', `… ${event.count} events were lost: this is too slow`)}\n`;
  const stamp = event.type === 'end' && event.at === undefined ? '' : localTime(event.at).slice(11);
  return `${paint('quiet', `${stamp} ${event.session}`)} ${what(event, paint)}\n`;
}

function what(event: Exclude<SessionEvent, { type: 'lost' }>, paint: Paint): string {
  switch (event.type) {
    case 'begin':
      return oneLine(`${event.principal} on ${event.connection}`);
    case 'operation': {
      const verdict = event.verdict === 'hold' ? 'review' : event.verdict;
      return `#${event.n} ${paint(verdict)}${event.rule === undefined ? '' : ` by ${oneLine(event.rule)}`}  ${oneLine(event.text)}`;
    }
    case 'result': {
      const rows = event.rows === undefined ? '' : `, ${event.rows} rows`;
      return `#${event.n} → ${paint(event.status)}${rows}${event.error === undefined ? '' : `: ${oneLine(event.error)}`}`;
    }
    case 'review':
      return `review ${event.id} ${paint(event.state)}${event.rule === undefined ? '' : ` by ${oneLine(event.rule)}`}`;
    case 'end':
      return oneLine(`ended: ${event.message} (${event.code})`);
  }
}
