// The only file that session and protocol both know. A protocol asks, the session decides; see DESIGN's ten promises.
// Refuses to know: any protocol by name, any wire format, where a record is kept.

import type { z } from 'zod';
import type { HoopctlError } from '../core/errors.ts';
import type { Limit } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { ByteStream } from '../core/stream.ts';

// ---------------------------------------------------------------------------------------------------------------------
// Operations: the unit that is decided and recorded.

/** A relation, column or the like by its parts as far as they are known; folded as the target folds names. */
export interface RelationUse {
  readonly schema?: string;
  readonly name: string;
  readonly read: boolean;
  readonly written: boolean;
  /** Columns named on it where the analysis knows them; undefined: any of them. */
  readonly columns?: readonly string[];
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
  /** An update or delete without a condition. */
  readonly unbounded: boolean;
  /** A constant limit on rows, where there is one. */
  readonly limit?: number;
  /** Why the analysis cannot say what it does (a `DO` block, text that does not parse); undefined when it can. */
  readonly opaque?: string;
}

/** One unit to decide. Several statements in one message are one operation with several parts: all or none. */
export interface Operation {
  /** How it came: `query`, `execute`, `exec`, `request`, …; recorded as it is. */
  readonly kind: string;
  /** The exact text as the client wrote it; a review binds its bytes. */
  readonly text: string;
  /** Bind values as text, null for NULL; binary ones as `\x…` hex. A review binds them too. */
  readonly params?: readonly (string | null)[];
  readonly parts: readonly Facts[];
  /**
   * The text with its constants taken out, where the protocol can prove that operations of one shape differ in nothing
   * but the values of constants: their facts are equal. A reviewer may approve a shape for a session; messages to the
   * outside show it in place of the text. Undefined: there is none.
   */
  readonly shape?: string;
}

// ---------------------------------------------------------------------------------------------------------------------
// Decisions.

/** Why an operation may not run, ready to be said in the protocol's own words. */
export interface Refusal {
  readonly code:
    | 'denied'
    | 'review_denied'
    | 'review_expired'
    | 'review_cancelled'
    | 'access_denied'
    | 'recording_failed'
    | 'internal';
  /** One line: what was refused and by which rule. */
  readonly message: string;
  /** The rule's name, where a rule refused. */
  readonly rule?: string;
  /** What to do next, one line. */
  readonly next: string;
  readonly session: string;
}

export type Verdict =
  | { readonly verdict: 'allow'; readonly rule?: string; readonly review?: string }
  | { readonly verdict: 'deny'; readonly refusal: Refusal };

/** A review is open. The protocol stops reading the client, tells it why, and waits. */
export interface Hold {
  readonly verdict: 'hold';
  readonly review: string;
  readonly rule: string;
  /** Lines to tell the client now: what is held, and how it is approved. */
  readonly notice: readonly string[];
  /** Resolves when somebody decides, the wait ends or the session ends; never rejects. */
  readonly settled: Promise<Verdict>;
  /** Calls the listener now and then with further lines for the client (still waiting, one of two has approved). */
  onNotice?(listener: (lines: readonly string[]) => void): void;
  /** The client cancelled (Ctrl-C) or went away: `settled` resolves with `review_cancelled`. */
  cancel(why: string): void;
}

export type Decision = Verdict | Hold;

/** The number that a session gives to a recorded operation, counted from 1; pairs intent and outcome in the recording. */
export type OperationId = number;

// ---------------------------------------------------------------------------------------------------------------------
// Masking.

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
  /** Whether its values are text that a mask can rewrite; otherwise a declared mask makes it NULL. */
  readonly textual: boolean;
}

/**
 * How a statement uses columns beside selecting them, so that their values can be guessed: compared with constants for
 * equality; in a range; with a pattern; with other columns; sorted by; grouped by; or computed with in a condition, a
 * number of rows or an error.
 */
export type PredicateKind = 'equality' | 'range' | 'pattern' | 'join' | 'order' | 'group' | 'computed';

export interface PredicateUse {
  readonly kind: PredicateKind;
  /** As in ResultColumn: undefined when it is not proven which. */
  readonly origins: readonly Origin[] | undefined;
}

/** What policy says about the values of one column. */
export interface Mask {
  readonly name: string;
  /** Why: a column mask applies to every value; a detector only where it finds something. */
  readonly by: 'column' | 'unproven' | 'detector';
  /** The value to send instead; null is NULL; the same string when nothing had to change. Throws → the value is refused. */
  text(value: string): string | null;
}

// ---------------------------------------------------------------------------------------------------------------------
// Outcomes.

export interface Outcome {
  /** Which part of the operation, from 0. */
  readonly part: number;
  readonly status: 'ok' | 'error' | 'cancelled' | 'unknown';
  /** The target's own word for what was done, e.g. a command tag `SELECT 3`. */
  readonly tag?: string;
  readonly rows?: number;
  /** Bytes of result sent to the client. */
  readonly bytes?: number;
  /** The target's error, code and message, after masking. */
  readonly error?: { readonly code: string; readonly message: string };
}

// ---------------------------------------------------------------------------------------------------------------------
// The session, as a protocol sees it.

/** Why a session ends; told to the client in the protocol's words, recorded, and shown by `sessions ls`. */
export interface SessionEnd {
  readonly code: HoopctlError['code'] | 'client_closed' | 'target_closed';
  readonly message: string;
}

export interface Session {
  readonly id: string;
  /** The principal's display name (e-mail or subject, with the actor): safe to send to the target. */
  readonly principal: string;
  /** Aborted when the session has to end; `signal.reason` is a SessionEnd. */
  readonly signal: AbortSignal;
  /** Whether any column mask / any detector applies to this principal here: false lets a protocol skip the analysis. */
  readonly masking: { readonly columns: boolean; readonly values: boolean };
  /** Whether any rule applies to this principal here: then what cannot be analysed is refused. */
  readonly ruled: boolean;

  /**
   * Policy alone, for a message that only prepares (nothing recorded, nothing held): a deny can be told early.
   * A statement that needs review is `allow` here; it is held where it would run.
   */
  foresee(parts: readonly Facts[], text: string): Verdict;

  /**
   * identity → policy → approval → record the intent → verdict. Sync unless it holds. The intent's line is buffered:
   * forward nothing of it before `recorded` calls back. A refusal is recorded too.
   */
  decide(operation: Operation): { readonly id: OperationId; readonly decision: Decision };

  /**
   * Calls `then` once everything noted so far is written (promise 1): before it returns, or later where a write is waited for.
   * When it cannot be written the session ends (`signal`) and `then` is never called.
   * INVARIANT: bytes of an allowed operation reach the target only from inside such a callback.
   */
  recorded(then: () => void): void;

  /** For each column the mask to apply to its values, or null. Recorded with the operation. Never throws: fails to masking. */
  masks(id: OperationId, part: number, columns: readonly ResultColumn[]): readonly (Mask | null)[];

  /**
   * Whether an allowed operation may use columns so. Asked before it is forwarded, where a column mask applies; a refusal
   * or a hold is recorded, and takes the place of the operation's own decision. Left out: it may.
   */
  predicates?(id: OperationId, operation: Operation, uses: readonly PredicateUse[]): Decision;

  /** Whether anything that runs is counted against a budget: false lets a protocol skip `spend`. */
  readonly metering?: boolean;
  /**
   * Counts what is about to be sent of an operation's result. A refusal: a budget does not allow it; nothing more of the
   * result is sent, the operation is cancelled at the target, and ends with this.
   */
  spend?(id: OperationId, rows: number, bytes: number): Refusal | undefined;

  /** Nothing more comes of an operation that is counted. */
  over?(id: OperationId): void;

  /** The names of a result's columns, for the recording: call before the first row where rows are wanted. */
  columns?(id: OperationId, part: number, names: readonly string[]): void;

  /** Whether rows of this part are still wanted for the recording (up to the configured limit). */
  wantsRows(id: OperationId, part: number): boolean;
  /** One result row as the client got it: after masking, text or null; binary as `\x…`. */
  row(id: OperationId, part: number, values: readonly (string | null)[]): void;

  /** The outcome of one part. */
  result(id: OperationId, outcome: Outcome): void;

  /** Something worth a line that is not an operation: a cancel, a parameter change, a notice. Masked by the caller. */
  note(kind: string, fields: Record<string, string | number | boolean | null>): void;

  /** Counts bytes for `sessions ls` and the client's live view. */
  traffic(fromClient: number, toClient: number): void;

  /** The conversation is over. Idempotent. */
  end(reason: SessionEnd): void;
}

// ---------------------------------------------------------------------------------------------------------------------
// The target.

/** How TLS to the target is checked; libpq's words. */
export type TlsMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

export interface Upstream extends ByteStream {
  /** The server's certificate (DER) once TLS is on: for channel binding (RFC 5929 tls-server-end-point). */
  readonly peerCertificate: Buffer | undefined;
  /** Wraps the connection in TLS as the connection's configuration says; this stream is dead afterwards. */
  startTls(mode: Exclude<TlsMode, 'disable'>, options?: { alpn?: readonly string[] }): Promise<Upstream>;
}

export interface Target<Config = unknown> {
  /** The connection's own name, e.g. `prod-db`. */
  readonly connection: string;
  /** The protocol's part of the connection's configuration, validated by the protocol's own schema. */
  readonly config: Config;
  /** Opens a new byte stream to the target: TCP, or through an agent. Errors: target_unreachable. */
  dial(signal: AbortSignal): Promise<Upstream>;
  /** The resolved credentials (user, password, …). Never logged, recorded or kept longer than the login needs. */
  credentials(): Promise<Readonly<Record<string, string>>>;
}

// ---------------------------------------------------------------------------------------------------------------------
// The conversation.

/** What the client said of itself before a session can exist. */
export interface Introduction {
  /** The user name given on the wire (native listener); not trusted, compared with the token's principal. */
  readonly user?: string;
  /** The connection's name given on the wire (native listener). */
  readonly connection?: string;
  /** The token given as password (native listener). */
  readonly secret?: string;
  /** The client program's own name, for the record. */
  readonly application?: string;
}

/** A client at the door: bytes, and the question of who it is. */
export interface Visitor {
  readonly stream: ByteStream;
  /** `tunnel`: principal and connection are known. `native`: the protocol has to ask for them, under TLS. */
  readonly via: 'tunnel' | 'native';
  /**
   * Native only: TLS on the client's side with the gateway's certificate. The old stream is dead afterwards. `preread`:
   * bytes already taken from the stream that belong to the handshake (`socket.unshift` them before wrapping).
   */
  startTls?(options?: { alpn?: readonly string[]; preread?: Buffer }): Promise<ByteStream>;
  /**
   * Identity → access → session. Throws HoopctlError (token_invalid, no_such_connection, access_denied, grant_needed, …) that the
   * protocol says in its own words before it closes.
   */
  open(introduction: Introduction): Promise<{ session: Session; target: Target }>;
  /** The connection's name where it is known before `open` (tunnel). */
  readonly connection: string | undefined;
}

/** How a user's own tool reaches a local port of this protocol. */
export interface LocalAccess {
  /** Standard variables for a child process: `PGHOST`, … Never a secret of the target. */
  readonly environment: Readonly<Record<string, string>>;
  /** Inherited variables that would lead the tool elsewhere or carry a secret: taken out of a child's environment. */
  readonly unset?: readonly string[];
  /** To paste into a tool. */
  readonly url: string;
  /** Named facts for the ready line: user, database, … */
  readonly facts: Readonly<Record<string, string>>;
  /** The shorthand command (`psql`) and its leading arguments, where the protocol has one. */
  readonly command?: readonly string[];
}

export interface Capabilities {
  /** Which of these the protocol can do on this connection's configuration. */
  readonly mask: boolean;
  readonly hold: boolean;
  readonly notify: boolean;
  readonly refuse: boolean;
  /** Whether operations are analysed: a rule on a connection that is not is an error at load. */
  readonly inspect: boolean;
}

/** The words that rules may use with this protocol. Anything else in a rule is an error at load. */
export interface Vocabulary {
  /** word → what it means, for documentation and completion. */
  readonly does: Readonly<Record<string, string>>;
  readonly objects: readonly string[];
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

/** What the gateway gives to every conversation of a protocol; one for the process. */
export interface Services {
  readonly log: Log;
  /** The limits in force by name; a protocol declares its own with defaults, the configuration may override. */
  limit(bound: Limit): Limit;
}

export interface Protocol<Config = unknown> {
  readonly name: string;
  readonly vocabulary: Vocabulary;
  /** Schema of the connection's `target`, `credentials` and further keys of this protocol. */
  readonly schema: z.ZodType<Config>;
  capabilities(config: Config): Capabilities;
  /** Lines for `hoopctl describe`: what is inspected, what is refused, what passes unseen. */
  coverage(config: Config): readonly string[];
  /** What a client may know of the connection (database, user to show): no secrets, no address of the target. */
  describe(config: Config): Readonly<Record<string, string>>;
  local(connection: string, described: Readonly<Record<string, string>>, host: string, port: number): LocalAccess;
  /** The analysis alone, for `policy test`, `policy explain`: text → facts. Throws HoopctlError when not supported. */
  analyse(text: string): Promise<readonly Facts[]>;
  /** The whole conversation with one client. Resolves when it is over; owns and closes every stream it was given. */
  serve(visitor: Visitor, services: Services): Promise<void>;
}
