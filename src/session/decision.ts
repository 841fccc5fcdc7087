// Every decision in a session: identity → policy → approval → record the intent → verdict. A guard that throws is a
// refusal (promise 3). Refuses to know: how a session begins and ends (session.ts), wire formats, how a policy is written.

import { asHoopctlError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type {
  Covering,
  Decision,
  Facts,
  Mask,
  Operation,
  OperationId,
  PredicateUse,
  Refusal,
  ResultColumn,
  Verdict,
} from '../protocol/contract.ts';
import type { Alerts } from './alerts.ts';
import { type Approvals, DEFAULT_WAIT_MS, type Held, type HoldResult } from './approvals/approvals.ts';
import type { Budgets } from './budgets.ts';
import { type SessionEvents, tellDecision } from './events.ts';
import type { FirstSeen } from './first-seen.ts';
import { boundOf, remind, touchesOf, wholeText } from './holding.ts';
import { displayName, principalKey } from './identity/principal.ts';
import type { PolicyInForce } from './in-force.ts';
import { bothMasks } from './masking/both.ts';
import { Meter, type Passed } from './meter.ts';
import { objectionTo, type Standing } from './objection.ts';
import { hasReason } from './policy/session.ts';
import type { Exemption, PolicyVerdict, Reviewers } from './policy/types.ts';
import type { Recording } from './recorder/recording.ts';
import {
  budgetPassed,
  deniedByRule,
  describeOperation,
  guardFailed,
  guessRefused,
  holdNotice,
  notHeld,
  reasonNeeded,
  refusedBecause,
  waitNotice,
} from './refusals.ts';

export interface DeciderOptions extends Standing {
  readonly reason?: string;
  readonly policy: PolicyInForce;
  readonly recording: Recording;
  readonly approvals: Approvals;
  readonly events: SessionEvents;
  readonly log: Log;
  readonly reviewers?: Reviewers;
  readonly alerts?: Alerts;
  readonly firstSeen?: FirstSeen;
  readonly budgets?: Budgets;
}

const ALLOW: Verdict = { verdict: 'allow' };

/** Applied to every column when masking itself failed. */
const MASK_ALL: Mask = { name: 'failed', by: 'unproven', text: () => null };

export class Decider {
  readonly #options: DeciderOptions;
  readonly #policy: PolicyInForce;
  readonly #recording: Recording;
  readonly #holds = new Set<Held>();
  readonly #meter: Meter | undefined;
  #timeUp: ((id: OperationId, refusal: Refusal) => void) | undefined;
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
    const timeUp = (id: OperationId, passed: Passed) => this.#timeUp?.(id, this.#overspent(passed));
    this.#meter = budgets === undefined ? undefined : new Meter(budgets, principalKey(principal), clock, timeUp);
  }

  get metering(): boolean {
    return this.#meter?.metering ?? false;
  }

  spend(id: OperationId, rows: number, bytes: number): Refusal | undefined {
    const passed = this.#meter?.spend(id, rows, bytes);
    return passed === undefined ? undefined : this.#overspent(passed);
  }

  runs(id: OperationId, on: boolean): void {
    this.#meter?.runs(id, on);
  }

  onTimeUp(listener: (id: OperationId, refusal: Refusal) => void): void {
    this.#timeUp = listener;
  }

  /** The session is over. */
  close(): void {
    this.#meter?.close();
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

  get covering(): Covering | undefined {
    try {
      return this.#policy.current().covering;
    } catch {
      return undefined;
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

  get reaching(): boolean {
    try {
      return this.#policy.current().reaching;
    } catch {
      return true;
    }
  }

  foresee(parts: readonly Facts[], text: string): Verdict {
    try {
      const verdict = this.#policy.current().decide(parts, text, this.#options.clock.now());
      if (verdict.verdict === 'allow' || verdict.verdict === 'review') return ALLOW;
      const refusal = deniedByRule(this.#options.session, { kind: 'statement', parts }, verdict);
      return { verdict: 'deny', refusal };
    } catch (thrown) {
      this.#logGuard('policy', thrown);
      return { verdict: 'deny', refusal: guardFailed(this.#options.session) };
    }
  }

  get inForce(): PolicyInForce {
    return this.#policy;
  }

  /** An operation of which it is known what the policy says. */
  judged(operation: Operation, verdict: PolicyVerdict): { readonly id: OperationId; readonly decision: Decision } {
    this.operations += 1;
    const id = this.operations;
    const decision =
      verdict.verdict === 'review'
        ? this.#hold(id, operation, verdict)
        : this.#refuse(id, operation, deniedByRule(this.#options.session, operation, verdict), verdict);
    this.#tell(id, operation, decision);
    return { id, decision };
  }

  /** An operation that runs is cut. */
  cut(operation: Operation, why: (session: string) => Refusal): Refusal {
    this.denied += 1;
    const refusal = why(this.#options.session);
    this.#alertDenied(operation, refusal);
    return refusal;
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
    this.#tell(id, operation, decision);
    return { id, decision };
  }

  #tell(id: OperationId, operation: Operation, decision: Decision): void {
    this.#policy.decided(id);
    const { events, session, clock } = this.#options;
    if (events.wanted(session)) tellDecision(events, session, { id, operation, decision, at: clock.now() });
  }

  masks(id: OperationId, part: number, columns: readonly ResultColumn[], stored?: boolean): readonly (Mask | null)[] {
    let masks: readonly (Mask | null)[];
    let exempted: readonly (Exemption | null)[] | undefined;
    try {
      const policy = this.#policy.current();
      masks = policy.masks(columns, stored);
      const before = this.#policy.before(id)?.masks(columns, stored);
      if (before !== undefined) masks = masks.map((mask, i) => bothMasks(before[i] ?? null, mask));
      if (stored !== true) exempted = policy.exempted?.(columns);
      if (masks.length !== columns.length) throw new Error(`${masks.length} masks for ${columns.length} columns`);
    } catch (thrown) {
      this.#logGuard('masking', thrown);
      masks = columns.map(() => MASK_ALL);
    }
    this.#recording.masks(id, part, columns, masks, exempted);
    return this.#meter?.counted(id, columns, masks) ?? masks;
  }

  predicates(id: OperationId, operation: Operation, uses: readonly PredicateUse[]): Decision {
    try {
      const verdict = [this.#policy.current(), this.#policy.before(id)]
        .map((policy) => policy?.predicates?.(uses))
        .find((one) => one !== undefined && one.verdict !== 'allow');
      if (verdict === undefined) return ALLOW;
      const decision =
        verdict.verdict === 'review'
          ? this.#hold(id, operation, verdict)
          : this.#refuse(id, operation, guessRefused(this.#options.session, verdict), verdict);
      this.#tell(id, operation, decision);
      return decision;
    } catch (thrown) {
      this.#logGuard('masking', thrown);
      return this.#refuse(id, operation, guardFailed(this.#options.session), undefined);
    }
  }

  refused(id: OperationId, operation: Operation, refusal: Refusal): void {
    const decision = this.#refuse(id, operation, refusal, undefined);
    if (refusal.rule !== undefined) this.#alertDenied(operation, refusal);
    this.#tell(id, operation, decision);
  }

  /** Nobody waits for an approval any more; resolves when that is noted. */
  async cancelHolds(why: string): Promise<void> {
    const holds = [...this.#holds];
    for (const held of holds) held.cancel(why);
    await Promise.all(holds.map((held) => held.settled));
  }

  // -------------------------------------------------------------------------------------------------------------------

  #overspent({ charge, bound }: Passed): Refusal {
    this.denied += 1;
    const refusal = budgetPassed(this.#options.session, charge, bound);
    this.#alert('budget.reached', refusal);
    return refusal;
  }

  #judge(id: OperationId, operation: Operation): Decision {
    const policy = this.#policy.current();
    const objection = this.#objection();
    if (objection !== undefined) return this.#refuse(id, operation, objection, undefined);
    const { clock } = this.#options;
    const verdict = policy.decide(operation.parts, wholeText(operation), clock.now(), this.#meter?.exhausted);
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
    const { ruled, masking } = this.#policy.current();
    const unforeseen = (ruled && !this.#toldRuled) || ((masking.columns || masking.values) && !this.#toldMasked);
    return objectionTo(this.#options, this.#policy, unforeseen);
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
      return this.#refuse(id, operation, reasonNeeded(session, operation, verdict), verdict);
    }
    const asked = { principal, connection, session, ...boundOf(operation), rules: matched };
    const stands = approvals.standing({ ...asked, policy: this.#policy.version });
    if (stands !== undefined) {
      const { review, kind } = stands;
      this.#recording.intent(id, operation, { verdict: 'allow', rule, matched, review, standing: kind });
      return { verdict: 'allow', rule, review };
    }
    const crowded = approvals.crowded(principal);
    if (crowded !== undefined) return this.#refuse(id, operation, notHeld(session, crowded, rule), verdict);
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
    const what = describeOperation(operation.kind, operation.parts, verdict.first);
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
    const { events, clock, session } = this.#options;
    if (events.wanted(session)) {
      events.emit(session, { type: 'review', session, id: held.id, rule, state, at: clock.now() });
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

  #logGuard(guard: string, thrown: unknown): void {
    const error = asHoopctlError(thrown);
    this.#options.log.error(
      { session: this.#options.session, guard, err: error },
      `${guard} failed, refused: ${error.message}`,
    );
  }
}
