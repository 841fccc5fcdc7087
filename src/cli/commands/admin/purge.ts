// `hoopctl admin purge SESSION --reason TEXT`: removes a recording everywhere, for good.

import { userError } from '../../../core/errors.ts';
import { route } from '../../api.ts';
import { command as define } from '../../command.ts';

export const command = define({
  options: {
    keyOnly: { flagOnly: true, help: 'of an encrypted one only the key: it stays, checkable and unreadable' },
    reason: { value: 'TEXT', help: 'why; it stands in the log for good' },
  },
  arguments: [{ name: 'id', help: 'the session', complete: 'sessions' }],
  notes: `The recording goes from the disk, from object storage with all its versions and from the search index, and the text of
statements that were held for review with it. The log keeps its digest, who had it removed, when and why. A legal hold
prevents it. Exit code 1: it is ordered, and something is in the way yet; it is tried again without another word.`,
  run: async ({ id, reason, keyOnly }, context) => {
    if (reason === undefined) throw userError('usage', 'name a reason: --reason TEXT');
    const api = await context.api();
    const path = route`sessions/${id}/purge`;
    const body = { reason, ...(keyOnly ? { only: 'key' } : {}) };
    const answer = await api.call<{ purged: boolean; why?: string }>(path, {
      ...{ method: 'POST', body, signal: context.signal },
    });
    await context.print({ session: id, ...answer }, () =>
      answer.purged
        ? `${keyOnly ? 'the key of ' : ''}the recording of ${id} is gone\n`
        : `the recording of ${id} is to go: ${answer.why ?? 'its gateway has not got to it yet'}\n`,
    );
    return answer.purged ? 0 : 1;
  },
});
