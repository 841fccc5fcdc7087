// `hoopctl reviews watch`: reviews as they come and as they are decided, until stopped.

import { command as define } from '../../command.ts';
import { reviewText } from '../../reviews.ts';
import type { ReviewItem } from '../../shapes.ts';

export const command = define({
  notes: 'With --json one JSON object a line: the review as it is at that moment.',
  run: async (_, context) => {
    const api = await context.api();
    if (!context.json) context.io.say('watching for reviews, Ctrl-C to stop');
    for await (const review of api.lines<ReviewItem>('reviews/watch', { signal: context.signal })) {
      if (review.id === undefined) continue;
      await context.print(review, () =>
        review.state === 'pending'
          ? `${reviewText(review, Date.now())}approve   hoopctl reviews approve ${review.id}\n\n`
          : `${review.id} ${review.state}\n\n`,
      );
    }
  },
});
