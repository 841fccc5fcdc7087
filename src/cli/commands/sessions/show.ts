// `hoopctl sessions show ID`: one session's facts, without what was said in it.

import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { nameOf, type SessionItem } from '../../shapes.ts';
import { byteSize, facts, localTime } from '../../text.ts';

export const command = define({
  arguments: [{ name: 'id', help: 'the session', complete: 'sessions' }],
  run: async ({ id }, context) => {
    const api = await context.api();
    const session = await api.call<SessionItem>(route`sessions/${id}`, { signal: context.signal });
    const bytes = (count: number | undefined): string | undefined =>
      count === undefined ? undefined : byteSize(count);
    await context.print(session, () =>
      facts([
        ['session', session.id],
        ['state', session.state],
        ['who', nameOf(session.principal)],
        ['groups', session.principal?.groups?.join(', ')],
        ['connection', session.connection],
        ['protocol', session.protocol],
        ['from', session.client],
        ['via', session.via],
        ['reason', session.reason],
        ['began', localTime(session.startedAt)],
        ['ended', session.endedAt === undefined ? undefined : localTime(session.endedAt)],
        ['why', session.end === undefined ? undefined : `${session.end.message} (${session.end.code})`],
        ['operations', session.operations?.toString()],
        ['denied', session.denied?.toString()],
        ['sent', bytes(session.fromClient)],
        ['received', bytes(session.toClient)],
        ['recording', recording(session)],
      ]),
    );
  },
});

function recording({ recording: kept }: SessionItem): string | undefined {
  if (kept === undefined) return undefined;
  const lines = kept.lines === undefined ? '' : `${kept.lines} lines, `;
  return `${lines}${byteSize(kept.bytes)}, ${kept.sealed ? `sealed as ${kept.digest}` : 'not sealed yet'}`;
}
