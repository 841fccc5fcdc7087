// Approvals that stand for more than the one operation that waited: the shape of a statement for a session, or one
// statement for some time. Kept in memory, so that a decision need not wait; the store is where they come from.
// Refuses to know: who may give one (rules.ts), when one is asked for.

import { hash } from 'node:crypto';
import type { Principal } from '../identity/principal.ts';
import { type Exactly, exactly } from './rules.ts';
import type { Review, Standing } from './types.ts';

/** Everything that a standing approval can be bound to. */
export interface Wanted extends Exactly {
  readonly principal: Principal;
  readonly connection: string;
  readonly session: string;
  readonly policy: string;
  /** Every rule that matched: a further rule wants a further approval. */
  readonly rules: readonly string[];
  readonly shape?: string;
}

/** What is used in place of a new review. */
export interface Stands {
  readonly review: string;
  readonly kind: Standing['kind'];
  /** Who approved. */
  readonly by: readonly string[];
  readonly until: number;
}

export class StandingApprovals {
  readonly #byKey = new Map<string, Stands>();
  readonly #keys = new Map<string, string>();

  get size(): number {
    return this.#byKey.size;
  }

  /** Those that are taken to stand. */
  reviews(): readonly string[] {
    return [...this.#keys.keys()];
  }

  /** Takes note of a review as it is now: one that stands is kept, one that does not any more is dropped. */
  note(review: Review, now: number): void {
    const { id, standing, state } = review;
    const key = standing === undefined ? undefined : keyOf(standing.kind, ofReview(review));
    const stands = (state === 'used' || state === 'approved') && standing !== undefined && standing.until > now;
    if (!stands || key === undefined) {
      this.#drop(id);
      return;
    }
    const by = review.decisions.filter((one) => one.verdict === 'approve').map((one) => one.by);
    const known = this.#byKey.get(key);
    if (known !== undefined && known.until > standing.until) return;
    if (known !== undefined) this.#keys.delete(known.review);
    this.#byKey.set(key, { review: id, kind: standing.kind, by, until: standing.until });
    this.#keys.set(id, key);
  }

  /** The one that covers this, the shape's before the statement's. */
  find(wanted: Wanted & { readonly exact: string }, now: number): Stands | undefined {
    if (this.#byKey.size === 0) return undefined;
    for (const kind of ['session', 'time'] as const) {
      const key = keyOf(kind, wanted);
      const found = key === undefined ? undefined : this.#byKey.get(key);
      if (found === undefined) continue;
      if (found.until > now) return found;
      this.#drop(found.review);
    }
    return undefined;
  }

  /** Forgets what is over, and what was for sessions that are. */
  prune(now: number): void {
    for (const { review, until } of [...this.#byKey.values()]) if (until <= now) this.#drop(review);
  }

  #drop(review: string): void {
    const key = this.#keys.get(review);
    if (key === undefined) return;
    this.#keys.delete(review);
    this.#byKey.delete(key);
  }
}

function ofReview(review: Review): Wanted {
  const { session = '', rules = [] } = review;
  return { ...review, session, rules };
}

/** SHA-256 over what has to be the same; undefined where there is no shape to be the same. */
function keyOf(kind: Standing['kind'], wanted: Wanted): string | undefined {
  const { principal, connection, session, policy, rules, shape } = wanted;
  const bound = [kind, principal.issuer, principal.subject, principal.actor ?? null, connection, policy];
  const matched = [...rules].sort();
  if (kind === 'time') {
    // One of before the update does not tell what it was for: it stands for nothing.
    if (wanted.exact === undefined) return undefined;
    return hash('sha256', JSON.stringify([...bound, matched, ...exactly(wanted)]), 'hex');
  }
  if (shape === undefined) return undefined;
  return hash('sha256', JSON.stringify([...bound, matched, session, shape]), 'hex');
}
