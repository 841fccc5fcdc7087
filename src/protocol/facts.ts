// The part of the contract that policy sees: what one operation does, to what. Everybody gets it through contract.ts.
// Refuses to know: any protocol, how a rule is written.

/** A relation, column or the like by its parts as far as they are known; folded as the target folds names. */
export interface RelationUse {
  readonly schema?: string;
  readonly name: string;
  readonly read: boolean;
  readonly written: boolean;
  /** Columns named on it where the analysis knows them; undefined: any of them. */
  readonly columns?: readonly string[];
  /** What it is, in a word (`table`, `view`), where that is known. */
  readonly kind?: string;
  /** How it is reached, where the text does not name it: `view public.v`, the outermost first. */
  readonly via?: readonly string[];
}

/** A file, or an address: `/etc/passwd`, `10.0.0.5:80`. */
export interface PlaceUse {
  readonly place: string;
  /** How the client spelled it, where that is another way: a rule may name either. */
  readonly as?: string;
  readonly read: boolean;
  readonly written: boolean;
}

/** One program that a command runs, with its arguments as the program gets them; undefined: not told by the text. */
export interface CommandUse {
  readonly program: string;
  readonly words: readonly (string | undefined)[];
}

/** What policy can see of one statement, command or request: neutral to the protocol, immutable, shared by a cache. */
export interface Facts {
  /** What it does, from the closed list that the protocol declares in `vocabulary.does`: `select`, `drop`, … */
  readonly does: readonly string[];
  /** The kind of object that DDL touches (`table`, `role`, …), where there is one. */
  readonly object?: string;
  readonly relations: readonly RelationUse[];
  /** Functions called, as written, folded: `pg_read_file`, `public.f`. */
  readonly functions: readonly string[];
  /** Programs that a command runs, as it names them: `rm`, `/bin/rm`. */
  readonly programs?: readonly string[];
  /** The same with their arguments, in the order of the text. */
  readonly commands?: readonly CommandUse[];
  readonly places?: readonly PlaceUse[];
  /** An update or delete without a condition. */
  readonly unbounded: boolean;
  /** A constant limit on rows, where there is one. */
  readonly limit?: number;
  /** Why the analysis cannot say what it does (a `DO` block, text that does not parse); undefined when it can. */
  readonly opaque?: string;
  /**
   * Set on what the text does not say, and the target does because of it: `trigger audit on public.t`, the outermost
   * first. Such parts stand behind those of the text, are decided as these are, and have no outcome of their own.
   */
  readonly via?: readonly string[];
  /** What its rows come from, where that was asked for before (a cursor): budgets count it as that. */
  readonly draws?: readonly Facts[] | 'unknown';
  /** The functions in whose body it is: a rule that allows one of them by name vouches for what it does. */
  readonly within?: readonly string[];
}
