// `hoopctl request NAME`: ask for access to a connection, or for masks to be lifted there, for a time.

import { formatDuration, parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { command as define } from '../command.ts';
import { nearestConnection } from '../missing.ts';
import { settledReview } from '../reviews.ts';
import type { ReviewItem } from '../shapes.ts';
import { localTime } from '../text.ts';

export const command = define({
  options: {
    for: { value: 'DURATION', help: 'how long it shall last (the gateway may allow less)', default: '1h' },
    unmask: {
      value: 'MASK',
      many: true,
      flagOnly: true,
      help: 'not access: have this mask (or that of a column, customers.ssn) lifted for me; may be repeated',
    },
    reason: { value: 'TEXT', help: 'why, for the reviewers and the record' },
    wait: { value: 'DURATION', help: 'wait this long for the decision' },
    breakGlass: {
      flagOnly: true,
      help: 'take access without approval, where policy lets you: told to everybody concerned',
    },
  },
  arguments: [{ name: 'name', help: 'the connection', complete: 'connections' }],
  notes:
    'What was asked for ends when its time is over, or with hoopctl grants revoke.\nWith --wait: exit code 0 when it is approved, 3 when it is denied, 5 when nobody decided in time.',
  run: async (values, context) => {
    const { name, reason, breakGlass, unmask } = values;
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
    if (breakGlass && unmask.length > 0) throw userError('usage', '--unmask and --break-glass exclude each other');
    const body = {
      connection: name,
      for: values.for,
      ...(reason === undefined ? {} : { reason }),
      ...(breakGlass ? { breakGlass } : {}),
      ...(unmask.length > 0 ? { unmask } : {}),
    };
    const review = await nearestConnection(context, name, () =>
      api.call<ReviewItem>('grants', { method: 'POST', body, reason, signal: context.signal }),
    );
    const { grant } = review;
    const askedMs = parseDuration(values.for)!;
    if (review.forMs !== undefined && review.forMs < askedMs)
      context.io.say(
        `asked for ${formatDuration(review.forMs)}, the most that the gateway allows here, not ${values.for}`,
      );
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
    // Of access and of lifted masks an approval is used at once: to whoever asked that is one thing.
    const { id, state } = decided;
    await context.print(decided, () => `${id} ${state === 'used' ? 'approved' : state}\n`);
  },
});
