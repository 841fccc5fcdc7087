// What a target tells of itself outside of any session: what ran there. Part of the contract (contract.ts).

/** A statement that a target's own log says ran. */
export interface Logged {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly account: string;
  readonly database: string;
  readonly application: string;
  /** Whom the gateway told the target that it is for, by the application's name: nothing proves that it was the gateway. */
  readonly who?: string;
  readonly text: string;
  /** Of the log, from 1. */
  readonly line: number;
  /** The gateway's own and nobody's operation: known by its text. */
  readonly own: boolean;
}

/** What a target has counted of the statements of the gateway's account, since when, up to when. */
export interface Counted {
  readonly at: number;
  /** The same as long as nobody began the counting anew. */
  readonly since: string;
  /** More than before: some are not counted any more. */
  readonly lost: number;
  readonly statements: readonly { readonly shape: string; readonly text: string; readonly calls: number }[];
}
