// `hoopctl reviews ls`: what waits for approval, or did.

import { command as define } from '../../command.ts';
import { rememberNames } from '../../names.ts';
import { painter } from '../../paint.ts';
import { nameOf, type ReviewItem } from '../../shapes.ts';
import { relativeTime, table } from '../../text.ts';

export const command = define({
  options: {
    state: {
      value: 'STATE',
      choices: ['pending', 'approved', 'denied', 'expired', 'cancelled', 'used', 'all'],
      default: 'pending',
      help: 'only those in this state',
    },
  },
  run: async ({ state }, context) => {
    const api = await context.api();
    const query = state === 'all' ? {} : { state };
    const answer = await api.call<{ reviews: ReviewItem[] }>('reviews', { query, signal: context.signal });
    if (state === 'pending')
      rememberNames(
        context,
        api.access.url,
        'reviews',
        answer.reviews.map((review) => review.id),
      );
    const paint = await painter(context.io);
    const now = Date.now();
    await context.print(answer, () => {
      if (answer.reviews.length === 0) return state === 'pending' ? 'nothing waits\n' : 'none\n';
      const rows = answer.reviews.map((review) => [
        review.id,
        review.state,
        nameOf(review.requester),
        review.connection,
        relativeTime(review.createdAt, now),
        review.text || `access${review.reason === undefined ? '' : `: ${review.reason}`}`,
      ]);
      return table(['id', 'state', 'who', 'connection', 'asked', 'what'], rows, {
        ...(context.io.terminal.stdout ? { width: context.io.columns } : {}),
        paint: (cell, column) => (column === 1 ? paint(cell, cell) : cell),
      });
    });
  },
});
