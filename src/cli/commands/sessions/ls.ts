// `hoopctl sessions ls`: sessions that are, and that were.

import { command as define } from '../../command.ts';
import { printListing } from '../../listing.ts';
import { nameOf, recordText, type SessionItem } from '../../shapes.ts';
import { relativeTime } from '../../text.ts';

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
    await printListing(context, answer, {
      kind: 'sessions',
      gateway: api.access.url,
      items: answer.sessions,
      headers: ['id', 'state', 'who', 'connection', 'began', 'ops', 'denied', 'details'],
      state: 1,
      row: (session, now) => [
        session.id,
        session.state,
        nameOf(session.principal),
        session.connection,
        relativeTime(session.startedAt, now),
        String(session.operations ?? ''),
        String(session.denied ?? ''),
        [recordText(session), session.end?.message ?? session.reason].filter((one) => one !== undefined).join('; '),
      ],
    });
  },
});
