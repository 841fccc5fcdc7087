// How a review came out, in words for who waited and as fields for the log. Pure.

import type { Review } from './types.ts';

/** How a hold came out. Anything but `used` means that the operation does not run. */
export type HoldResult =
  | { readonly state: 'used'; readonly by: readonly string[] }
  | { readonly state: 'denied' | 'expired' | 'cancelled'; readonly message: string; readonly next: string };

/** The log's entry for a review that begins. */
export function opened(review: Review): Record<string, unknown> {
  const { id, kind, state, principal, connection, session, operation, rule, digest, policy, reason, grantMs } = review;
  const masks = review.masks?.map(({ mask }) => mask);
  return {
    review: id,
    of: kind,
    state,
    principal,
    connection,
    session,
    operation,
    rule,
    digest,
    policy,
    reason,
    grantMs,
    masks,
  };
}

export function resultOf(review: Review): HoldResult {
  const state = review.state === 'denied' || review.state === 'expired' ? review.state : 'cancelled';
  return endedResult(review.id, state, review.outcome ?? state);
}

export function endedResult(id: string, state: 'denied' | 'expired' | 'cancelled', why: string): HoldResult {
  const next = {
    denied: 'talk to the reviewer, then ask again',
    expired: 'run it again when a reviewer is there',
    cancelled: 'run it again to ask again',
  }[state];
  // An outcome of `denied` is told as `denied by …` already.
  return { state, message: state === 'denied' ? `review ${id} ${why}` : `review ${id} ${state}: ${why}`, next };
}
