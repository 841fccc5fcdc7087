// `hoopctl request NAME`: ask for time-boxed access to a connection.

import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { command as define } from '../command.ts';
import { nearestConnection } from '../missing.ts';
import { settledReview } from '../reviews.ts';
import type { ReviewItem } from '../shapes.ts';
import { localTime } from '../text.ts';

export const command = define({
  options: {
    for: { value: 'DURATION', help: 'how long the access shall last (the gateway may allow less)', default: '1h' },
    reason: { value: 'TEXT', help: 'why, for the reviewers and the record' },
    wait: { value: 'DURATION', help: 'wait this long for the decision' },
    breakGlass: {
      flagOnly: true,
      help: 'take access without approval, where policy lets you: told to everybody concerned',
    },
  },
  arguments: [{ name: 'name', help: 'the connection', complete: 'connections' }],
  notes: 'With --wait: exit code 0 when it is approved, 3 when it is denied, 5 when nobody decided in time.',
  run: async (values, context) => {
    const { name, reason, breakGlass } = values;
    if (parseDuration(values.for) === undefined)
      throw userError('usage', `--for is '${values.for}', expected a duration such as 2h`);
    const waitMs = values.wait === undefined ? undefined : parseDuration(values.wait);
    if (values.wait !== undefined && waitMs === undefined) {
      throw userError('usage', `--wait is '${values.wait}', expected a duration such as 10m`);
    }
    const api = await context.api();
    if (breakGlass && (reason ?? '').trim() === '') {
      throw userError('usage', '--break-glass needs a reason', { fix: 'add --reason "…"' });
    }
    const body = {
      connection: name,
      for: values.for,
      ...(reason === undefined ? {} : { reason }),
      ...(breakGlass ? { breakGlass } : {}),
    };
    const review = await nearestConnection(context, name, () =>
      api.call<ReviewItem>('grants', { method: 'POST', body, reason, signal: context.signal }),
    );
    const { grant } = review;
    if (grant !== undefined) {
      const until = localTime(grant.until);
      context.io.say('the glass is broken: this is on record, and those concerned are told');
      await context.print(review, () => `${grant.id} gives access to ${name} until ${until}\n`);
      return;
    }
    const approve = `hoopctl reviews approve ${review.id}`;
    if (waitMs === undefined) {
      await context.print(review, () => `${review.id} waits for a reviewer; they run: ${approve}\n`);
      return;
    }
    context.io.say(`${review.id} waits for a reviewer; they run: ${approve}`);
    const decided = await settledReview(context, review, waitMs);
    await context.print(decided, () => `${decided.id} ${decided.state}\n`);
  },
});
