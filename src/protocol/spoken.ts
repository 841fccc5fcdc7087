// The part of the contract about operations that nobody asks for: those that a test of a policy, an explanation or a
// recording speaks of. Everybody gets it through contract.ts. Refuses to know: any protocol, how a rule is written.

import type { Facts } from './facts.ts';
import type { PredicateKind } from './values.ts';

export interface Spoken {
  /** What it says, in the language of the target: a statement, a command, a path; empty where `does` says it all. */
  readonly text: string;
  /** Which operation is meant, where the text alone does not tell: a word of the vocabulary (`shell`, `sftp-read`). */
  readonly does?: string;
  /** How it came, as it is on record (`Operation.kind`): in place of `does`. */
  readonly how?: string;
  /** The connection that has its target at an address, as far as the configuration says so in letters. */
  readonly neighbour?: (host: string, port: number) => string | undefined;
}

export interface Understood {
  /** As it would be on record: what rules about the text see. */
  readonly text: string;
  readonly parts: readonly Facts[];
  /** Why the connection's configuration refuses it, whatever rules say. */
  readonly refused?: string;
  /** What it does with columns beside selecting them, as far as its text tells. */
  readonly uses?: readonly NamedUse[];
}

/**
 * A use of columns by the names in the text: what views, functions and operators make of them is not known. `stored`: they
 * are taken to where no mask finds them again; `code`: what it defines may do that later, with any column.
 */
export interface NamedUse {
  readonly kind: PredicateKind | 'stored' | 'code';
  /** Left out: any column of anything. */
  readonly on?: readonly {
    readonly schema?: string;
    readonly name: string;
    /** Undefined: any of them. */
    readonly columns?: readonly string[];
  }[];
}
