// Reviews and grants as values, and where they are kept. `store/` implements the interfaces.
// Refuses to know: who is told, and how; SQL. Times are milliseconds since the epoch.

import type { Principal } from '../identity/principal.ts';
import type { Lifted, Reviewers } from '../policy/types.ts';

/**
 * `pending` → `approved` → `used`. `denied`, `expired`, `cancelled` end it from `pending`, and from `approved` while it
 * was not used. What has ended never changes again, but for one thing: a deny takes back an approval that still stands.
 */
export type ReviewState = 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'used';

/** What one person said. */
export interface ReviewDecision {
  readonly verdict: 'approve' | 'deny';
  /** principalKey of the person; at most one decision each. */
  readonly person: string;
  readonly email?: string;
  /** Display name. */
  readonly by: string;
  readonly reason?: string;
  /** Approvals only; left out: once. */
  readonly variant?: Variant;
  readonly at: number;
}

/**
 * What an approval is for beside the one operation that waits. `session`: every operation of the same shape in that
 * session. `time`: this statement (text and parameters) of this principal on this connection, for so long. Both end with
 * another policy version.
 */
export type Variant =
  | { readonly kind: 'once' }
  | { readonly kind: 'session' }
  | { readonly kind: 'time'; readonly ms: number };

/** An approval that goes on standing once it was used. Its end is absolute. */
export interface Standing {
  readonly kind: 'session' | 'time';
  readonly until: number;
}

/** What an operation touches, for a reviewer: words and names, no values. */
export interface Touches {
  readonly does: readonly string[];
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly functions: readonly string[];
  /** Why that may not be all. */
  readonly opaque?: string;
}

export interface Review {
  readonly id: string;
  /** `operation`: one held operation. `grant`: time-boxed access to a connection. `unmask`: masks lifted there for a time. */
  readonly kind: 'operation' | 'grant' | 'unmask';
  readonly state: ReviewState;
  /** Who asks. */
  readonly principal: Principal;
  readonly connection: string;
  /** Operation only: the session that waits. */
  readonly session?: string;
  /** Operation only: its number in the session. */
  readonly operation?: number;
  /** The rule that asked for it; for a grant none. */
  readonly rule?: string;
  /** The rule's own words. */
  readonly message?: string;
  /** The exact text; empty where none is held. */
  readonly text: string;
  readonly params?: readonly (string | null)[];
  /** How they are to be read, and what the text's bytes are where it shows them escaped: as an operation has it. */
  readonly forms?: readonly (string | null)[];
  readonly bytes?: string;
  /** Operation only: what else decides what runs, opaque. */
  readonly exact?: string;
  /** Operation only: its shape, where it has one. */
  readonly shape?: string;
  /** Operation only: every rule that matched; a standing approval holds for exactly these. */
  readonly rules?: readonly string[];
  /** Operation only. */
  readonly touches?: Touches;
  /** SHA-256, hex, of everything that it is bound to: `bindingDigest`. */
  readonly digest: string;
  readonly policy: string;
  readonly reviewers: Reviewers;
  /** Why the requester says it is needed. */
  readonly reason?: string;
  /** Unmask only: which masks. */
  readonly masks?: readonly Lifted[];
  /** Grant and unmask: how long it is asked for. */
  readonly grantMs?: number;
  readonly createdAt: number;
  /** Absolute: after it nothing can be approved or used. */
  readonly expiresAt: number;
  /** When it left `pending`. */
  readonly decidedAt?: number;
  /** Why it was cancelled, expired or denied, in words. */
  readonly outcome?: string;
  /** Set with the approval where it is for more than once. */
  readonly standing?: Standing;
  /** Operation only: the gateway at which it waits. */
  readonly gateway?: string;
  readonly decisions: readonly ReviewDecision[];
}

/** What a change writes. */
export interface ReviewChange {
  readonly state?: ReviewState;
  readonly outcome?: string;
  readonly decidedAt?: number;
  /** Added to the decisions. */
  readonly decision?: ReviewDecision;
  readonly standing?: Standing;
  /** Written in the same transaction. */
  readonly grant?: Grant;
}

export interface ReviewFilter {
  readonly state?: ReviewState;
  readonly session?: string;
  /** principalKey of the requester. */
  readonly requester?: string;
  readonly limit?: number;
  /** Only those that changed after this moment, and those of `among`, whenever they changed. */
  readonly changedAfter?: number;
  readonly among?: readonly string[];
  /** With `changedAfter`: also those of these that were denied, cancelled or expired, whenever that was. */
  readonly endedAmong?: readonly string[];
  /** Only those that wait or waited at this gateway, and those of which it is not known. */
  readonly gateway?: string;
  /** Only those whose time is over at this moment. */
  readonly expiredAt?: number;
  /** Only those whose time is not over at this moment. */
  readonly expiresAfter?: number;
  /** Only those whose approval still stands at this moment. */
  readonly standingAt?: number;
}

/** How far a review has come. */
export interface ReviewProgress {
  readonly id: string;
  readonly state: ReviewState;
  /** How many there are. */
  readonly decisions: number;
}

export interface ReviewStore {
  /** Errors: `conflict` when the id is taken. */
  add(review: Review): Promise<void>;
  get(id: string): Promise<Review | undefined>;
  /** Newest first. */
  list(filter?: ReviewFilter): Promise<readonly Review[]>;
  /** The same ones without what they are about, which may be large: for looking again and again. */
  glance(filter?: ReviewFilter): Promise<readonly ReviewProgress[]>;
  /**
   * Loads the review under a lock that every process respects, asks `decide` what to write, writes it, and returns the
   * review as it is then. `decide` is pure and may throw: nothing is written then. Undefined from `decide`: no change.
   * Errors: `not_found`, and what `decide` throws.
   */
  change(id: string, decide: (review: Review) => ReviewChange | undefined): Promise<Review>;
}

/**
 * Approved access of one principal (with this actor, or none) to one connection, from a moment to a moment; with `masks` no
 * access: in its sessions there these are lifted.
 */
export interface Grant {
  readonly id: string;
  readonly issuer: string;
  readonly subject: string;
  readonly actor?: string;
  /** Display name. */
  readonly principal: string;
  readonly connection: string;
  readonly masks?: readonly Lifted[];
  /** The review that approved it. */
  readonly review: string;
  /** Why it was asked for, as the review says. */
  readonly reason?: string;
  readonly startsAt: number;
  readonly endsAt: number;
  /** Nobody approved it: the glass was broken. */
  readonly breakGlass?: boolean;
  readonly revokedAt?: number;
  readonly revokedBy?: string;
  readonly revokedReason?: string;
}

export interface GrantFilter {
  readonly issuer?: string;
  readonly subject?: string;
  readonly connection?: string;
  /** Only those in force at this moment. */
  readonly activeAt?: number;
  /** Only those of these that were revoked. */
  readonly revokedAmong?: readonly string[];
  /** Only those that lift masks. */
  readonly unmasking?: boolean;
}

export interface GrantStore {
  get(id: string): Promise<Grant | undefined>;
  /** Newest first. */
  list(filter?: GrantFilter): Promise<readonly Grant[]>;
  /** False when it was revoked or over already. Errors: `not_found`. */
  revoke(id: string, by: string, reason: string | undefined, now: number): Promise<boolean>;
}
