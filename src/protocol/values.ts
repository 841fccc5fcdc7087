// The part of the contract that is about values which come back: where they come from, what masks do with them. Everybody gets
// it through contract.ts. Refuses to know: any protocol, how a mask is written.

/** A column (or its like) of the target by its full name. */
export interface Origin {
  readonly schema: string;
  readonly relation: string;
  readonly column: string;
}

/** One column of a result as the protocol's analysis proved it. */
export interface ResultColumn {
  readonly name: string;
  /**
   * Every source column that can have flowed into it: empty when it is proven to come from none, undefined when that
   * cannot be proven (and is then treated as coming from a masked one).
   */
  readonly origins: readonly Origin[] | undefined;
  /**
   * True when the value is that of one column, unchanged; `origins` are then its names (a view's, the table's, a
   * partition's). Otherwise it is computed, and a mask that keeps part of a
   * value (partial, hash, …) would give the whole away piece by piece (`substr(ssn, 1, 4)`): it is then masked in full.
   */
  readonly direct?: boolean;
  /** It is the built-in aggregate of that name over the origins, and nothing else. */
  readonly aggregate?: string;
  /** Whether its values are text that a mask can rewrite; otherwise a declared mask makes it NULL. */
  readonly textual: boolean;
}

/**
 * How a statement uses columns beside selecting them, so that their values can be guessed: compared with constants for
 * equality; in a range; with a pattern; with other columns; sorted by; grouped by; computed with in a condition or a number
 * of rows; or computed with so that whether it fails tells the value.
 */
export type PredicateKind = 'equality' | 'range' | 'pattern' | 'join' | 'order' | 'group' | 'computed' | 'error';

export interface PredicateUse {
  readonly kind: PredicateKind;
  /** As in ResultColumn: undefined when it is not proven which. */
  readonly origins: readonly Origin[] | undefined;
}

/** What policy says about the values of one column. */
export interface Mask {
  readonly name: string;
  /** A column mask applies to every value; a detector where it finds something; `count` changes none, a budget sees them. */
  readonly by: 'column' | 'unproven' | 'detector' | 'count';
  /** The value to send instead; null is NULL; the same string when nothing had to change. Throws → the value is refused. */
  text(value: string): string | null;
  /** `text` for UTF-8: into `out`, with room for at least as many bytes and MASK_ROOM; bytes written, or one of Masked. */
  readonly bytes?: (value: Uint8Array, from: number, to: number, out: Uint8Array, at: number) => number;
  /** Detectors: whether nothing that they look for can even begin there, and so for certain nothing is found. */
  readonly clean?: (value: Uint8Array, from: number, to: number) => boolean;
  /** Called with each value as the target sent it, before `text`; `spend` says what comes of it. */
  readonly count?: ((value: string) => void) | undefined;
}
export const MASK_ROOM = 64;
/** What masks say of bytes that have not been written. */
export const Masked = { askText: -1, same: -2, null: -3 } as const;

/** Which columns the masks of a session are about. */
export interface Covering {
  /** Equal for sessions that are about the same columns. */
  readonly key: string;
  covers(column: Origin): boolean;
  /** Whether a text has a piece of the names in it: one that has none names no column that is covered. */
  named(text: string): boolean;
}
