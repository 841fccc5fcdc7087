// The life of one session: begun with a recording, ended by the protocol, its own age, its grant or somebody outside, and
// sealed. What a protocol asks through the contract is answered in answers.ts.
// Refuses to know: wire formats, stores, how a policy is written.

import { asHoopctlError, type HoopctlError } from '../core/errors.ts';
import type { OperationId, Outcome, Session, SessionEnd } from '../protocol/contract.ts';
import { Answers } from './answers.ts';
import type { UnmaskChange } from './approvals/unmasks.ts';
import { Decider } from './decision.ts';
import { Exemptions } from './exemptions.ts';
import { displayName, type Principal } from './identity/principal.ts';
import { PolicyInForce } from './in-force.ts';
import { encodeBytes } from './recorder/line.ts';
import type { Recording } from './recorder/recording.ts';
import type { SessionChange, SessionRecord } from './records.ts';
import type { LiveSession } from './registry.ts';
import type { SessionOptions } from './session-options.ts';

export type { SessionOptions } from './session-options.ts';

/** How long a protocol has to say goodbye after an abort, before the recording is sealed without it, in ms. */
const GOODBYE_MS = 5000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Throws `recording_failed` when the recording cannot be begun. */
export function createSession(options: SessionOptions): GatewaySession {
  return new GatewaySession(options);
}

export class GatewaySession extends Answers implements Session, LiveSession {
  readonly id: string;
  readonly principal: string;
  readonly who: Principal;
  readonly connection: string;
  readonly #options: SessionOptions;
  protected override readonly recording: Recording;
  protected override readonly decider: Decider;
  protected override readonly exemptions: Exemptions;
  readonly #policy: PolicyInForce;
  readonly #abort = new AbortController();
  readonly #startedAt: number;
  readonly #closed = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;
  #reason: SessionEnd | undefined;
  #ended = false;
  /** Recording failed, and it went on. */
  #unrecorded = false;
  #change: SessionChange = {};
  #fromClient = 0;
  #toClient = 0;

  constructor(options: SessionOptions) {
    super();
    this.#options = options;
    const { id, principal, connection, reason } = options;
    this.id = id;
    this.who = principal;
    this.principal = displayName(principal);
    this.connection = connection.name;
    this.#startedAt = options.clock.now();
    this.exemptions = new Exemptions({
      ...{ unmasks: options.unmasks, principal, connection: connection.name, clock: options.clock },
      changed: (change) => this.#unmasked(change),
    });
    const policy = new PolicyInForce({
      policy: options.policy,
      principal,
      connection,
      reason,
      granted: options.grant !== undefined,
      lifted: () => this.exemptions.lifted(),
      changed: (version, exempt) => this.recording.policy(version, this.exemptions.named(exempt)),
    });
    this.#policy = policy;
    const exempt = this.exemptions.named(policy.current().exempt);
    this.recording = options.recorder.begin(
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
        through: options.through,
        policy: policy.version,
        grant: options.grant?.id,
        ...(exempt.length === 0 ? {} : { exempt }),
      },
      options.recording,
      { failed: (error) => this.#recordingFailed(error), faulted: (error) => this.#faulted(error) },
    );
    const { approvals, events, alerts, firstSeen, clock, log, reviewers, revoked, grant } = options;
    this.decider = new Decider({
      session: id,
      principal,
      connection: connection.name,
      reason,
      grant,
      policy,
      recording: this.recording,
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

  about(name: string): string | undefined {
    if (name === 'subject') return this.who.subject;
    return name === 'email' ? this.who.email : this.who.claims[name];
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  protected override now(): number {
    return this.#options.clock.now();
  }

  get grant(): string | undefined {
    return this.#options.grant?.id;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  recorded(then: () => void, together?: boolean): void {
    if (!this.#over) this.recording.recorded(then, together);
  }

  result(id: OperationId, outcome: Outcome): void {
    this.recording.result(id, outcome);
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

  protected override tellOutput(n: OperationId, stream: 'out' | 'err', bytes: Buffer): void {
    const { events, clock } = this.#options;
    if (bytes.length === 0 || !events.wantsOutput(this.id)) return;
    events.emitOutput(this.id, { type: 'output', session: this.id, n, at: clock.now(), stream, ...encodeBytes(bytes) });
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
      exempt: this.exemptions.records,
      startedAt: this.#startedAt,
      state: 'open',
      operations: this.decider.operations,
      denied: this.decider.denied,
      fromClient: this.#fromClient,
      toClient: this.#toClient,
      bytes: this.recording.bytes,
      sealed: false,
      ...(this.#bestEffort ? { bestEffort: true, unrecorded: this.#unrecorded } : {}),
      ...this.#change,
    };
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** It may go on where recording fails. */
  get #bestEffort(): boolean {
    return this.#options.recording?.onFailure === 'best-effort';
  }

  get #over(): boolean {
    return this.#ended || this.#reason !== undefined;
  }

  /** Nothing more goes to the target: no callback, no approval. */
  #halt(why: string): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.recording.halt();
    this.exemptions.stop();
    void this.decider.cancelHolds(why);
  }

  /** A mask was lifted, or is put back: on record before anything is decided by it. */
  #unmasked({ state, grant, why }: UnmaskChange): void {
    const masks = grant.masks?.map(({ mask }) => mask) ?? [];
    const until = new Date(grant.endsAt).toISOString();
    const exempt = this.exemptions.named(this.#policy.current().exempt);
    this.recording.unmask({ state, masks, grant: grant.id, review: grant.review, until, why, exempt });
  }

  async #finish(reason: SessionEnd): Promise<void> {
    const { audit, ended, clock, alerts } = this.#options;
    const { code, message } = reason;
    const counts = {
      operations: this.decider.operations,
      denied: this.decider.denied,
      fromClient: this.#fromClient,
      toClient: this.#toClient,
    };
    this.decider.close();
    // What was held still gets its line: how it came out.
    await this.decider.cancelHolds(message);
    const seal = await this.recording.end({ code, message, ...counts });
    const endedAt = clock.now();
    this.#change = {
      state: 'ended',
      endedAt,
      endCode: code,
      endMessage: message,
      ...counts,
      bytes: seal?.bytes ?? this.recording.bytes,
      lines: seal?.lines,
      digest: seal?.digest,
      sealed: seal !== undefined,
      ...(this.#unrecorded ? { unrecorded: true } : {}),
      exempt: this.exemptions.records,
    };
    try {
      if (seal !== undefined) audit.append('recording', { session: this.id, connection: this.connection, ...seal });
      else audit.append('failure', { what: 'recording not sealed', session: this.id });
    } catch {
      // Told by the log itself. The store goes on to call the session open, so that the next start puts it into the log.
      this.#closed.resolve();
      return;
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
    const unrecorded = this.#bestEffort ? { unrecorded: true } : {};
    this.#unrecorded = this.#bestEffort;
    alerts?.raise({
      type: 'recording.failed',
      key: session,
      data: { session, requester, connection, message: error.message, ...unrecorded },
    });
    log.error({ session, connection, code: error.code, ...unrecorded }, error.message);
    try {
      audit.append('failure', { what: 'recording failed', session, connection, message: error.message, ...unrecorded });
    } catch {
      // The log's disk may be the same; it has told so itself.
    }
    if (this.#bestEffort) return;
    this.kill({ code: 'recording_failed', message: 'the session cannot be recorded, so it ends' });
  }

  #faulted(error: HoopctlError): void {
    this.#options.log.error({ session: this.id, err: error }, `forwarding failed: ${error.message}`);
    this.kill({ code: 'internal', message: 'the gateway failed' });
  }
}
