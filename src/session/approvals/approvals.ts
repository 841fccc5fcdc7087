// Reviews while they live: opened, waited for, decided, used, expired. The store settles every race; this only waits and
// tells. Refuses to know: sessions, policy, SQL, how anybody is told.

import type { Clock } from '../../core/clock.ts';
import { asHoopctlError, type HoopctlError, userError } from '../../core/errors.ts';
import { newReviewId } from '../../core/ids.ts';
import type { Limit } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import { type Alerts, grantAlert, noAlerts, reviewAlert } from '../alerts.ts';
import { displayName, type Principal } from '../identity/principal.ts';
import type { AuditLog } from '../log/audit.ts';
import type { Reviewers } from '../policy/types.ts';
import { ReviewChanges } from './changes.ts';
import { Crowd } from './crowd.ts';
import { breakGlass, type GrantRequest, grantReview, withGrant } from './grant-requests.ts';
import { endedResult, type HoldResult, opened, resultOf } from './outcomes.ts';
import { type Binding, bindingDigest, decideReview, endReview, otherPolicy, takeReview } from './rules.ts';
import { StandingApprovals, type Stands, type Wanted } from './standing.ts';
import type { Grant, Review, ReviewFilter, ReviewStore, Touches, Variant } from './types.ts';

export type { HoldResult } from './outcomes.ts';

/** How long a held operation waits when its rule does not say. */
export const DEFAULT_WAIT_MS = 10 * 60_000;

/** The longest that a timer can be set for. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface ApprovalsOptions {
  readonly reviews: ReviewStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts?: Alerts;
  /** A grant was made here just now. */
  readonly granted?: () => void;
  /** Why the policy in force would not have a request for a grant as it was made; undefined where it would. */
  readonly outdated?: (review: Review) => string | undefined;
  readonly pollMs?: number;
  /** This gateway among those of its store. */
  readonly gateway?: string;
  /** Whether other gateways have the same store. */
  readonly shared?: boolean;
  /** The limit in force; left out: the declared one. */
  readonly limit?: (declared: Limit) => Limit;
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
  readonly shape?: string;
  /** Every rule that matched. */
  readonly rules?: readonly string[];
  readonly touches?: Touches;
}

export interface Held {
  readonly id: string;
  readonly expiresAt: number;
  /** Never rejects. */
  readonly settled: Promise<HoldResult>;
  /** Called when somebody has approved and more have to. */
  onProgress(listener: (review: Review) => void): void;
  cancel(why: string): void;
}

interface Waiter {
  readonly binding: () => Binding;
  readonly resolve: (result: HoldResult) => void;
  readonly timer: NodeJS.Timeout;
  readonly leave: () => void;
  /** Resolves when the store has it. */
  readonly added: Promise<void>;
  taking: boolean;
  /** Decisions told of. */
  seen: number;
  progress: ((review: Review) => void) | undefined;
}

export class Approvals {
  readonly #options: ApprovalsOptions;
  readonly #waiting = new Map<string, Waiter>();
  readonly #watchers = new Set<(review: Review) => void>();
  readonly #standing = new StandingApprovals();
  readonly #changes: ReviewChanges;
  readonly #crowd: Crowd;

  constructor(options: ApprovalsOptions) {
    this.#options = options;
    const { reviews, clock, log, pollMs, shared = false } = options;
    this.#crowd = new Crowd(reviews, clock, options.limit ?? ((declared) => declared));
    this.#changes = new ReviewChanges({
      ...{ reviews, clock, log, pollMs, shared },
      wanted: () => this.#waiting.size > 0 || this.#watchers.size > 0 || this.#standing.size > 0,
      waiting: () => [...this.#waiting.keys()],
      standing: () => this.#standing.reviews(),
      found: (review) => this.#changed(review),
    });
  }

  /** Why nothing more of this principal can be held; undefined where it can. */
  crowded(principal: Principal): HoopctlError | undefined {
    return this.#crowd.objection(principal);
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
      ...{ text: request.text, bytes: request.bytes, params: request.params, forms: request.forms },
      exact: request.exact,
      digest: bindingDigest(binding()),
      policy: request.policy(),
      reviewers: request.reviewers,
      reason: request.reason,
      shape: request.shape,
      rules: request.rules ?? [request.rule],
      touches: request.touches,
      gateway: this.#options.gateway,
      createdAt: now,
      expiresAt: now + request.waitMs,
      decisions: [],
    };
    audit.append('review', opened(review));
    const { promise, resolve } = Promise.withResolvers<HoldResult>();
    const expire = () => void this.#end(review.id, 'expired', 'nobody decided in time');
    const timer = setTimeout(expire, Math.min(request.waitMs, MAX_TIMER_MS));
    const added = this.#options.reviews.add(review).then(() => this.#changed(review, true));
    const leave = this.#crowd.hold(request.principal);
    const waiter: Waiter = { binding, resolve, timer, leave, added, taking: false, seen: 0, progress: undefined };
    this.#waiting.set(review.id, waiter);
    added.catch((thrown: unknown) => this.#broken(review.id, thrown));
    this.#changes.start();
    return {
      id: review.id,
      expiresAt: review.expiresAt,
      settled: promise,
      onProgress: (listener) => {
        waiter.progress = listener;
      },
      cancel: (why) => void this.#end(review.id, 'cancelled', why),
    };
  }

  /** Asks for access to a connection for a time. Errors: `limit_exceeded`, `store_failed`, `recording_failed`. */
  requestGrant(request: GrantRequest): Promise<Review> {
    return this.#crowd.request(request.principal, async () => {
      const review = grantReview(request, this.#options.clock.now());
      this.#options.audit.append('review', opened(review));
      await this.#options.reviews.add(review);
      this.#changed(review, true);
      return review;
    });
  }

  /** A grant without approval. Errors: `store_failed`, `recording_failed`. */
  breakGlass(request: Omit<GrantRequest, 'reviewers' | 'waitMs'> & { readonly reason: string }): Promise<Grant> {
    return breakGlass(request, { ...this.#options, alerts: this.#alerts });
  }

  /** The approval that covers an operation already, for which no new one has to be asked. */
  standing(wanted: Wanted & { readonly exact: string }): Stands | undefined {
    // Somebody may have taken it back elsewhere: without a look at the store it is not known to stand.
    if (!this.#changes.fresh) return undefined;
    return this.#standing.find(wanted, this.#options.clock.now());
  }

  /**
   * A reviewer's word. On record before it counts. An approved request for a grant becomes a grant in the same
   * transaction. Errors: `forbidden`, `conflict`, `usage`, `not_found`, `recording_failed`.
   */
  async decide(
    id: string,
    wish: { verdict: 'approve' | 'deny'; reviewer: Principal; reason?: string; variant?: Variant },
  ): Promise<Review> {
    const { reviews, clock, audit, outdated } = this.#options;
    const now = clock.now();
    const review = await reviews.change(id, (current) => {
      const why = wish.verdict === 'approve' && current.kind !== 'operation' ? outdated?.(current) : undefined;
      if (why !== undefined) throw otherPolicy(id, why);
      const change = withGrant(current, decideReview(current, { ...wish, now }), now);
      audit.append('review', {
        review: id,
        verdict: wish.verdict,
        by: displayName(wish.reviewer),
        reviewer: wish.reviewer,
        reason: wish.reason,
        state: change.state ?? 'pending',
        standing: change.standing,
        grant: change.grant,
      });
      return change;
    });
    this.#changed(review, true);
    if (review.kind !== 'operation' && review.state === 'used') {
      // Masks that are lifted are told of where they are: with their end.
      if (review.kind === 'grant') this.#alerts.raise(grantAlert(review));
      this.#options.granted?.();
    }
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

  /** At start: approvals of before that still stand, here or at another gateway. Those for a session ended with it. */
  async restore(): Promise<void> {
    const now = this.#options.clock.now();
    for (const review of await this.#options.reviews.list({ standingAt: now })) {
      if (review.standing?.kind === 'time') this.#standing.note(review, now);
    }
    if (this.#standing.size > 0 || this.#options.shared === true) this.#changes.start();
  }

  /** Called with every review that is opened or changes, here or in another process; returns how to stop. */
  watch(listener: (review: Review) => void): () => void {
    this.#watchers.add(listener);
    this.#changes.start();
    return () => this.#watchers.delete(listener);
  }

  /** Ends reviews whose time is over: those that nobody waits for here. */
  async expire(): Promise<void> {
    const now = this.#options.clock.now();
    for (const state of ['pending', 'approved'] as const) {
      for (const review of await this.#options.reviews.list({ state, expiredAt: now })) {
        if (this.#waiting.has(review.id)) continue;
        await this.#close(
          review.id,
          'expired',
          state === 'pending' ? 'nobody decided in time' : 'it was not used in time',
        );
      }
    }
  }

  /**
   * The sessions that these waited for are gone: those of a gateway that were opened until then, or all. Returns how many
   * were closed.
   */
  async closeOrphans(of: { gateway?: string | undefined; until?: number; why?: string } = {}): Promise<number> {
    const { gateway, until = Number.POSITIVE_INFINITY, why = 'the gateway stopped while it was held' } = of;
    const filter = { limit: 1_000_000, ...(gateway === undefined ? {} : { gateway }) };
    let count = 0;
    for (const state of ['pending', 'approved'] as const) {
      for (const review of await this.#options.reviews.list({ state, ...filter })) {
        if (review.kind !== 'operation' || review.createdAt > until || this.#waiting.has(review.id)) continue;
        await this.#close(review.id, 'cancelled', why);
        count += 1;
      }
    }
    return count;
  }

  /** Nothing is waited for any more, no timer left. */
  stop(): void {
    this.#changes.stop();
    for (const id of this.#waiting.keys()) this.#resolve(id, endedResult(id, 'cancelled', 'the gateway is stopping'));
    this.#watchers.clear();
  }

  // -------------------------------------------------------------------------------------------------------------------

  get #alerts(): Alerts {
    return this.#options.alerts ?? noAlerts;
  }

  /** Something is known to have changed: tell the watchers, and the one that waits. `here`: this process did it. */
  #changed(review: Review, here = false): void {
    if (!this.#changes.note(review)) return;
    this.#standing.note(review, this.#options.clock.now());
    // Somebody may take it back in another process.
    if (this.#standing.size > 0) this.#changes.start();
    // An approval that is taken at once is told of as what it is: one decision.
    if (here && (review.decisions.length === 0 || review.state !== 'pending')) this.#alerts.raise(reviewAlert(review));
    for (const watcher of this.#watchers) {
      try {
        watcher(review);
      } catch (thrown) {
        this.#options.log.warn({ review: review.id }, `a watcher of reviews failed: ${asHoopctlError(thrown).message}`);
      }
    }
    const waiter = this.#waiting.get(review.id);
    if (waiter === undefined) return;
    if (review.state === 'pending') {
      if (review.decisions.length > waiter.seen) waiter.progress?.(review);
      waiter.seen = review.decisions.length;
      return;
    }
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
      this.#changed(review, true);
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
    waiter.leave();
    clearTimeout(waiter.timer);
    waiter.resolve(result);
  }

  /** Looks for what other processes decided. Runs by itself while somebody waits or watches. */
  poll(): Promise<void> {
    this.#standing.prune(this.#options.clock.now());
    return this.#changes.poll();
  }
}
