// The only file that session and protocol both know. A protocol asks, the session decides; see DESIGN's ten promises.
// Refuses to know: any protocol by name, any wire format, where a record is kept.

import type { z } from 'zod';
import type { HoopctlError } from '../core/errors.ts';
import type { Limit } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { ByteStream } from '../core/stream.ts';
import type { Facts } from './facts.ts';
import type { LocalAccess, NativeAccess, NativeClient, ToolFiles, ToolHost } from './local.ts';
import type { Operation } from './operation.ts';
import type { DeviceLogin, Introduction, KeyCredential } from './proof.ts';
import type { Spoken, Understood } from './spoken.ts';
import type { Counted, Logged } from './told.ts';
import type { Covering, Mask, PredicateUse, ResultColumn } from './values.ts';
import type { Capabilities, Inventory, Vocabulary } from './vocabulary.ts';

export type { CommandUse, Facts, PlaceUse, RelationUse } from './facts.ts';
export type { LocalAccess, NativeAccess, NativeClient, ToolFiles, ToolHost } from './local.ts';
export type { Operation } from './operation.ts';
export { digestOf, isRead, shownBytes, shownName } from './operation.ts';
export type { DeviceLogin, Introduction, KeyCredential } from './proof.ts';
export type { NamedUse, Spoken, Understood } from './spoken.ts';
export type { Counted, Logged } from './told.ts';
export type { Covering, Mask, Origin, PredicateKind, PredicateUse, ResultColumn } from './values.ts';
export { MASK_ROOM, Masked } from './values.ts';
export type { Capabilities, Inventory, Particular, Vocabulary } from './vocabulary.ts';

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
// Output that flows.
export interface OutputOptions {
  readonly stream: 'out' | 'err';
  /** A terminal reads it: its width. */
  readonly terminal?: { readonly columns: number };
  /** Masks are left out: the connection's configuration says so. Rules are not. */
  readonly unmasked?: boolean;
  /** How long a byte may be held that could begin what a mask or a rule is about, ms. */
  readonly holdMs: number;
  /** Lines for the client: why it is held. */
  tell(lines: readonly string[]): void;
  /** What was held goes on. */
  released(bytes: Buffer): void;
  /** Nothing more of it goes out, and why; `ends`: the session does too. */
  refused(refusal: Refusal, ends: boolean): void;
}

/** Bytes and the time (ms, of a clock that never goes back) in, what may go on out. */
export interface OutputFilter {
  /** `echo`: it is what the client typed itself, and is not held. The bytes given are the callee's only until it returns. */
  push(bytes: Buffer, now: number, echo?: boolean): Buffer;
  /** When to call `tick` though nothing came; undefined: nothing waits for it. */
  readonly due: number | undefined;
  tick(now: number): Buffer;
  /** A rule holds it: no more should be taken than there is room for. */
  readonly held: boolean;
  /** Nothing more comes: the rest. Where a rule holds it, that comes by `released`. */
  end(): Buffer;
  resize(columns: number): void;
  /** Nobody waits for it any more. */
  cancel(why: string): void;
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
  /** The target's error as the client got it, after masking; `where`: in what of the target's own code. */
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly detail?: string;
    readonly hint?: string;
    readonly where?: string;
  };
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
  /** What is known of the principal by that name (`subject`, `email`, a claim), for what the configuration makes of it. */
  about?(name: string): string | undefined;
  /** Aborted when the session has to end; `signal.reason` is a SessionEnd. */
  readonly signal: AbortSignal;
  /** Whether any column mask / any detector applies to this principal here: false lets a protocol skip the analysis. */
  readonly masking: { readonly columns: boolean; readonly values: boolean };
  /** What column masks are about: where a target has none of it, nothing there is masked by column. Left out: any. */
  readonly covering?: Covering | undefined;
  /** The version of the policy in force: what was opened under another is decided anew. Left out: there is but one. */
  readonly policy?: string;
  /** Whether any rule applies to this principal here: then what cannot be analysed is refused. */
  readonly ruled: boolean;
  /**
   * Whether any of them is about relations, columns or functions: the parts of an operation then have to tell what it
   * reaches beside what its text names, or that this is not known (`opaque`). Left out: none is.
   */
  readonly reaching?: boolean;

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
   * `together`: it may wait for other sessions' of the same turn of the event loop, by who lets nothing overtake what waits.
   */
  recorded(then: () => void, together?: boolean): void;

  /**
   * For each column the mask to apply to its values, or null. Recorded with the operation. Never throws: fails to masking.
   * `stored`: the values are not shown but taken to where no mask would find them again.
   */
  masks(id: OperationId, part: number, columns: readonly ResultColumn[], stored?: boolean): readonly (Mask | null)[];
  /** A text of the target beside all results: what detectors find in it is replaced. Never throws: '' where that fails. */
  masked?(text: string): string;
  /** Calls the listener when masks that did not apply do so again: those of results under way have to be asked for anew. */
  onStricter?(listener: () => void): void;
  /**
   * Whether an allowed operation may use columns so. Asked before it is forwarded, where a column mask applies; a refusal
   * or a hold is recorded, and takes the place of the operation's own decision. Left out: it may.
   */
  predicates?(id: OperationId, operation: Operation, uses: readonly PredicateUse[]): Decision;
  /** The protocol itself refuses what was allowed, before any of it is sent: masks could not be kept to otherwise. */
  refused?(id: OperationId, operation: Operation, refusal: Refusal): void;

  /** Whether anything that runs is counted against a budget: false lets a protocol skip `spend`. */
  readonly metering?: boolean;
  /**
   * Counts what is about to be sent of an operation's result. A refusal: a budget does not allow it; nothing more of the
   * result is sent, the operation is cancelled at the target, and ends with this.
   */
  spend?(id: OperationId, rows: number, bytes: number): Refusal | undefined;
  /** Whether the target works on an operation that is counted: its time counts from its decision on, but while this says no. */
  runs?(id: OperationId, on: boolean): void;
  /** Calls the listener when the time that an operation may run is over, though nothing comes of it: as `spend` refuses. */
  onTimeUp?(listener: (id: OperationId, refusal: Refusal) => void): void;
  /** Nothing more comes of an operation that is counted. */
  over?(id: OperationId): void;

  /** The names of a result's columns, for the recording: call before the first row where rows are wanted. */
  columns?(id: OperationId, part: number, names: readonly string[]): void;
  /** Whether rows of this part are still wanted for the recording (up to the configured limit). */
  wantsRows(id: OperationId, part: number): boolean;
  /** One row as the client got it: after masking; binary as `\x…`. False: there is no room for it, `rest` is to have its bytes. */
  row(id: OperationId, part: number, values: readonly (string | null)[]): boolean;

  /**
   * Bytes of a result as the client gets them, of rows (so many begin in them) that `row` was not told of, or not in full:
   * the recording has their count and their digest.
   */
  rest?(id: OperationId, part: number, bytes: Uint8Array, rows: number): void;
  /**
   * Bytes that a running operation got of the client (`in`) or gave it, after masking; recorded up to the limit for results,
   * and behind it by count and digest. `whole`: all of them, as the protocol bounds them.
   */
  data?(id: OperationId, stream: 'in' | 'out' | 'err', bytes: Buffer, whole?: boolean): void;
  /** The client typed something that the host did not show, as a password: that is recorded, and not what. */
  withheld?(id: OperationId): void;
  /**
   * What an allowed operation puts out, on its way to the client: masked, and held against rules on output. One a stream.
   * INVARIANT: nothing of it goes to the client or into the record but what the filter gives. Left out: nothing looks at it.
   */
  output?(id: OperationId, operation: Operation, options: OutputOptions): OutputFilter;
  /** Whether masks would change what an operation puts out, as things are: what cannot go through the filter is refused. */
  readonly masksOutput?: boolean;
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
  /**
   * Opens a new byte stream to the target: TCP, or through an agent; `to`: to another address that its configuration
   * names. Errors: target_unreachable.
   */
  dial(signal: AbortSignal, to?: { readonly host: string; readonly port: number }): Promise<Upstream>;
  /** The resolved credentials (user, password, …), or others of its configuration. Never logged, recorded or kept longer than the login needs. */
  credentials(others?: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, string>>>;
}

// ---------------------------------------------------------------------------------------------------------------------
// The conversation.
/** Another connection of the gateway, for protocols through which a client reaches further addresses (a forwarded port). */
export interface Neighbour {
  readonly connection: string;
  /** Why this principal may not have a session of it now. */
  readonly refused?: HoopctlError;
  /**
   * Serves a client's bytes as a session of that connection: its access, rules, masks, record, and its own way to its target.
   * `began` is told the session. Resolves when it is over; never rejects; closes the stream.
   */
  serve(stream: ByteStream, began: (session: string) => void): Promise<void>;
}

export interface Opened {
  readonly session: Session;
  readonly target: Target;
  /**
   * The connection whose target listens at that address, as seen from this session's target; undefined where none is known
   * to. Left out: there are no others.
   */
  neighbour?(host: string, port: number): Promise<Neighbour | undefined>;
}

/** A client at the door: bytes, and the question of who it is. */
export interface Visitor {
  readonly stream: ByteStream;
  /** `tunnel`: principal and connection are known. `native`: the protocol has to ask for them, under TLS. */
  readonly via: 'tunnel' | 'native';
  /**
   * Native only: TLS on the client's side with the gateway's certificate. The old stream is dead afterwards. `preread`:
   * bytes already taken from the stream that belong to the handshake (`socket.unshift` them before wrapping); then one of
   * `alpn`, where that is given, has to be agreed on.
   */
  startTls?(options?: { alpn?: readonly string[]; preread?: Buffer }): Promise<ByteStream>;
  /**
   * Identity → access → session. Throws HoopctlError (token_invalid, no_such_connection, access_denied, grant_needed, …) that the
   * protocol says in its own words before it closes.
   */
  open(introduction: Introduction): Promise<Opened>;
  /**
   * Native only, where an issuer is: who it is, is said in a browser; `show` is called once, to tell the client where. Errors:
   * those of `open`, login_denied, login_expired, limit_exceeded.
   */
  openByDevice?(connection: string, show: (login: DeviceLogin) => void, signal: AbortSignal): Promise<Opened>;
  /** The connection's name where it is known before `open` (tunnel). */
  readonly connection: string | undefined;
}

/** Texts by name, for as long as the gateway's data. */
export interface Memory {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string): Promise<void>;
}

/** What the gateway gives to every conversation of a protocol; one for the process. */
export interface Services {
  readonly log: Log;
  /** The limits in force by name; a protocol declares its own with defaults, the configuration may override. */
  limit(bound: Limit): Limit;
  /** 32 secret random bytes by this name: the same for as long as the gateway's data. What a host key is made from. */
  key(name: string): Uint8Array;
  /** What a protocol has to remember beyond a restart. Left out: nothing is. */
  readonly memory?: Memory;
}

export interface Protocol<Config = unknown> {
  readonly name: string;
  readonly datastore?: boolean; // its operations are statements to a database: exports file them as such
  readonly vocabulary: Vocabulary;
  /** Schema of the connection's `target`, `credentials` and further keys of this protocol. */
  readonly schema: z.ZodType<Config>;
  capabilities(config: Config): Capabilities;
  /** Lines for `hoopctl describe`: what is inspected, what is refused, what passes unseen. */
  coverage(config: Config): readonly string[];
  /** What a client may know of the connection (database, user to show): no secrets, no address of the target. */
  describe(config: Config): Readonly<Record<string, string>>;
  /** What a client knows this gateway by in the protocol (a host key); public, added to `describe`. */
  identity?(services: Pick<Services, 'key'>): Readonly<Record<string, string>>;
  local(connection: string, described: Readonly<Record<string, string>>, host: string, port: number): LocalAccess;
  /**
   * A client at that local port for which there is no way to the gateway: told why in the protocol's own form. Resolves when
   * it is said; never rejects; owns and closes the stream. Left out: it is closed without a word.
   */
  turnAway?(stream: ByteStream, error: HoopctlError): Promise<void>;
  /** How a token of `hoopctl token` is used at the native listener. */
  native(client: NativeClient): NativeAccess;
  /** How long a client of the native listener may take to say who it is, where a person types there. */
  readonly loginTime?: Limit;
  /** A credential for a key that a client holds, good at the native listener in place of a token. Errors: usage. */
  certify?(asked: KeyCredential, services: Pick<Services, 'key'>): Promise<string>;
  /** Where tools find connections in files rather than variables. Names of the files begin with `name`. */
  toolFiles?(hosts: readonly ToolHost[], directory: string, name: string): ToolFiles;
  /**
   * The analysis alone, for `policy test`, `explain` and `replay`. Undefined: of an operation of that `how` the text does not
   * tell. Errors: usage, where it is not understood.
   */
  analyse(spoken: Spoken, config: Config): Promise<Understood | undefined>;
  /**
   * Reaches the target for `policy check --live`, and logs in as a session does: what of that cannot be tried without a client,
   * a line each. Errors: as of a session's. Left out: `inventory` does it on its way.
   */
  probe?(target: Target<Config>, signal: AbortSignal): Promise<readonly string[]>;
  /** What the target has, for `policy check --live`: logs in as a session does. Left out: nothing that could be named. */
  inventory?(target: Target<Config>, signal: AbortSignal): Promise<Inventory>;
  /** The target's own log, for `audit reconcile`: what ran under these accounts. `prefix`: what each line begins with, if told. */
  logged?(
    log: AsyncIterable<Uint8Array>,
    of: { readonly accounts: readonly string[]; readonly prefix: string | undefined },
  ): AsyncIterable<Logged>;
  /** What the target has counted, for `audit reconcile`: logs in as a session does. */
  counted?(target: Target<Config>, signal: AbortSignal): Promise<Counted>;
  /** The shapes by which `counted` tells a text's statements apart. */
  shapes?(text: string): Promise<readonly string[]>;
  /** The whole conversation with one client. Resolves when it is over; owns and closes every stream it was given. */
  serve(visitor: Visitor, services: Services): Promise<void>;
}
