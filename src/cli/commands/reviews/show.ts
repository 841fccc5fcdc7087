// `hoopctl reviews show ID`: all that a reviewer needs to decide.

import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { reviewText } from '../../reviews.ts';
import type { ReviewItem } from '../../shapes.ts';

export const command = define({
  arguments: [{ name: 'id', help: 'the review', complete: 'reviews' }],
  run: async ({ id }, context) => {
    const api = await context.api();
    const review = await api.call<ReviewItem>(route`reviews/${id}`, { signal: context.signal });
    await context.print(review, () => reviewText(review, Date.now()));
  },
});
