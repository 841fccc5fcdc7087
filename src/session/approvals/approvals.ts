// Reviews while they live: opened, waited for, decided, used, expired. The store settles every race; this only waits and
// tells. Refuses to know: sessions, policy, SQL, how anybody is told.

import type { Clock } from '../../core/clock.ts';
import { asHoopctlError, type HoopctlError, userError } from '../../core/errors.ts';
import { newGrantId, newReviewId } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import { displayName, type Principal } from '../identity/principal.ts';
import type { Reviewers } from '../policy/types.ts';
import type { AuditLog } from '../recorder/log.ts';
import { type Binding, bindingDigest, decideReview, endReview, takeReview } from './rules.ts';
import type { Grant, Review, ReviewChange, ReviewFilter, ReviewStore } from './types.ts';

/** How long a held operation waits when its rule does not say, and a request for a grant. */
export const DEFAULT_WAIT_MS = 10 * 60_000;
export const GRANT_REQUEST_MS = 24 * 3_600_000;

/** How often decisions of other processes are looked for. */
const POLL_MS = 1000;
/** The longest that a timer can be set for. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface ApprovalsOptions {
  readonly reviews: ReviewStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly pollMs?: number;
}

export interface HoldRequest extends Omit<Binding, 'policy'> {
  /** The version in force now, asked again when the approval is used. */
  readonly policy: () => string;
  readonly operation: number;
  readonly rule: string;
  readonly message?: string;
  readonly reason?: string;
  readonly reviewers: Reviewers;
  readonly waitMs: number;
}

/** How a hold came out. Anything but `used` means that the operation does not run. */
export type HoldResult =
  | { readonly state: 'used'; readonly by: readonly string[] }
  | { readonly state: 'denied' | 'expired' | 'cancelled'; readonly message: string; readonly next: string };

export interface Held {
  readonly id: string;
  readonly expiresAt: number;
  /** Never rejects. */
  readonly settled: Promise<HoldResult>;
  cancel(why: string): void;
}

interface Waiter {
  readonly binding: () => Binding;
  readonly resolve: (result: HoldResult) => void;
  readonly timer: NodeJS.Timeout;
  /** Resolves when the store has it. */
  readonly added: Promise<void>;
  taking: boolean;
}

export class Approvals {
  readonly #options: ApprovalsOptions;
  readonly #waiting = new Map<string, Waiter>();
  readonly #watchers = new Set<(review: Review) => void>();
  #poll: NodeJS.Timeout | undefined;
  #polledAt = 0;
  #polling = false;

  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  /** Opens a review for one operation and waits for it. Throws `recording_failed` when that cannot be put on record. */
  hold(request: HoldRequest): Held {
    const { clock, audit } = this.#options;
    const binding = (): Binding => ({ ...request, policy: request.policy() });
    const now = clock.now();
    const review: Review = {
      id: newReviewId(),
      kind: 'operation',
      state: 'pending',
      principal: request.principal,
      connection: request.connection,
      session: request.session,
      operation: request.operation,
      rule: request.rule,
      message: request.message,
      text: request.text,
      params: request.params,
      digest: bindingDigest(binding()),
      policy: request.policy(),
      reviewers: request.reviewers,
      reason: request.reason,
      createdAt: now,
      expiresAt: now + request.waitMs,
      decisions: [],
    };
    audit.append('review', opened(review));
    const { promise, resolve } = Promise.withResolvers<HoldResult>();
    const expire = () => void this.#end(review.id, 'expired', 'nobody decided in time');
    const timer = setTimeout(expire, Math.min(request.waitMs, MAX_TIMER_MS));
    const added = this.#options.reviews.add(review).then(() => this.#changed(review));
    this.#waiting.set(review.id, { binding, resolve, timer, added, taking: false });
    added.catch((thrown: unknown) => this.#broken(review.id, thrown));
    this.#watchStore();
    return {
      id: review.id,
      expiresAt: review.expiresAt,
      settled: promise,
      cancel: (why) => void this.#end(review.id, 'cancelled', why),
    };
  }

  /** Asks for access to a connection for a time. Errors: `store_failed`, `recording_failed`. */
  async requestGrant(request: {
    readonly principal: Principal;
    readonly connection: string;
    readonly grantMs: number;
    readonly reviewers: Reviewers;
    readonly policy: string;
    readonly reason?: string;
    readonly waitMs?: number;
  }): Promise<Review> {
    const now = this.#options.clock.now();
    const id = newReviewId();
    const review: Review = {
      id,
      kind: 'grant',
      state: 'pending',
      principal: request.principal,
      connection: request.connection,
      text: '',
      digest: bindingDigest({ ...request, session: id, text: `grant ${request.grantMs}` }),
      policy: request.policy,
      reviewers: request.reviewers,
      reason: request.reason,
      grantMs: request.grantMs,
      createdAt: now,
      expiresAt: now + (request.waitMs ?? GRANT_REQUEST_MS),
      decisions: [],
    };
    this.#options.audit.append('review', opened(review));
    await this.#options.reviews.add(review);
    this.#changed(review);
    return review;
  }

  /**
   * A reviewer's word. On record before it counts. An approved request for a grant becomes a grant in the same
   * transaction. Errors: `forbidden`, `conflict`, `not_found`, `recording_failed`.
   */
  async decide(
    id: string,
    wish: { verdict: 'approve' | 'deny'; reviewer: Principal; reason?: string },
  ): Promise<Review> {
    const { reviews, clock, audit } = this.#options;
    const now = clock.now();
    const review = await reviews.change(id, (current) => {
      const change = withGrant(current, decideReview(current, { ...wish, now }), now);
      audit.append('review', {
        review: id,
        verdict: wish.verdict,
        by: displayName(wish.reviewer),
        reviewer: wish.reviewer,
        reason: wish.reason,
        state: change.state ?? 'pending',
        grant: change.grant,
      });
      return change;
    });
    this.#changed(review);
    return review;
  }

  /** With what has expired shown so, though nobody has written it yet. */
  async list(filter?: ReviewFilter): Promise<readonly Review[]> {
    await this.expire();
    return this.#options.reviews.list(filter);
  }

  /** Errors: `not_found`. */
  async get(id: string): Promise<Review> {
    const review = await this.#options.reviews.get(id);
    if (review === undefined) {
      throw userError('not_found', `there is no review "${id}"`, { fix: 'run hoopctl reviews ls' });
    }
    return review;
  }

  /** Called with every review that is opened or changes, here or in another process; returns how to stop. */
  watch(listener: (review: Review) => void): () => void {
    this.#watchers.add(listener);
    this.#watchStore();
    return () => this.#watchers.delete(listener);
  }

  /** Ends pending reviews whose time is over: those that nobody waits for any more. */
  async expire(): Promise<void> {
    const now = this.#options.clock.now();
    for (const review of await this.#options.reviews.list({ state: 'pending' })) {
      if (review.expiresAt <= now && !this.#waiting.has(review.id)) {
        await this.#close(review.id, 'expired', 'nobody decided in time');
      }
    }
  }

  /** At start: the sessions that these waited for are gone. Returns how many were closed. */
  async closeOrphans(): Promise<number> {
    let count = 0;
    for (const state of ['pending', 'approved'] as const) {
      for (const review of await this.#options.reviews.list({ state })) {
        if (review.kind !== 'operation' || this.#waiting.has(review.id)) continue;
        await this.#close(review.id, 'cancelled', 'the gateway stopped while it was held');
        count += 1;
      }
    }
    return count;
  }

  /** Nothing is waited for any more, no timer left. */
  stop(): void {
    clearInterval(this.#poll);
    this.#poll = undefined;
    for (const id of this.#waiting.keys()) this.#resolve(id, endedResult(id, 'cancelled', 'the gateway is stopping'));
    this.#watchers.clear();
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** Something is known to have changed: tell the watchers, and the one that waits. */
  #changed(review: Review): void {
    for (const watcher of this.#watchers) {
      try {
        watcher(review);
      } catch (thrown) {
        this.#options.log.warn({ review: review.id }, `a watcher of reviews failed: ${asHoopctlError(thrown).message}`);
      }
    }
    const waiter = this.#waiting.get(review.id);
    if (waiter === undefined || review.state === 'pending') return;
    if (review.state === 'approved') void this.#take(review.id, waiter);
    else if (review.state !== 'used') this.#resolve(review.id, resultOf(review));
  }

  /** Approved: take it, for exactly this. */
  async #take(id: string, waiter: Waiter): Promise<void> {
    if (waiter.taking) return;
    waiter.taking = true;
    try {
      const now = this.#options.clock.now();
      const used = await this.#options.reviews.change(id, (current) => {
        const change = takeReview(current, waiter.binding(), now);
        this.#options.audit.append('review', { review: id, state: 'used', session: current.session });
        return change;
      });
      const by = used.decisions.filter((one) => one.verdict === 'approve').map((one) => one.by);
      this.#resolve(id, { state: 'used', by });
      this.#changed(used);
    } catch (thrown) {
      const error = asHoopctlError(thrown);
      const state =
        error.code === 'review_denied' ? 'denied' : error.code === 'review_expired' ? 'expired' : 'cancelled';
      this.#logUnlessTheirs(id, error);
      this.#resolve(id, { state, message: error.message, next: error.fix ?? 'ask again by running it again' });
      if (state !== 'denied') await this.#close(id, state, error.message);
    }
  }

  /** Ends the waiting at once and the review in the store behind it. */
  async #end(id: string, state: 'expired' | 'cancelled', why: string): Promise<void> {
    const waiter = this.#waiting.get(id);
    if (waiter === undefined) return;
    this.#resolve(id, endedResult(id, state, why));
    await waiter.added.catch(() => {});
    await this.#close(id, state, why);
  }

  async #close(id: string, state: 'expired' | 'cancelled', why: string): Promise<void> {
    try {
      const now = this.#options.clock.now();
      let wrote = false;
      const review = await this.#options.reviews.change(id, (current) => {
        const change = endReview(current, state, why, now);
        wrote = change !== undefined;
        return change;
      });
      if (!wrote) return;
      this.#options.audit.append('review', { review: id, state, why });
      this.#changed(review);
    } catch (thrown) {
      this.#options.log.error({ review: id }, `cannot close review ${id}: ${asHoopctlError(thrown).message}`);
    }
  }

  #broken(id: string, thrown: unknown): void {
    this.#logUnlessTheirs(id, asHoopctlError(thrown));
    this.#resolve(id, endedResult(id, 'cancelled', 'the review could not be kept'));
  }

  #logUnlessTheirs(id: string, error: HoopctlError): void {
    if (error.fault !== 'user') this.#options.log.error({ review: id, code: error.code }, error.message);
  }

  #resolve(id: string, result: HoldResult): void {
    const waiter = this.#waiting.get(id);
    if (waiter === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiter.timer);
    waiter.resolve(result);
  }

  #watchStore(): void {
    if (this.#poll !== undefined) return;
    this.#polledAt = this.#options.clock.now();
    this.#poll = setInterval(() => void this.poll(), this.#options.pollMs ?? POLL_MS);
    this.#poll.unref();
  }

  /** Looks for what other processes decided. Runs by itself while somebody waits or watches. */
  async poll(): Promise<void> {
    if (this.#polling) return;
    if (this.#waiting.size === 0 && this.#watchers.size === 0) {
      clearInterval(this.#poll);
      this.#poll = undefined;
      return;
    }
    this.#polling = true;
    try {
      // Overlapping by a second: clocks of two processes differ. Seeing a change twice does no harm.
      const since = this.#polledAt - 1000;
      this.#polledAt = this.#options.clock.now();
      for (const review of await this.#options.reviews.list({ changedAfter: since, limit: 1000 }))
        this.#changed(review);
    } catch (thrown) {
      this.#options.log.error({}, `cannot look for decided reviews: ${asHoopctlError(thrown).message}`);
    } finally {
      this.#polling = false;
    }
  }
}

function opened(review: Review): Record<string, unknown> {
  const { id, kind, state, principal, connection, session, operation, rule, digest, policy, reason, grantMs } = review;
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
  };
}

function withGrant(review: Review, change: ReviewChange, now: number): ReviewChange {
  if (review.kind !== 'grant' || change.state !== 'approved') return change;
  const { issuer, subject, actor } = review.principal;
  const grant: Grant = {
    id: newGrantId(),
    issuer,
    subject,
    ...(actor === undefined ? {} : { actor }),
    principal: displayName(review.principal),
    connection: review.connection,
    review: review.id,
    startsAt: now,
    endsAt: now + review.grantMs!,
  };
  return { ...change, state: 'used', grant };
}

function resultOf(review: Review): HoldResult {
  const state = review.state === 'denied' || review.state === 'expired' ? review.state : 'cancelled';
  return endedResult(review.id, state, review.outcome ?? state);
}

function endedResult(id: string, state: 'denied' | 'expired' | 'cancelled', why: string): HoldResult {
  const next = {
    denied: 'talk to the reviewer, then ask again',
    expired: 'run it again when a reviewer is there',
    cancelled: 'run it again to ask again',
  }[state];
  // An outcome of `denied` is told as `denied by …` already.
  return { state, message: state === 'denied' ? `review ${id} ${why}` : `review ${id} ${state}: ${why}`, next };
}
