// What the rest of the session knows of policy: questions and answers, no document, no matching.

import type { Facts, Mask, PredicateUse, ResultColumn } from '../../protocol/contract.ts';
import type { Principal } from '../identity/principal.ts';

export interface ConnectionRef {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Reviewers {
  readonly groups: readonly string[];
  /** How many distinct people have to approve. */
  readonly count: number;
  /** They have to say why. */
  readonly reason?: 'required';
}

/** Whether a principal may open a session at all. `grant`: only with an approved, time-boxed grant. */
export type Access =
  | { readonly access: 'none' }
  | { readonly access: 'open' }
  | {
      readonly access: 'grant';
      readonly maxMs: number;
      /** No groups: nobody can approve one, only the glass can be broken. */
      readonly reviewers: Reviewers;
      /** Who asks has to say why. */
      readonly reason?: 'required';
      /** May take a grant without approval, loudly, for so long at most. */
      readonly breakGlass?: { readonly maxMs: number };
    };

/** How much may be used up of what matches a rule, in one session or by one principal in one day (UTC). */
export interface Budget {
  readonly rows?: number;
  readonly bytes?: number;
  readonly statements?: number;
  readonly timeMs?: number;
  readonly per: 'session' | 'day';
}

export interface Charge {
  readonly rule: string;
  readonly budget: Budget;
}

export interface PolicyVerdict {
  readonly verdict: 'allow' | 'deny' | 'review';
  /** The strictest rule that matched; undefined when none did and access alone allows. */
  readonly rule?: string;
  readonly message?: string;
  /** Review only. */
  readonly reviewers?: Reviewers;
  /** Review only: how long the statement is held at most, in ms. */
  readonly waitMs?: number;
  /** Review only: the session has to have a reason. */
  readonly reason?: 'required';
  /** The rule that wants to know of relations touched for the first time. */
  readonly firstSeen?: string;
  /** Budgets that the operation uses up when it runs. */
  readonly charges?: readonly Charge[];
  /** Every rule that matched, for `explain` and the record. */
  readonly matched: readonly string[];
}

/** Policy with principal and connection filled in: what one session asks. Pure; a throw is a refusal (promise 3). */
export interface SessionPolicy {
  /** Whether any deny or review rule can apply here. */
  readonly ruled: boolean;
  readonly masking: { readonly columns: boolean; readonly values: boolean };
  /** `now`: ms since the epoch, for rules with a time window. */
  decide(
    parts: readonly Facts[],
    text: string,
    now: number,
    /** Whether nothing is left of a budget; left out: something is. */
    exhausted?: (charge: Charge) => boolean,
  ): PolicyVerdict;
  /** One answer a column; what is not proven clean is masked. */
  masks(columns: readonly ResultColumn[]): readonly (Mask | null)[];
  /** The verdict on using columns beside selecting them; undefined: no mask says anything. */
  predicates?(uses: readonly PredicateUse[]): PolicyVerdict | undefined;
}

export interface Policy {
  /** SHA-256 of the document's text, hex: reviews bind it, recordings name it. */
  readonly version: string;
  access(principal: Principal, connection: ConnectionRef): Access;
  session(principal: Principal, connection: ConnectionRef, context: { readonly reason?: string }): SessionPolicy;
}
