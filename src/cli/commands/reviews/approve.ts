// `hoopctl reviews approve ID`: let what is held run, or the access begin. The gateway refuses it to whoever asked.

import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import type { ReviewItem } from '../../shapes.ts';

export const command = define({
  options: { reason: { value: 'TEXT', help: 'why, for who asked and for the record' } },
  arguments: [{ name: 'id', help: 'the review', complete: 'reviews' }],
  run: async ({ id, reason }, context) => {
    const api = await context.api();
    const review = await api.call<ReviewItem>(route`reviews/${id}/approve`, {
      method: 'POST',
      body: reason === undefined ? {} : { reason },
      signal: context.signal,
    });
    const waits = review.state === 'pending' ? '; another reviewer has to agree' : '';
    await context.print(review, () => `${id} approved${waits}\n`);
  },
});
