// `hoopctl reviews watch`: reviews as they come and as they are decided, until stopped. On a terminal an inbox.

import { asHoopctlError } from '../../../core/errors.ts';
import { type Api, route } from '../../api.ts';
import { command as define } from '../../command.ts';
import type { Context } from '../../context.ts';
import { Inbox } from '../../inbox.ts';
import { reviewText, standingText } from '../../reviews.ts';
import type { ReviewItem } from '../../shapes.ts';
import type { Decision } from '../../views/review-prompt.tsx';

const RECONNECT_MS = 2000;

export const command = define({
  notes: `On a terminal an inbox: what waits, the chosen one in full, approve and deny from the keyboard. Otherwise plain text;
with --json one JSON object a line: the review as it is at that moment.`,
  run: async (_, context) => {
    const api = await context.api();
    if (live(context)) return inbox(context, api);
    if (!context.json) context.io.say('watching for reviews, Ctrl-C to stop');
    for await (const review of follow(api, context.signal)) {
      await context.print(review, () =>
        review.state === 'pending'
          ? `${reviewText(review, Date.now())}approve   hoopctl reviews approve ${review.id}\n\n`
          : `${review.id} ${review.state}\n\n`,
      );
    }
    return 0;
  },
});

/** Every change once, also when the stream had to be asked for anew in between. */
async function* follow(api: Api, signal: AbortSignal): AsyncGenerator<ReviewItem> {
  const waiting = new Map<string, string>();
  const renewed = () =>
    Promise.all([...waiting.keys()].map((id) => api.call<ReviewItem>(route`reviews/${id}`, { signal })));
  for await (const review of api.lines<ReviewItem>('reviews/watch', { signal, renewed })) {
    if (review.id === undefined) continue;
    const text = JSON.stringify(review);
    if (waiting.get(review.id) === text) continue;
    if (review.state === 'pending') waiting.set(review.id, text);
    else waiting.delete(review.id);
    yield review;
  }
}

/** Both ways a terminal that can draw, and nothing asked for another form. */
function live({ io, json }: Context): boolean {
  return !json && io.interactive && io.terminal.stdout && io.env.TERM !== 'dumb';
}

async function inbox(context: Context, api: Api): Promise<number> {
  const box = new Inbox();
  const listeners = new Set<() => void>();
  const ended = new AbortController();
  let trouble: string | undefined;
  const changed = () => {
    for (const listener of listeners) listener();
  };
  const follow = async () => {
    while (!ended.signal.aborted) {
      try {
        box.clear();
        const renewed = async () => {
          box.clear();
          return [];
        };
        for await (const review of api.lines<ReviewItem>('reviews/watch', { signal: ended.signal, renewed })) {
          trouble = undefined;
          if (review.id !== undefined) box.apply(review);
          changed();
        }
      } catch (thrown) {
        if (ended.signal.aborted) return;
        trouble = asHoopctlError(thrown).message;
      }
      changed();
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS).unref());
    }
  };
  const following = follow();
  try {
    const { showReviews } = await import('../../views/reviews.tsx');
    return await showReviews(context, {
      inbox: box,
      gateway: api.access.url,
      trouble: () => trouble,
      decide: (decision) => decide(api, decision),
      subscribe(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    });
  } finally {
    ended.abort();
    await Promise.race([following, new Promise((resolve) => setTimeout(resolve, 100).unref())]);
  }
}

/** What to tell whoever decided. */
async function decide(api: Api, { id, verdict, ...body }: Decision): Promise<string> {
  try {
    const review = await api.call<ReviewItem>(route`reviews/${id}/${verdict}`, { method: 'POST', body });
    if (verdict === 'deny') return `${id} denied`;
    const waits = review.state === 'pending' ? '; another reviewer has to agree' : '';
    return [`${id} approved`, standingText(review)].filter(Boolean).join(' ') + waits;
  } catch (thrown) {
    const { message, fix } = asHoopctlError(thrown);
    return fix === undefined ? message : `${message}; ${fix}`;
  }
}
