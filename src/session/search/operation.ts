// One operation as it can be searched: what the recording says of it, put together from its lines.
// Refuses to know: how it is kept, who may see it.

export interface SearchedSession {
  readonly session: string;
  /** The principal's display name. */
  readonly principal: string;
  readonly subject: string;
  readonly issuer: string;
  readonly email?: string;
  readonly kind: string;
  readonly actor?: string;
  readonly connection: string;
  readonly protocol: string;
  readonly client?: string;
}

export interface SearchedOperation {
  readonly session: string;
  readonly op: number;
  /** Milliseconds since the epoch: when it was asked. */
  readonly at: number;
  readonly how: string;
  /** Empty where the recording is encrypted. */
  readonly text: string;
  readonly verdict: 'allow' | 'deny' | 'review';
  readonly rule?: string;
  readonly review?: string;
  readonly does: readonly string[];
  /** As recorded, `schema.name` or `name`; those that it reached beside the ones it names too. */
  readonly relations: readonly string[];
  readonly functions: readonly string[];
  /** Columns of results that were masked, and the masks. */
  readonly masked: readonly string[];
  readonly status: 'ok' | 'error' | 'cancelled' | 'unknown' | 'refused';
  readonly rows?: number;
  readonly bytes?: number;
  /** Microseconds. */
  readonly us?: number;
  /** The target's code, or that of the refusal. */
  readonly error?: string;
  /** Values of rows, as they were sent: after masking. */
  readonly results: string;
}

export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
}

export interface SearchQuery {
  /** All of these words have to be in the text or the results; `word*`: a beginning. */
  readonly words: readonly string[];
  readonly who?: string;
  readonly actor?: string;
  readonly connection?: string;
  readonly session?: string;
  readonly verdict?: string;
  readonly rule?: string;
  readonly relation?: string;
  readonly masked?: string;
  readonly function?: string;
  readonly does?: string;
  readonly status?: string;
  readonly error?: string;
  readonly review?: string;
  /** Milliseconds since the epoch; `until` is excluded. */
  readonly since?: number;
  readonly until?: number;
  readonly rows?: NumberRange;
  /** Microseconds. */
  readonly us?: NumberRange;
  /** Only operations of this principal: who asks may see no others. */
  readonly owner?: { readonly issuer: string; readonly subject: string };
  readonly limit: number;
  /** Older than this one: the `next` of the page before. */
  readonly before?: string;
}

export interface FoundOperation {
  readonly session: string;
  readonly op: number;
  readonly at: number;
  readonly principal: string;
  readonly actor?: string;
  readonly connection: string;
  readonly verdict: string;
  readonly status: string;
  readonly rule?: string;
  readonly review?: string;
  readonly error?: string;
  readonly rows?: number;
  readonly bytes?: number;
  readonly us?: number;
  /** Its beginning. */
  readonly text: string;
}

export interface FoundPage {
  readonly operations: readonly FoundOperation[];
  /** Where the next page begins; undefined: there is none. */
  readonly next?: string;
  /**
   * Set where the index is behind the record of the gateway that is asked: milliseconds since the epoch, what was recorded
   * since may be missing; 0: it is being made.
   */
  readonly indexed?: number;
}

/** Words that all have to be there; `beginnings` as beginnings of words. */
export interface Wanted {
  readonly words: readonly string[];
  readonly beginnings: readonly string[];
}

/** What an index knows operations and queries as: letters, digits and underscores only (tokens.ts). */
export interface SearchWords {
  bag(operation: SearchedOperation, session: SearchedSession): readonly string[];
  wanted(query: SearchQuery): Wanted;
}

/** What an index gets at once. */
export interface SearchBatch {
  readonly sessions: readonly SearchedSession[];
  readonly operations: readonly SearchedOperation[];
  /** What the next reader goes on from: opaque to the index. */
  readonly state: string;
}

/** `store/` implements it, embedded and on Postgres. Errors: `store_failed`. */
export interface SearchIndex {
  /** The state of the last batch; undefined: it is empty, or was damaged and begun anew. */
  state(): Promise<string | undefined>;
  /** All of it or nothing. An operation that is there already is replaced. */
  write(batch: SearchBatch): Promise<void>;
  search(query: SearchQuery): Promise<FoundPage>;
  /** Overwrites what is left of what was forgotten. */
  scrub(): Promise<void>;
  /** Removes everything of a session: its content was purged. How many operations there were. */
  forget(session: string): Promise<number>;
  count(): Promise<number>;
  close(): Promise<void>;
}
