// What other processes on the same store change of reviews, found by looking again and again. Each change is told once, and
// none that is older than what is known already. Refuses to know: what a change means, SQL.

import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import { Outage } from '../outage.ts';
import type { Review, ReviewProgress, ReviewState, ReviewStore } from './types.ts';

/** How often is looked, unless somebody says that there is something. */
const POLL_MS = 1000;
/** Clocks of two gateways differ, and a change is seen a moment after the time that it carries. */
const OVERLAP_MS = 5000;
/** What was looked at longer ago than this is not known any more. */
const STALE_MS = 5000;

export interface ReviewChangesOptions {
  readonly reviews: ReviewStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly pollMs: number | undefined;
  /** Other gateways have the same store: looks always, not only while somebody here wants to know. */
  readonly shared: boolean;
  readonly wanted: () => boolean;
  /** Reviews that somebody waits for: looked at whenever they changed. */
  readonly waiting: () => readonly string[];
  /** Reviews of which the approval stands here: looked at as soon as it does so no more, whenever that was. */
  readonly standing: () => readonly string[];
  readonly found: (review: Review) => void;
}

export class ReviewChanges {
  readonly #options: ReviewChangesOptions;
  readonly #outage: Outage;
  /** How far each review had got; two generations, so that it stays small. */
  #known = new Map<string, number>();
  #before = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #polledAt = 0;
  #freshAt = Number.NEGATIVE_INFINITY;
  #polling: Promise<void> | undefined;
  #again = false;

  constructor(options: ReviewChangesOptions) {
    this.#options = options;
    this.#outage = new Outage(options.log, 'look for decided reviews');
  }

  /** Looks until nobody wants to know. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#polledAt = this.#options.clock.now();
    this.#freshAt = this.#polledAt;
    this.#timer = setInterval(() => void this.poll(), this.#options.pollMs ?? POLL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Whether what others did until a few seconds ago is known; always so where there are no others. */
  get fresh(): boolean {
    if (!this.#options.shared) return true;
    // A clock that was set back would make an old look a new one for as long.
    const age = this.#options.clock.now() - this.#freshAt;
    return age >= 0 && age < STALE_MS;
  }

  /** False when a later state of it is known. */
  note(review: Review): boolean {
    const progress = progressOf({ ...review, decisions: review.decisions.length });
    if (progress < (this.#knownOf(review.id) ?? 0)) return false;
    this.#known.set(review.id, progress);
    return true;
  }

  /** One look, begun after this was called; one at a time. */
  poll(): Promise<void> {
    if (this.#polling !== undefined) {
      this.#again = true;
      return this.#polling;
    }
    const polling = async () => {
      do {
        this.#again = false;
        await this.#poll();
      } while (this.#again && this.#timer !== undefined);
    };
    this.#polling = polling().finally(() => {
      this.#polling = undefined;
    });
    return this.#polling;
  }

  async #poll(): Promise<void> {
    const { shared, wanted, waiting, standing, reviews, clock, found } = this.#options;
    if (!shared && !wanted()) return this.stop();
    const since = this.#polledAt - OVERLAP_MS;
    const at = clock.now();
    try {
      // The moment of a change is by the clock of whoever made it, which may be far behind.
      const among = { among: waiting(), endedAmong: standing() };
      const changed = await reviews.glance({ changedAfter: since, ...among, limit: 10_000 });
      const fresh = changed.filter((one) => progressOf(one) > (this.#knownOf(one.id) ?? -1));
      this.#before = this.#known;
      this.#known = new Map(changed.map(({ id }) => [id, this.#knownOf(id) ?? -1]));
      // What is held may be many megabytes: it is read where something has changed, one after the other.
      for (const { id } of fresh) {
        const review = await reviews.get(id);
        if (review !== undefined) found(review);
      }
      // Only now: what could not be looked at is looked at next time.
      this.#polledAt = at;
      this.#freshAt = at;
      this.#outage.worked();
    } catch (thrown) {
      this.#outage.failed(thrown);
    }
  }

  #knownOf(id: string): number | undefined {
    return this.#known.get(id) ?? this.#before.get(id);
  }
}

const RANK: Record<ReviewState, number> = { pending: 0, approved: 1, used: 2, denied: 3, expired: 3, cancelled: 3 };

/** Grows with every change: states come in one order only, decisions are never taken away. */
function progressOf({ state, decisions }: Pick<ReviewProgress, 'state' | 'decisions'>): number {
  return RANK[state] * 1000 + Math.min(decisions, 999);
}
