// How much of one principal may wait for people at once: whoever asks without end must not hide what others ask for.
// Refuses to know: what is asked, who decides.

import type { Clock } from '../../core/clock.ts';
import { type HoopctlError, userError } from '../../core/errors.ts';
import { type Limit, limit } from '../../core/limits.ts';
import { type Principal, principalKey } from '../identity/principal.ts';
import type { ReviewStore } from './types.ts';

/** Reviews of one principal that wait at once: operations that are held at this gateway, or requests for grants. */
export const REVIEWS_PER_PRINCIPAL: Limit = limit('reviews_per_principal', 'count', 200);

export class Crowd {
  readonly #reviews: Pick<ReviewStore, 'glance'>;
  readonly #clock: Clock;
  readonly #limit: (declared: Limit) => Limit;
  readonly #held = new Map<string, number>();
  readonly #asking = new Map<string, number>();

  constructor(reviews: Pick<ReviewStore, 'glance'>, clock: Clock, inForce: (declared: Limit) => Limit) {
    this.#reviews = reviews;
    this.#clock = clock;
    this.#limit = inForce;
  }

  /** Why no further operation of this principal is held; undefined where one may be. */
  objection(principal: Principal): HoopctlError | undefined {
    const bound = this.#limit(REVIEWS_PER_PRINCIPAL);
    const held = this.#held.get(principalKey(principal)) ?? 0;
    return held < bound.value ? undefined : tooMany(bound, held);
  }

  /** One is held; returns how to say that it is no more. */
  hold(principal: Principal): () => void {
    return count(this.#held, principalKey(principal));
  }

  /** Runs `add`, which keeps a request, where there is room for one. Errors: `limit_exceeded`, and what `add` throws. */
  async request<T>(principal: Principal, add: () => Promise<T>): Promise<T> {
    const bound = this.#limit(REVIEWS_PER_PRINCIPAL);
    const requester = principalKey(principal);
    // Counted before it is looked: of many at the same moment each sees the others.
    const release = count(this.#asking, requester);
    try {
      const of = { state: 'pending', requester, limit: bound.value } as const;
      const kept = await this.#reviews.glance({ ...of, expiresAfter: this.#clock.now() });
      const asked = kept.length + (this.#asking.get(requester) ?? 0) - 1;
      if (asked >= bound.value) throw tooMany(bound, asked);
      return await add();
    } finally {
      release();
    }
  }
}

function tooMany({ name, value: max }: Limit, value: number): HoopctlError {
  const message = `${value} reviews of yours wait already, the limit ${name} is ${max}`;
  return userError('limit_exceeded', message, {
    fix: 'have them decided, or give some up; "hoopctl reviews ls" lists them',
    details: { limit: name, value, max },
  });
}

function count(counts: Map<string, number>, key: string): () => void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
  let counted = true;
  return () => {
    if (!counted) return;
    counted = false;
    const left = (counts.get(key) ?? 1) - 1;
    if (left > 0) counts.set(key, left);
    else counts.delete(key);
  };
}
