// The part of the contract that configurations and policies are checked against: what a protocol can do, and the words that
// rules may use with it. Everybody gets it through contract.ts. Refuses to know: any protocol, how a rule is written.

export interface Capabilities {
  /** Which of these the protocol can do on this connection's configuration. */
  readonly mask: boolean;
  readonly hold: boolean;
  readonly notify: boolean;
  readonly refuse: boolean;
  /** Whether operations are analysed: a rule on a connection that is not is an error at load. */
  readonly inspect: boolean;
  /** Whether results are counted against budgets (`Session.spend`, `over`). */
  readonly meter?: boolean;
  /** False: what comes back has no columns; masks find values in it, and cannot name any. */
  readonly columns?: boolean;
  /** Whether what an operation puts out goes through `Session.output`, so that rules can be about it. */
  readonly output?: boolean;
}

/** Facts about an operation beside what it does; a rule on one that no operation has can never hold. */
export type Particular = 'relations' | 'functions' | 'unbounded' | 'programs' | 'places';

/** The words that rules may use with this protocol. Anything else in a rule is an error at load. */
export interface Vocabulary {
  /** word → what it means, for documentation and completion. */
  readonly does: Readonly<Record<string, string>>;
  readonly objects: readonly string[];
  /** What else its operations can have that conditions of rules are about. Left out: all of it. */
  readonly has?: readonly Particular[];
  /** Words of `does` whose operations are opaque by nature (a `do-block`): an allow rule that names one lets it through. */
  readonly opaque: readonly string[];
  /**
   * What can reach past every rule and mask (reads files, runs programs, loads code): the set `dangerous` that rules
   * may name, denied by default wherever a deny or review rule or a mask applies. Documented in the README.
   */
  readonly dangerous: {
    /** Names as patterns: `pg_read_file`, `dblink*`, `schema.name`; a bare one matches in any schema. */
    readonly functions: readonly string[];
    readonly does: readonly string[];
    /** Kinds of object whose creation, change or removal is dangerous: `extension`, `event-trigger`, … */
    readonly objects: readonly string[];
  };
}

type Named = { readonly schema: string; readonly name: string };
/** What a target has under which names, as far as rules and masks can name it. */
export interface Inventory {
  readonly relations: readonly (Named & { readonly columns: readonly string[] })[];
  readonly functions: readonly Named[];
}
