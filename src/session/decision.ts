// Every decision in a session: identity → policy → approval → record the intent → verdict. A guard that throws is a
// refusal (promise 3). Refuses to know: how a session begins and ends (session.ts), wire formats, how a policy is written.

import type { Clock } from '../core/clock.ts';
import { asHoopctlError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type {
  Decision,
  Facts,
  Mask,
  Operation,
  OperationId,
  PredicateUse,
  Refusal,
  ResultColumn,
  SessionEnd,
  Verdict,
} from '../protocol/contract.ts';
import type { Alerts } from './alerts.ts';
import { type Approvals, DEFAULT_WAIT_MS, type Held, type HoldResult } from './approvals/approvals.ts';
import { type Budgets, Meter } from './budgets.ts';
import type { SessionEvents } from './events.ts';
import type { FirstSeen } from './first-seen.ts';
import { remind, touchesOf } from './holding.ts';
import { displayName, type Principal, principalKey } from './identity/principal.ts';
import type { PolicyInForce } from './in-force.ts';
import { hasReason } from './policy/session.ts';
import type { PolicyVerdict, Reviewers } from './policy/types.ts';
import type { Recording } from './recorder/recording.ts';
import {
  budgetPassed,
  deniedByRule,
  describeOperation,
  guardFailed,
  guessRefused,
  holdNotice,
  reasonNeeded,
  refusedBecause,
  waitNotice,
} from './refusals.ts';

export interface DeciderOptions {
  readonly session: string;
  readonly principal: Principal;
  readonly connection: string;
  readonly reason?: string;
  readonly grant?: { readonly endsAt: number };
  readonly policy: PolicyInForce;
  readonly recording: Recording;
  readonly approvals: Approvals;
  readonly events: SessionEvents;
  readonly clock: Clock;
  readonly log: Log;
  readonly reviewers?: Reviewers;
  readonly alerts?: Alerts;
  readonly firstSeen?: FirstSeen;
  readonly budgets?: Budgets;
  readonly revoked: (issuer: string, subject: string) => boolean;
  /** Why the session is over; undefined while it lives. */
  readonly over: () => SessionEnd | undefined;
}

const EVENT_TEXT = 200;
const ALLOW: Verdict = { verdict: 'allow' };

/** Applied to every column when masking itself failed. */
const MASK_ALL: Mask = { name: 'failed', by: 'unproven', text: () => null };

export class Decider {
  readonly #options: DeciderOptions;
  readonly #policy: PolicyInForce;
  readonly #recording: Recording;
  readonly #holds = new Set<Held>();
  readonly #meter: Meter | undefined;
  /** What the protocol was told applies: it does not look for what did not when it began. */
  #toldMasked = true;
  #toldRuled = true;
  operations = 0;
  denied = 0;

  constructor(options: DeciderOptions) {
    this.#options = options;
    this.#policy = options.policy;
    this.#recording = options.recording;
    const { budgets, principal, clock } = options;
    this.#meter = budgets === undefined ? undefined : new Meter(budgets, principalKey(principal), clock);
  }

  get metering(): boolean {
    return this.#meter?.metering ?? false;
  }

  spend(id: OperationId, rows: number, bytes: number): Refusal | undefined {
    const passed = this.#meter?.spend(id, rows, bytes);
    if (passed === undefined) return undefined;
    const { charge, bound } = passed;
    this.denied += 1;
    const refusal = budgetPassed(this.#options.session, charge.rule, bound, charge.budget.per);
    this.#alert('budget.reached', refusal);
    return refusal;
  }

  /** The operation's last result is known. */
  over(id: OperationId): void {
    this.#meter?.end(id);
  }

  /** When the policy cannot be asked, everything is to be masked (promise 3). */
  get masking(): { readonly columns: boolean; readonly values: boolean } {
    try {
      const { masking } = this.#policy.current();
      this.#toldMasked &&= masking.columns || masking.values;
      return masking;
    } catch {
      return { columns: true, values: true };
    }
  }

  get ruled(): boolean {
    try {
      const { ruled } = this.#policy.current();
      this.#toldRuled &&= ruled;
      return ruled;
    } catch {
      return true;
    }
  }

  foresee(parts: readonly Facts[], text: string): Verdict {
    try {
      const verdict = this.#policy.current().decide(parts, text, this.#options.clock.now());
      if (verdict.verdict === 'allow' || verdict.verdict === 'review') return ALLOW;
      return {
        verdict: 'deny',
        refusal: deniedByRule(this.#options.session, { kind: 'statement', text, parts }, verdict),
      };
    } catch (thrown) {
      this.#logGuard('policy', thrown);
      return { verdict: 'deny', refusal: guardFailed(this.#options.session) };
    }
  }

  decide(operation: Operation): { readonly id: OperationId; readonly decision: Decision } {
    this.operations += 1;
    const id = this.operations;
    let decision: Decision;
    try {
      decision = this.#judge(id, operation);
    } catch (thrown) {
      this.#logGuard('decision', thrown);
      decision = this.#refuse(id, operation, guardFailed(this.#options.session), undefined);
    }
    if (this.#options.events.wanted(this.#options.session)) this.#tell(id, operation, decision);
    return { id, decision };
  }

  masks(id: OperationId, part: number, columns: readonly ResultColumn[]): readonly (Mask | null)[] {
    let masks: readonly (Mask | null)[];
    try {
      masks = this.#policy.current().masks(columns);
      if (masks.length !== columns.length) throw new Error(`${masks.length} masks for ${columns.length} columns`);
    } catch (thrown) {
      this.#logGuard('masking', thrown);
      masks = columns.map(() => MASK_ALL);
    }
    this.#recording.masks(id, part, columns, masks);
    return masks;
  }

  predicates(id: OperationId, operation: Operation, uses: readonly PredicateUse[]): Decision {
    try {
      const verdict = this.#policy.current().predicates?.(uses);
      if (verdict === undefined || verdict.verdict === 'allow') return ALLOW;
      if (verdict.verdict === 'review') return this.#hold(id, operation, verdict);
      const refusal = guessRefused(this.#options.session, verdict);
      this.denied += 1;
      this.#alertDenied(operation, refusal);
      return { verdict: 'deny', refusal };
    } catch (thrown) {
      this.#logGuard('masking', thrown);
      return { verdict: 'deny', refusal: guardFailed(this.#options.session) };
    }
  }

  /** Nobody waits for an approval any more; resolves when that is noted. */
  async cancelHolds(why: string): Promise<void> {
    const holds = [...this.#holds];
    for (const held of holds) held.cancel(why);
    await Promise.all(holds.map((held) => held.settled));
  }

  // -------------------------------------------------------------------------------------------------------------------

  #judge(id: OperationId, operation: Operation): Decision {
    const policy = this.#policy.current();
    const objection = this.#objection();
    if (objection !== undefined) return this.#refuse(id, operation, objection, undefined);
    const { clock } = this.#options;
    const verdict = policy.decide(operation.parts, operation.text, clock.now(), this.#meter?.exhausted);
    if (verdict.firstSeen !== undefined) this.#touched(id, operation, verdict.firstSeen);
    if (verdict.verdict === 'allow') {
      if (verdict.charges !== undefined) this.#meter?.begin(id, verdict.charges);
      this.#recording.intent(id, operation, verdict);
      return verdict.rule === undefined ? ALLOW : { verdict: 'allow', rule: verdict.rule };
    }
    if (verdict.verdict === 'review') return this.#charged(id, this.#hold(id, operation, verdict), verdict);
    // Whatever else it says is no permission.
    return this.#refuse(id, operation, deniedByRule(this.#options.session, operation, verdict), verdict);
  }

  /** What is approved counts against the other budgets; that one that it was held for is used up. */
  #charged(id: OperationId, decision: Decision, { charges }: PolicyVerdict): Decision {
    const meter = this.#meter;
    if (meter === undefined || charges === undefined) return decision;
    const begin = (verdict: Verdict): Verdict => {
      if (verdict.verdict === 'allow')
        meter.begin(
          id,
          charges.filter((charge) => !meter.exhausted(charge)),
        );
      return verdict;
    };
    return decision.verdict === 'hold' ? { ...decision, settled: decision.settled.then(begin) } : begin(decision);
  }

  /** Why this session may do nothing more, whatever the rules say. */
  #objection(): Refusal | undefined {
    const { revoked, grant, clock } = this.#options;
    const refuse = (code: Refusal['code'], message: string, next: string) =>
      refusedBecause(this.#options.session, code, message, next);
    const over = this.#options.over();
    if (over?.code === 'recording_failed') {
      return refuse('recording_failed', 'the session cannot be recorded any more', 'connect again');
    }
    if (over !== undefined) return refuse('access_denied', `the session is over: ${over.message}`, 'connect again');
    if (revoked(this.#options.principal.issuer, this.#options.principal.subject)) {
      return refuse('access_denied', 'your access was revoked', 'ask an administrator');
    }
    if (grant !== undefined && clock.now() >= grant.endsAt) {
      return refuse(
        'access_denied',
        'the grant has ended',
        `ask for a new one: hoopctl request ${this.#options.connection}`,
      );
    }
    const { ruled, masking } = this.#policy.current();
    if ((ruled && !this.#toldRuled) || ((masking.columns || masking.values) && !this.#toldMasked)) {
      return refuse('access_denied', 'rules or masks apply now that did not when the session began', 'connect again');
    }
    const gone = this.#policy.accessGone;
    return gone === undefined ? undefined : refuse('access_denied', gone, 'run hoopctl ls to see what you may reach');
  }

  #refuse(id: OperationId, operation: Operation, refusal: Refusal, verdict: PolicyVerdict | undefined): Verdict {
    this.denied += 1;
    const { code, message, rule } = refusal;
    this.#recording.intent(id, operation, { verdict: 'deny', code, message, rule, matched: verdict?.matched });
    if (verdict !== undefined) this.#alertDenied(operation, refusal);
    return { verdict: 'deny', refusal };
  }

  /** Also where it is held or refused: that it was tried is what somebody wants to know. */
  #touched(operation: OperationId, { parts }: Operation, rule: string): void {
    const { session, principal, connection, firstSeen } = this.#options;
    firstSeen?.touch({ session, principal, connection, rule, operation, parts });
  }

  #alertDenied({ shape, parts }: Operation, refusal: Refusal): void {
    this.#alert('operation.denied', refusal, { shape, touches: touchesOf(parts) });
  }

  #alert(type: 'operation.denied' | 'budget.reached', { rule, message }: Refusal, more: object = {}): void {
    const { session, principal, connection, alerts } = this.#options;
    if (alerts === undefined) return;
    const requester = displayName(principal);
    const data = { session, requester, connection, rule, message, ...more };
    alerts.raise({ type, throttle: JSON.stringify([requester, connection, rule]), data });
  }

  #hold(id: OperationId, operation: Operation, verdict: PolicyVerdict): Decision {
    const { principal, connection, session, approvals, clock, reason } = this.#options;
    const { matched, message } = verdict;
    const rule = verdict.rule ?? 'review';
    if (verdict.reason === 'required' && !hasReason(reason)) {
      return this.#refuse(id, operation, reasonNeeded(session, operation, rule), verdict);
    }
    const { text, params, shape } = operation;
    const asked = { principal, connection, session, text, params, shape, rules: matched };
    const stands = approvals.standing({ ...asked, policy: this.#policy.version });
    if (stands !== undefined) {
      const { review, kind } = stands;
      this.#recording.intent(id, operation, { verdict: 'allow', rule, matched, review, standing: kind });
      return { verdict: 'allow', rule, review };
    }
    const reviewers = verdict.reviewers ?? this.#options.reviewers ?? { groups: [], count: 1 };
    const held = approvals.hold({
      ...asked,
      policy: () => this.#policy.version,
      operation: id,
      rule,
      message,
      reason,
      reviewers,
      waitMs: verdict.waitMs ?? DEFAULT_WAIT_MS,
      touches: touchesOf(operation.parts),
    });
    this.#holds.add(held);
    this.#recording.intent(id, operation, { verdict: 'review', rule, matched, review: held.id });
    const { groups, count } = reviewers;
    const what = describeOperation(operation.kind, operation.parts);
    const words = { review: held.id, what, rule, message, groups, count, expiresAt: held.expiresAt };
    return {
      verdict: 'hold',
      review: held.id,
      rule,
      notice: holdNotice(words),
      onNotice: (listener) =>
        remind(held, count, clock, (approvals) => listener([waitNotice(words, approvals, clock.now())])),
      settled: held.settled.then((result) => this.#settle(id, held, rule, result)),
      cancel: (why) => held.cancel(why),
    };
  }

  #settle(id: OperationId, held: Held, rule: string, result: HoldResult): Verdict {
    this.#holds.delete(held);
    const objection = result.state === 'used' ? this.#objection() : undefined;
    const state = objection === undefined ? result.state : 'cancelled';
    const { events, clock } = this.#options;
    if (events.wanted(this.#options.session)) {
      events.emit(this.#options.session, {
        type: 'review',
        session: this.#options.session,
        id: held.id,
        rule,
        state,
        at: clock.now(),
      });
    }
    if (result.state === 'used' && objection === undefined) {
      this.#recording.review(id, { review: held.id, state, by: result.by });
      return { verdict: 'allow', rule, review: held.id };
    }
    this.denied += 1;
    const message = objection?.message ?? (result.state === 'used' ? '' : result.message);
    this.#recording.review(id, { review: held.id, state, message });
    if (objection !== undefined) return { verdict: 'deny', refusal: objection };
    const { state: ended, next } = result as Exclude<HoldResult, { state: 'used' }>;
    return { verdict: 'deny', refusal: refusedBecause(this.#options.session, `review_${ended}`, message, next, rule) };
  }

  #tell(id: OperationId, operation: Operation, decision: Decision): void {
    const rule = decision.verdict === 'deny' ? decision.refusal.rule : decision.rule;
    const { events, clock } = this.#options;
    const text = operation.text.length > EVENT_TEXT ? `${operation.text.slice(0, EVENT_TEXT - 1)}…` : operation.text;
    const at = clock.now();
    events.emit(this.#options.session, {
      type: 'operation',
      session: this.#options.session,
      n: id,
      at,
      text,
      verdict: decision.verdict,
      rule,
    });
    if (decision.verdict !== 'hold') return;
    events.emit(this.#options.session, {
      type: 'review',
      session: this.#options.session,
      id: decision.review,
      rule,
      state: 'pending',
      at,
    });
  }

  #logGuard(guard: string, thrown: unknown): void {
    const error = asHoopctlError(thrown);
    this.#options.log.error(
      { session: this.#options.session, guard, err: error },
      `${guard} failed, refused: ${error.message}`,
    );
  }
}
