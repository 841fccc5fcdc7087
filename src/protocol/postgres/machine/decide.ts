// Requests that run something: read, decided, held, planned, and then forwarded or refused.
// INVARIANT: nothing of an operation goes to `toTarget` before `decide` said allow; the driver writes it in `recorded`.
// Refuses to know: why a rule says what it says.

import { asHoopctlError } from '../../../core/errors.ts';
import type { Facts, Hold, Operation, Verdict } from '../../contract.ts';
import type { Analysis } from '../analysis.ts';
import { describePortal, FLUSH, type Parse } from '../wire/frontend.ts';
import { type Notice, noticeResponse } from '../wire/notice.ts';
import type { Core } from './core.ts';
import { coveredBefore } from './covered.ts';
import { type Bound, Expected, type Portal, Running, type Statement } from './expected.ts';
import { stopClock } from './held.ts';
import { AMBIGUOUS } from './names.ts';
import { operationOf, shownText } from './operation.ts';
import { mayCopyIn, type Pending } from './pending.ts';
import { cursorOf, isDecided, type Plan, planBefore } from './plans.ts';
import { reachBefore } from './reaching.ts';
import { changes, hasPlace, type Reading, type Resolved, readingOf, resolve, type Scope } from './reading.ts';
import {
  functionCallNotice,
  misreadNotice,
  REFUSED_EXECUTE,
  REFUSED_QUERY,
  refusalNotice,
  refusalOf,
  refusedParse,
  statementNotice,
  triedParse,
  triedQuery,
  unreadableNotice,
  unsettledNotice,
} from './refusal.ts';
import { Client, Target } from './states.ts';
import type { TargetSide } from './target.ts';
import { FUNCTION_CALL, opaqueAnalysis } from './unseen.ts';

export class Decider {
  readonly #core: Core;
  readonly #target: TargetSide;
  readonly #scope: Scope;

  constructor(core: Core, target: TargetSide) {
    this.#core = core;
    this.#target = target;
    this.#scope = {
      statement: (name) => core.statements.get(name)?.analysis,
      cursor: (name) => cursorOf(core.portals.get(name), core.session.policy),
    };
  }

  /** What a name of a prepared statement means now; AMBIGUOUS when answers have to be waited for. */
  statement(name: string): Statement | undefined | typeof AMBIGUOUS {
    if (name !== '' && this.#core.queue.statementDefinitions > 0) return AMBIGUOUS;
    return this.#core.statements.lookup(name, this.#core.batch);
  }

  portal(name: string): Portal | undefined | typeof AMBIGUOUS {
    if (name !== '' && this.#core.queue.portalDefinitions > 0) return AMBIGUOUS;
    return this.#core.portals.lookup(name, this.#core.batch);
  }

  /**
   * Whether the server may read this text otherwise than we do, by a setting that something sent before it changes and
   * that the server has not told yet (`set_config` by whatever name, in a view or a function). Strings with `\\'` in them
   * end elsewhere without standard_conforming_strings; all others end where they do.
   */
  unsettled(text: Buffer): boolean {
    return this.#core.guarded && !this.#core.settled && text.includes("\\'");
  }

  /** False: look at it again once all is answered. */
  query(text: Buffer, buffer: Buffer, start: number, end: number): boolean {
    const core = this.#core;
    const analysis = core.options.analyser.analyse(text);
    const reading = readingOf(analysis);
    const unsettled = this.unsettled(text);
    // What is sent instead of a text that cannot be read has a Sync in it: the server must not be ignoring what comes.
    const alone = unsettled || (core.guarded && analysis.error !== undefined);
    if ((reading.refers && core.awaits(analysis)) || this.#counted() || (alone && core.queue.length > 0)) return false;
    const entry = new Expected(Target.query);
    const { text: shown, bytes } = shownText(text);
    const unreadable = this.#unreadable(analysis, reading, shown, unsettled);
    const { parts, sources } = this.#resolve(analysis, reading);
    if (unreadable !== undefined && hasPlace(analysis)) entry.trial = 'sent';
    const instead = entry.trial === undefined ? REFUSED_QUERY : triedQuery(shown);
    const request: Pending = {
      ...{ entry, analysis, reading, sources, bytes, buffer, start, end, instead },
      ...{ portal: undefined, portalName: '' },
    };
    if (unreadable !== undefined) this.#refuse(request, unreadable);
    else this.#reached(request, 'query', shown, undefined, parts);
    return true;
  }

  /** False: look at it again once all is answered. */
  parse({ name, text, types }: Parse, buffer: Buffer, start: number, end: number): boolean {
    const core = this.#core;
    const unsettled = this.unsettled(text);
    if (unsettled && core.queue.length > 0) return false;
    const analysis = core.options.analyser.analyse(text, types);
    const reading = readingOf(analysis);
    const { text: shown, bytes } = shownText(text);
    const statement = { analysis, text: shown, bytes, types, size: end - start };
    const unreadable = core.guarded ? this.#unreadable(analysis, reading, shown, unsettled) : undefined;
    if (!core.guarded || unreadable !== undefined) this.#parsed(name, statement, unreadable, buffer, start, end);
    else {
      // Planning it, which the server does at Bind, may run functions already.
      const { parts, sources } = this.#resolve(analysis, reading);
      const found = reachBefore(core, parts, analysis, sources);
      const then = (all: readonly Facts[]) =>
        this.#parsed(name, statement, this.#foreseen(all, shown), buffer, start, end);
      if (found instanceof Promise) this.#later(found, then);
      else then(found);
    }
    return true;
  }

  #parsed(
    name: string,
    statement: Statement,
    refusal: Notice | undefined,
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    const core = this.#core;
    const { analysis, text: shown } = statement;
    const entry = new Expected(Target.parse);
    entry.bytes = end - start;
    entry.name = name;
    entry.statement = statement;
    core.statements.send(name, entry.statement, core.batch, entry);
    core.checkNames();
    core.push(entry);
    if (refusal === undefined) core.toTarget.slice(buffer, start, end);
    else {
      entry.refusal = refusal;
      if (hasPlace(analysis)) entry.trial = 'sent';
      core.toTarget.add(entry.trial === undefined ? refusedParse(name) : triedParse(name, shown));
      core.client = Client.skipping;
    }
  }

  /** A refusal that is certain already when the statement is prepared. */
  #foreseen(parts: readonly Facts[], text: string): Notice | undefined {
    const core = this.#core;
    if (core.session.foresee(parts, text).verdict === 'allow') return undefined;
    // Asked again so that the refusal is on record.
    const { decision } = core.session.decide({ kind: 'parse', text, exact: '', parts });
    core.decided = true;
    if (decision.verdict === 'deny') return refusalNotice(decision.refusal);
    if (decision.verdict === 'hold') decision.cancel('it is held when it is executed');
    return undefined;
  }

  /** False: look at it again once all is answered. */
  execute(name: string, portal: Portal, buffer: Buffer, start: number, end: number): boolean {
    const core = this.#core;
    const { analysis, text, bytes } = portal.statement;
    const reading = readingOf(analysis);
    if ((reading.refers && core.awaits(analysis)) || this.#counted()) return false;
    const entry = new Expected(Target.execute);
    entry.portal = portal;
    if (portal.running !== undefined && isDecided(portal, core.session.policy)) {
      // Decided before: the rest of a suspended portal.
      entry.running = portal.running;
      core.push(entry);
      core.toTarget.slice(buffer, start, end);
      return true;
    }
    if (portal.running !== undefined) {
      // By a policy that is not that in force: what has come is an operation of its own.
      if (core.queue.length > 0) return false;
      core.finishPortal(portal);
    }
    const { parts, sources } = this.#resolve(analysis, reading);
    const request = {
      ...{ entry, analysis, reading, sources, bytes, buffer, start, end, instead: REFUSED_EXECUTE, portal },
      portalName: name,
    };
    this.#reached(request, 'execute', text, portal.bound, parts);
    return true;
  }

  /** False: look at it again once all is answered. */
  functionCall(oid: number, format: number, bound: Bound, buffer: Buffer, start: number, end: number): boolean {
    const core = this.#core;
    if (this.#counted()) return false;
    const analysis = opaqueAnalysis({ ...FUNCTION_CALL, functions: [String(oid)] });
    const entry = new Expected(Target.functionCall);
    const request: Pending = {
      ...{ entry, analysis, reading: readingOf(analysis), sources: undefined, bytes: undefined, formats: [format] },
      ...{ buffer, start, end, instead: REFUSED_QUERY, portal: undefined, portalName: '' },
    };
    const masked = core.masked && !core.bare('');
    if (!core.options.allowFunctionCall || masked) {
      const notice = functionCallNotice(masked, core.session.id);
      core.session.note('refused', { kind: 'function-call', function: oid, why: notice.message });
      entry.state = Target.query;
      this.#refuse(request, notice);
    } else this.#decide(request, 'function-call', `function ${oid}`, bound, analysis.facts);
    return true;
  }

  /** Decides on the parts with what they reach. */
  #reached(request: Pending, kind: string, text: string, bound: Bound | undefined, parts: readonly Facts[]): void {
    const found = reachBefore(this.#core, parts, request.analysis, request.sources);
    const then = (all: readonly Facts[]) => this.#decide(request, kind, text, bound, all);
    if (found instanceof Promise) this.#later(found, then);
    else then(found);
  }

  /** The client waits while the catalogue is read. */
  #later<Found>(found: Promise<Found>, then: (found: Found) => void, running?: Running): void {
    this.#core.waiting = { for: 'plan', running };
    void found.then((all) => this.#goOn(running, () => then(all)));
  }

  /** What is counted may be cut, and then what is behind it must not have run: one after the other. */
  #counted(): boolean {
    const { queue, session } = this.#core;
    return session.metering === true && queue.running;
  }

  #resolve(analysis: Analysis, reading: Reading): Resolved {
    if (!reading.refers) return { parts: analysis.facts, sources: undefined };
    return resolve(analysis, this.#scope);
  }

  /** Guarded sessions: a text that cannot be read, or that would make the next ones unreadable. Not an operation: it cannot run. */
  #unreadable(analysis: Analysis, reading: Reading, text: string, unsettled: boolean): Notice | undefined {
    const { session, guarded } = this.#core;
    if (!guarded) return undefined;
    if (analysis.error !== undefined) {
      session.note('unreadable', { text, code: '42601', message: analysis.error.message });
      this.#core.decided = true;
      return unreadableNotice(analysis.error, session.id);
    }
    if (unsettled) {
      session.note('refused', { text, code: '42501', parameter: 'standard_conforming_strings' });
      return unsettledNotice(session.id);
    }
    if (reading.misreads === undefined) return undefined;
    session.note('refused', { text, code: '42501', parameter: reading.misreads });
    return misreadNotice(reading.misreads, session.id);
  }

  #decide(request: Pending, kind: string, text: string, bound: Bound | undefined, parts: readonly Facts[]): void {
    const core = this.#core;
    const operation = operationOf(core, request, kind, text, bound, parts);
    const { id, decision } = core.session.decide(operation);
    core.decided = true;
    if (request.portal !== undefined) core.bound.delete(request.portal);
    // Its time begins when the server works on it.
    if (core.session.metering === true) core.session.runs?.(id, false);
    const running = new Running(id, request.analysis, request.sources, request.portal, core.session.policy);
    if (request.formats !== undefined) running.formats = request.formats;
    const go = (verdict: Verdict) => this.#verdict(request, running, verdict, operation);
    if (decision.verdict === 'hold') this.#hold(decision, running, go);
    else go(decision);
  }

  #hold(hold: Hold, running: Running, then: (verdict: Verdict) => void): void {
    const core = this.#core;
    core.waiting = { for: 'review', hold };
    if (core.exposed) stopClock(core);
    this.#notice(hold.notice);
    hold.onNotice?.((lines) => core.resume(() => this.#notice(lines)));
    void hold.settled.then((verdict) => this.#goOn(running, () => then(verdict)));
  }

  #notice(lines: readonly string[]): void {
    for (const message of lines) this.#target.tell(noticeResponse({ severity: 'NOTICE', code: '00000', message }));
  }

  /** What the client waited for is here. When it is gone meanwhile, what was held is not sent: nobody is there for an answer. */
  #goOn(running: Running | undefined, then: () => void): void {
    const core = this.#core;
    core.resume(() => {
      if (core.client === Client.closed) return;
      core.waiting = undefined;
      if (core.client === Client.skipping) {
        // What was sent before it has failed meanwhile: the server ignores it, so it is not sent.
        core.abandon(running, 'cancelled');
        return;
      }
      // The bytes go out in another turn than their decision: once more only from inside `recorded`.
      core.decided = true;
      then();
    });
  }

  #verdict(request: Pending, running: Running, verdict: Verdict, operation: Operation): void {
    if (verdict.verdict === 'deny') this.#refuse(request, refusalNotice(verdict.refusal));
    else if (this.#core.masked) this.#covered(request, running, operation);
    else this.#forward(request, running);
  }

  #refuse(request: Pending, notice: Notice): void {
    const core = this.#core;
    request.entry.refusal = notice;
    core.push(request.entry);
    core.toTarget.add(request.instead);
    // What follows up to Sync the server is certain to ignore: it is neither sent nor decided.
    if (request.portal !== undefined) core.client = Client.skipping;
    else core.wholeBatches = core.toTarget.length;
  }

  /** Masked sessions: where nothing is covered by a mask there is nothing to plan. */
  #covered(request: Pending, running: Running, operation: Operation): void {
    const core = this.#core;
    const then = (covered: boolean) => {
      running.bare = !covered;
      if (covered || request.reading.ddl) core.options.planner?.defines?.(core.session.covering, operation.text);
      if (covered) this.#plan(request, running, operation);
      else this.#forward(request, running);
    };
    const covered = coveredBefore(core, operation.text, request.sources);
    if (covered instanceof Promise) this.#later(covered, then, running);
    else then(covered);
  }

  /** Masked sessions: what has to be known before the statement runs; the client waits while the catalogue is read. */
  #plan(request: Pending, running: Running, operation: Operation): void {
    const core = this.#core;
    const go = (verdict: Verdict) => {
      if (verdict.verdict === 'allow') this.#forward(request, running);
      else failedWith(refusalNotice(verdict.refusal));
    };
    const done = ({ copies, uses, mark }: Plan) => {
      running.copyColumns = copies;
      running.mark = mark;
      const decision = uses.length === 0 ? undefined : core.session.predicates?.(running.id, operation, uses);
      if (decision?.verdict === 'hold') this.#hold(decision, running, go);
      else go(decision ?? { verdict: 'allow' });
    };
    const failedWith = (notice: Notice) => {
      core.outcome(running, 'error', undefined, 0, { code: notice.code, message: notice.message });
      this.#refuse(request, notice);
    };
    const failed = (thrown: unknown) => {
      const error = asHoopctlError(thrown);
      core.session.refused?.(running.id, operation, refusalOf(error, core.session.id));
      failedWith(statementNotice(error, core.session.id));
    };
    let planned: Plan | Promise<Plan>;
    try {
      planned = planBefore(core, running);
    } catch (thrown) {
      failed(thrown);
      return;
    }
    if (!(planned instanceof Promise)) {
      done(planned);
      return;
    }
    core.waiting = { for: 'plan', running };
    planned.then(
      (plan) => this.#goOn(running, () => done(plan)),
      (thrown) => this.#goOn(running, () => failed(thrown)),
    );
  }

  #forward(request: Pending, running: Running): void {
    const core = this.#core;
    const { entry, reading, portal } = request;
    entry.running = running;
    if (reading.special) {
      entry.definesStatements = reading.definesStatements;
      entry.definesPortals = reading.definesPortals;
      const effects = request.analysis.statements.map((info, part) => changes(info, request.sources?.[part]));
      entry.ddl = effects.some(({ ddl }) => ddl);
      if (effects.some(({ names }) => names)) core.namesPinned = false;
      if (effects.some(({ path }) => path)) core.pathPinned = false;
    }
    if (portal !== undefined) {
      portal.running = running;
      if (core.masked && !running.bare && !portal.described) this.#describe(portal, running, request.portalName);
    }
    core.push(entry);
    core.toTarget.slice(request.buffer, request.start, request.end);
    if (portal === undefined) core.wholeBatches = core.toTarget.length;
    if (mayCopyIn(request)) {
      // What comes next may be data or a request: only the server's answer tells.
      core.waiting = { for: 'answers' };
      if (portal !== undefined || reading.copyIn) core.toTarget.add(FLUSH);
    }
  }

  /** Our own Describe, so that the columns of a portal are known before its rows. Its answer is not the client's. */
  #describe(portal: Portal, running: Running, name: string): void {
    const core = this.#core;
    portal.described = true;
    core.push(Expected.describing(portal, running, name));
    core.toTarget.add(describePortal(name));
  }
}
