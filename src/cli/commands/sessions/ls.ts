// `hoopctl sessions ls`: sessions that are, and that were.

import { command as define } from '../../command.ts';
import { rememberNames } from '../../names.ts';
import { painter } from '../../paint.ts';
import { nameOf, type SessionItem } from '../../shapes.ts';
import { relativeTime, table } from '../../text.ts';

export const command = define({
  options: {
    state: {
      value: 'STATE',
      choices: ['open', 'ended', 'interrupted', 'all'],
      default: 'all',
      help: 'only those in this state',
    },
    connection: { value: 'NAME', help: 'only those on this connection' },
    principal: { value: 'WHO', help: 'only those of this subject or e-mail' },
    limit: { value: 'N', default: '50', help: 'the latest N' },
  },
  run: async ({ state, connection, principal, limit }, context) => {
    const api = await context.api();
    const query = { state: state === 'all' ? undefined : state, connection, principal, limit };
    const answer = await api.call<{ sessions: SessionItem[] }>('sessions', { query, signal: context.signal });
    rememberNames(
      context,
      api.access.url,
      'sessions',
      answer.sessions.map((session) => session.id),
    );
    const paint = await painter(context.io);
    const now = Date.now();
    await context.print(answer, () => {
      if (answer.sessions.length === 0) return 'none\n';
      const rows = answer.sessions.map((session) => [
        session.id,
        session.state,
        nameOf(session.principal),
        session.connection,
        relativeTime(session.startedAt, now),
        String(session.operations ?? ''),
        String(session.denied ?? ''),
        session.end?.message ?? session.reason ?? '',
      ]);
      return table(['id', 'state', 'who', 'connection', 'began', 'ops', 'denied', ''], rows, {
        ...(context.io.terminal.stdout ? { width: context.io.columns } : {}),
        paint: (cell, column) => (column === 1 ? paint(cell, cell) : cell),
      });
    });
  },
});
