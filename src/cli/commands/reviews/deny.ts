// `hoopctl reviews deny ID`: refuse what is held. The gateway refuses it to whoever asked.

import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import type { ReviewItem } from '../../shapes.ts';

export const command = define({
  options: { reason: { value: 'TEXT', help: 'why, for who asked and for the record' } },
  arguments: [{ name: 'id', help: 'the review', complete: 'reviews' }],
  run: async ({ id, reason }, context) => {
    const api = await context.api();
    const review = await api.call<ReviewItem>(route`reviews/${id}/deny`, {
      method: 'POST',
      body: reason === undefined ? {} : { reason },
      signal: context.signal,
    });
    await context.print(review, () => `${id} denied\n`);
  },
});
