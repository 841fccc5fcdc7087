// What the rest of the session knows of policy: questions and answers, no document, no matching.

import type { RE2JS } from 're2js';
import type { Covering, Facts, Mask, PredicateUse, RelationUse, ResultColumn } from '../../protocol/contract.ts';
import type { Principal } from '../identity/principal.ts';
import type { Finder } from '../masking/finder.ts';

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
  readonly distinct?: {
    /** As the rule writes it. */
    readonly column: string;
    readonly max: number;
    /** Whether a result's column can hold values of it. */
    covers(column: ResultColumn): boolean;
  };
  readonly per: 'session' | 'day';
}

export interface Charge {
  readonly rule: string;
  /** What the rule says once it is used up. */
  readonly then: 'deny' | 'review';
  readonly budget: Budget;
}

/** Of an operation, what a rule is about. */
export interface Matched {
  readonly does: readonly string[];
  readonly relations: readonly RelationUse[];
}

export interface PolicyVerdict {
  readonly verdict: 'allow' | 'deny' | 'review';
  /** The strictest rule that matched; undefined when none did and access alone allows. */
  readonly rule?: string;
  readonly message?: string;
  /** Of a built-in refusal: what to write in the policy to allow it. */
  readonly next?: string;
  /** What the rule matched, where the operation does more that comes before it. */
  readonly first?: Matched;
  /** What it matched, where the text does not name that: `table public.secrets (through view public.v)`. */
  readonly way?: string;
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

/** A mask that was lifted for a time by a review; of another definition under the same name it is another mask. */
export interface Lifted {
  readonly mask: string;
  /** Digest of the mask's line in the document. */
  readonly definition: string;
}

/** A mask of the connection that does not apply to this principal. */
export interface Exemption {
  readonly mask: string;
  /** `unless`: the mask's own line says so. `unmask`: a review lifted it for a time. */
  readonly by: 'unless' | 'unmask';
}

/** What looks at the output of one operation. */
export interface OutputGuards {
  /** What masks find in it, those lifted left out; undefined: nothing is masked. */
  readonly finder: Finder | undefined;
  readonly watches: readonly { readonly name: string; readonly pattern: RE2JS }[];
}

/** Policy with principal and connection filled in: what one session asks. Pure; a throw is a refusal (promise 3). */
export interface SessionPolicy {
  /** Whether any deny or review rule can apply here. */
  readonly ruled: boolean;
  /** Whether any of them is about relations, columns or functions. */
  readonly reaching: boolean;
  readonly masking: { readonly columns: boolean; readonly values: boolean };
  /** What column masks are about, where they alone are what is done with values. */
  readonly covering: Covering | undefined;
  /** `now`: ms since the epoch, for rules with a time window. */
  decide(
    parts: readonly Facts[],
    text: string,
    now: number,
    /** Whether nothing is left of a budget; left out: something is. */
    exhausted?: (charge: Charge) => boolean,
  ): PolicyVerdict;
  /**
   * One answer a column; what is not proven clean is masked. `stored`: the values go to where no mask finds them again,
   * so that none is lifted by a review.
   */
  masks(columns: readonly ResultColumn[], stored?: boolean): readonly (Mask | null)[];
  /** What looks at the output of an operation; the same object for the same parts and text. */
  output(parts: readonly Facts[], text: string): OutputGuards;
  /** What these rules say of output that they match. */
  outputVerdict(names: readonly string[], text: string, now: number): PolicyVerdict;
  /** Masks that do not apply to this principal, for the record. */
  readonly exempt?: readonly Exemption[];
  /** The masks that would apply to these columns but for an exemption. */
  exempted?(columns: readonly ResultColumn[]): readonly (Exemption | null)[];
  /** The verdict on using columns beside selecting them; undefined: no mask says anything. */
  predicates?(uses: readonly PredicateUse[]): PolicyVerdict | undefined;
}

export interface Policy {
  /** SHA-256 of the document's text, hex: reviews bind it, recordings name it. */
  readonly version: string;
  access(principal: Principal, connection: ConnectionRef): Access;
  session(
    principal: Principal,
    connection: ConnectionRef,
    context: { readonly reason?: string; readonly lifted?: readonly Lifted[] },
  ): SessionPolicy;
}
