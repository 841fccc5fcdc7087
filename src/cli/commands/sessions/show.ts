// `hoopctl sessions show ID`: one session's facts, without what was said in it.

import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { nameOf, recordText, type SessionItem } from '../../shapes.ts';
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
        ['gateway', session.gateway],
        ['from', session.client],
        ['via', session.via],
        ['reason', session.reason],
        ['unmasked', session.exempt?.map(exemptText).join('; ')],
        ['began', localTime(session.startedAt)],
        ['ended', session.endedAt === undefined ? undefined : localTime(session.endedAt)],
        ['why', session.end === undefined ? undefined : `${session.end.message} (${session.end.code})`],
        ['operations', session.operations?.toString()],
        ['denied', session.denied?.toString()],
        ['sent', bytes(session.fromClient)],
        ['received', bytes(session.toClient)],
        ['recording', recording(session)],
        ['recorded', recordText(session)],
        ['encrypted', encryptedText(session)],
      ]),
    );
  },
});

function exemptText({ mask, by, grant, until }: NonNullable<SessionItem['exempt']>[number]): string {
  if (by === 'unless' || until === undefined) return `${mask} (does not apply to them)`;
  return `${mask} (lifted by ${grant} until ${localTime(until)} at most)`;
}

function recording({ recording: kept }: SessionItem): string | undefined {
  if (kept === undefined) return undefined;
  const { purge } = kept;
  if (purge !== undefined) {
    const state = { ordered: 'to be purged', begun: 'being purged', erased: 'its key is gone', purged: 'purged' }[
      purge.state
    ];
    return `${state}, ordered ${localTime(purge.at)} by ${purge.by}: ${purge.reason}`;
  }
  const where = { both: ', on disk and in object storage', object: ', in object storage' }[kept.where ?? ''] ?? '';
  const lines = kept.lines === undefined ? '' : `${kept.lines} lines, `;
  return `${lines}${byteSize(kept.bytes)}, ${kept.sealed ? `sealed as ${kept.digest}` : 'not sealed yet'}${where}`;
}

function encryptedText({ recording: kept }: SessionItem): string | undefined {
  if (kept?.encryption === undefined) return undefined;
  const { recipients, lost, order } = kept.encryption;
  const whom = `for ${recipients.join(', ')}`;
  if (order !== undefined) {
    const { at, by, reason } = order;
    return `${whom}; its key was erased, ordered ${localTime(at)} by ${by} (${reason}): nobody can read what was said`;
  }
  if (!lost) return whom;
  return `${whom}; its key is not there, and nobody had it erased: nobody can read what was said, unless a backup has it`;
}
