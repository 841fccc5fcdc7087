// `hoopctl reviews ls`: what waits for approval, or did.

import { command as define } from '../../command.ts';
import { printListing } from '../../listing.ts';
import { nameOf, type ReviewItem } from '../../shapes.ts';
import { relativeTime } from '../../text.ts';

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
    await printListing(context, answer, {
      kind: 'reviews',
      gateway: api.access.url,
      items: answer.reviews,
      // What nobody can decide any more is of no use to completion.
      remember: state === 'pending',
      headers: ['id', 'state', 'who', 'connection', 'asked', 'what'],
      state: 1,
      row: (review, now) => [
        review.id,
        review.state,
        nameOf(review.requester),
        review.connection,
        relativeTime(review.createdAt, now),
        review.text ||
          `${review.masks === undefined ? 'access' : `without ${review.masks.join(', ')}`}${review.reason === undefined ? '' : `: ${review.reason}`}`,
      ],
      ...(state === 'pending' ? { none: 'nothing waits' } : {}),
    });
  },
});
