// `hoopctl reviews approve ID`: let what is held run, or the access begin. The gateway refuses it to whoever asked.

import { parseDuration } from '../../../core/clock.ts';
import { userError } from '../../../core/errors.ts';
import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { standingText } from '../../reviews.ts';
import type { ReviewItem } from '../../shapes.ts';

export const command = define({
  options: {
    reason: { value: 'TEXT', help: 'why, for who asked and for the record' },
    for: { value: 'DURATION', flagOnly: true, help: 'this very statement, again and again for so long' },
    forSession: {
      flagOnly: true,
      help: 'every statement of this shape (other constants), for the rest of that session',
    },
  },
  arguments: [{ name: 'id', help: 'the review', complete: 'reviews' }],
  notes: `An approval is for this once: the exact text and values, by this principal, on this connection, under this policy.
--for and --for-session make it stand for longer; "hoopctl reviews deny ID" takes it back.`,
  run: async ({ id, reason, for: time, forSession }, context) => {
    if (time !== undefined && forSession) throw userError('usage', '--for and --for-session exclude each other');
    if (time !== undefined && !parseDuration(time)) {
      throw userError('usage', `--for is '${time}', expected a duration such as 15m`);
    }
    const api = await context.api();
    const body = {
      ...(reason === undefined ? {} : { reason }),
      ...(time === undefined ? {} : { for: time }),
      ...(forSession ? { forSession } : {}),
    };
    const review = await api.call<ReviewItem>(route`reviews/${id}/approve`, {
      method: 'POST',
      body,
      signal: context.signal,
    });
    const waits = review.state === 'pending' ? '; another reviewer has to agree' : '';
    const stands = standingText(review);
    await context.print(review, () => `${id} approved${stands === undefined ? '' : ` ${stands}`}${waits}\n`);
  },
});
