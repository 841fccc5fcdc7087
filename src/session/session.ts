// The life of one session: begun with a recording, ended by the protocol, its own age, its grant or somebody outside, and
// sealed. What a protocol asks through the contract is answered here, decisions by decision.ts.
// Refuses to know: wire formats, stores, how a policy is written.

import type { Clock } from '../core/clock.ts';
import { asHoopctlError, type HoopctlError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type {
  Decision,
  Facts,
  Mask,
  Operation,
  OperationId,
  Outcome,
  PredicateUse,
  Refusal,
  ResultColumn,
  Session,
  SessionEnd,
  Verdict,
} from '../protocol/contract.ts';
import type { Alerts } from './alerts.ts';
import type { Approvals } from './approvals/approvals.ts';
import type { Budgets } from './budgets.ts';
import { Decider } from './decision.ts';
import type { SessionEvents } from './events.ts';
import type { FirstSeen } from './first-seen.ts';
import { displayName, type Principal } from './identity/principal.ts';
import { PolicyInForce } from './in-force.ts';
import type { Policy, Reviewers } from './policy/types.ts';
import type { AuditLog } from './recorder/log.ts';
import type { Recorder } from './recorder/recorder.ts';
import type { Recording, RowLimits } from './recorder/recording.ts';
import type { SessionChange, SessionRecord } from './records.ts';
import type { LiveSession } from './registry.ts';

export interface SessionOptions {
  readonly id: string;
  readonly principal: Principal;
  readonly connection: {
    readonly name: string;
    readonly protocol: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  /** The policy in force: asked for each operation, so that a reload counts from the next one on. */
  readonly policy: () => Policy;
  readonly recorder: Recorder;
  readonly approvals: Approvals;
  readonly audit: AuditLog;
  readonly events: SessionEvents;
  readonly alerts?: Alerts;
  readonly firstSeen?: FirstSeen;
  /** Where budgets by the day are counted; left out: none is. */
  readonly budgets?: Budgets;
  readonly clock: Clock;
  readonly log: Log;
  /** The client's address. */
  readonly client: string;
  readonly via?: 'tunnel' | 'native';
  readonly reason?: string;
  /** The client's label for all sessions of one run; only recorded. */
  readonly run?: string;
  /** The grant that it runs on, where access needs one. */
  readonly grant?: { readonly id: string; readonly endsAt: number };
  readonly maxAgeMs?: number;
  readonly rows?: RowLimits;
  /** For rules that name no reviewers. */
  readonly reviewers?: Reviewers;
  /** Whether the principal has been revoked since. */
  readonly revoked: (issuer: string, subject: string) => boolean;
  /** Told once, with what changed, when the recording is sealed (or could not be). */
  readonly ended: (change: SessionChange) => Promise<void>;
}

/** How long a protocol has to say goodbye after an abort, before the recording is sealed without it, in ms. */
const GOODBYE_MS = 5000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Throws `recording_failed` when the recording cannot be begun. */
export function createSession(options: SessionOptions): GatewaySession {
  return new GatewaySession(options);
}

export class GatewaySession implements Session, LiveSession {
  readonly id: string;
  readonly principal: string;
  readonly who: Principal;
  readonly connection: string;
  readonly #options: SessionOptions;
  readonly #recording: Recording;
  readonly #decider: Decider;
  readonly #abort = new AbortController();
  readonly #startedAt: number;
  readonly #closed = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;
  #reason: SessionEnd | undefined;
  #ended = false;
  #change: SessionChange = {};
  #fromClient = 0;
  #toClient = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { id, principal, connection, reason } = options;
    this.id = id;
    this.who = principal;
    this.principal = displayName(principal);
    this.connection = connection.name;
    this.#startedAt = options.clock.now();
    const policy = new PolicyInForce({
      policy: options.policy,
      principal,
      connection,
      reason,
      granted: options.grant !== undefined,
      changed: (version) => this.#recording.policy(version),
    });
    this.#recording = options.recorder.begin(
      {
        session: id,
        principal,
        connection: connection.name,
        protocol: connection.protocol,
        labels: connection.labels,
        client: options.client,
        via: options.via,
        reason,
        run: options.run,
        policy: policy.version,
        grant: options.grant?.id,
      },
      options.rows,
      { failed: (error) => this.#recordingFailed(error), faulted: (error) => this.#faulted(error) },
    );
    const { approvals, events, alerts, firstSeen, clock, log, reviewers, revoked, grant } = options;
    this.#decider = new Decider({
      session: id,
      principal,
      connection: connection.name,
      reason,
      grant,
      policy,
      recording: this.#recording,
      approvals,
      events,
      clock,
      log,
      reviewers,
      ...(alerts === undefined ? {} : { alerts }),
      ...(firstSeen === undefined ? {} : { firstSeen }),
      ...(options.budgets === undefined ? {} : { budgets: options.budgets }),
      revoked,
      over: () => this.#reason,
    });
    this.#armTimer();
    if (events.wanted(id)) {
      const at = this.#startedAt;
      events.emit(id, { type: 'begin', session: id, principal: this.principal, connection: connection.name, at });
    }
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get grant(): string | undefined {
    return this.#options.grant?.id;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get masking(): { readonly columns: boolean; readonly values: boolean } {
    return this.#decider.masking;
  }

  get ruled(): boolean {
    return this.#decider.ruled;
  }

  foresee(parts: readonly Facts[], text: string): Verdict {
    return this.#decider.foresee(parts, text);
  }

  decide(operation: Operation): { readonly id: OperationId; readonly decision: Decision } {
    return this.#decider.decide(operation);
  }

  masks(id: OperationId, part: number, columns: readonly ResultColumn[]): readonly (Mask | null)[] {
    return this.#decider.masks(id, part, columns);
  }

  get metering(): boolean {
    return this.#decider.metering;
  }

  spend(id: OperationId, rows: number, bytes: number): Refusal | undefined {
    return this.#decider.spend(id, rows, bytes);
  }

  over(id: OperationId): void {
    this.#decider.over(id);
  }

  predicates(id: OperationId, operation: Operation, uses: readonly PredicateUse[]): Decision {
    return this.#decider.predicates(id, operation, uses);
  }

  recorded(then: () => void): void {
    if (!this.#over) this.#recording.recorded(then);
  }

  columns(id: OperationId, part: number, names: readonly string[]): void {
    this.#recording.columns(id, part, names);
  }

  wantsRows(id: OperationId, _part: number): boolean {
    return this.#recording.wantsRows(id);
  }

  row(id: OperationId, part: number, values: readonly (string | null)[]): void {
    this.#recording.row(id, part, values);
  }

  result(id: OperationId, outcome: Outcome): void {
    this.#recording.result(id, outcome);
    const { events, clock } = this.#options;
    if (!events.wanted(this.id)) return;
    const { part, status, rows, error } = outcome;
    events.emit(this.id, {
      type: 'result',
      session: this.id,
      n: id,
      at: clock.now(),
      part,
      status,
      rows,
      error: error?.message,
    });
  }

  note(kind: string, fields: Record<string, string | number | boolean | null>): void {
    this.#recording.note(kind, fields);
  }

  traffic(fromClient: number, toClient: number): void {
    this.#fromClient += fromClient;
    this.#toClient += toClient;
  }

  kill(reason: SessionEnd): void {
    if (this.#over) return;
    this.#reason = reason;
    this.#halt(`the session ended: ${reason.message}`);
    this.#timer = setTimeout(() => this.end(reason), GOODBYE_MS).unref();
    this.#abort.abort(reason);
  }

  end(reason: SessionEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    // Why it was killed says more than how the protocol then ended.
    this.#reason ??= reason;
    this.#halt('the client went away');
    const { events, clock } = this.#options;
    const { code, message } = this.#reason;
    // Before the seal, which takes a while: who watches should not wait for the disk.
    if (events.wanted(this.id)) {
      events.emit(this.id, { type: 'end', session: this.id, code, message, at: clock.now() });
    }
    void this.#finish(this.#reason);
  }

  record(): SessionRecord {
    const { id, principal, connection, client, via, reason, grant } = this.#options;
    return {
      id,
      principal,
      connection: connection.name,
      protocol: connection.protocol,
      client,
      via,
      reason,
      grant: grant?.id,
      startedAt: this.#startedAt,
      state: 'open',
      operations: this.#decider.operations,
      denied: this.#decider.denied,
      fromClient: this.#fromClient,
      toClient: this.#toClient,
      bytes: this.#recording.bytes,
      sealed: false,
      ...this.#change,
    };
  }

  // -------------------------------------------------------------------------------------------------------------------

  get #over(): boolean {
    return this.#ended || this.#reason !== undefined;
  }

  /** Nothing more goes to the target: no callback, no approval. */
  #halt(why: string): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#recording.halt();
    void this.#decider.cancelHolds(why);
  }

  async #finish(reason: SessionEnd): Promise<void> {
    const { audit, ended, clock, alerts } = this.#options;
    const { code, message } = reason;
    const counts = {
      operations: this.#decider.operations,
      denied: this.#decider.denied,
      fromClient: this.#fromClient,
      toClient: this.#toClient,
    };
    // What was held still gets its line: how it came out.
    await this.#decider.cancelHolds(message);
    const seal = await this.#recording.end({ code, message, ...counts });
    const endedAt = clock.now();
    this.#change = {
      state: 'ended',
      endedAt,
      endCode: code,
      endMessage: message,
      ...counts,
      bytes: seal?.bytes ?? this.#recording.bytes,
      lines: seal?.lines,
      digest: seal?.digest,
      sealed: seal !== undefined,
    };
    try {
      if (seal !== undefined) audit.append('recording', { session: this.id, connection: this.connection, ...seal });
      else audit.append('failure', { what: 'recording not sealed', session: this.id });
    } catch {
      // Told by the log itself; the digest is in the store and in the file.
    }
    const { id: session, principal: requester, connection } = this;
    alerts?.raise({
      type: 'session.ended',
      key: session,
      data: { session, requester, connection, code, message, ...counts },
    });
    try {
      await ended(this.#change);
    } catch (thrown) {
      this.#options.log.error({ session: this.id }, `cannot store the end: ${asHoopctlError(thrown).message}`);
    }
    this.#closed.resolve();
  }

  /** One timer for the two ends that are known from the beginning: the maximum age, the grant's end. */
  #armTimer(): void {
    const { maxAgeMs, grant, clock } = this.#options;
    const old = maxAgeMs === undefined ? Number.POSITIVE_INFINITY : this.#startedAt + maxAgeMs;
    const due = Math.min(old, grant?.endsAt ?? Number.POSITIVE_INFINITY);
    if (!Number.isFinite(due)) return;
    const left = due - clock.now();
    if (left > MAX_TIMER_MS) {
      this.#timer = setTimeout(() => this.#armTimer(), MAX_TIMER_MS).unref();
      return;
    }
    const reason: SessionEnd =
      due === old
        ? { code: 'session_expired', message: 'the session reached its maximum age' }
        : { code: 'grant_ended', message: 'the grant that it ran on has ended' };
    this.#timer = setTimeout(() => this.kill(reason), Math.max(left, 0)).unref();
  }

  #recordingFailed(error: HoopctlError): void {
    const { audit, log, alerts } = this.#options;
    const { id: session, principal: requester, connection } = this;
    alerts?.raise({
      type: 'recording.failed',
      key: session,
      data: { session, requester, connection, message: error.message },
    });
    log.error({ session: this.id, code: error.code }, error.message);
    try {
      audit.append('failure', { what: 'recording failed', session: this.id, message: error.message });
    } catch {
      // The log's disk may be the same; it has told so itself.
    }
    this.kill({ code: 'recording_failed', message: 'the session cannot be recorded, so it ends' });
  }

  #faulted(error: HoopctlError): void {
    this.#options.log.error({ session: this.id, err: error }, `forwarding failed: ${error.message}`);
    this.kill({ code: 'internal', message: 'the gateway failed' });
  }
}
