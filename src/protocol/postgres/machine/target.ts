// The target's half of the conversation: each message is checked against what is owed, paired with its request, and
// passed as the original bytes wherever nothing in it has to change.
// Refuses to know: what the client may send, how a value is masked.

import { peerError } from '../../../core/errors.ts';
import { limitExceeded } from '../../../core/limits.ts';
import { FrameReader, Step } from '../../wire/frames.ts';
import type { StatementInfo } from '../analysis.ts';
import {
  commandTag,
  decodeParameterStatus,
  decodeRowDescription,
  IDLE,
  parameterStatus,
  taggedRows,
  transactionStatus,
  withoutPayload,
} from '../wire/backend.ts';
import { decodeFields, encodeFields, errorResponse } from '../wire/notice.ts';
import { Back, backName, messageFormat } from '../wire/types.ts';
import type { Core } from './core.ts';
import { endCut, failTransaction } from './cuts.ts';
import { type Expected, NOTHING_BOUND, type Running } from './expected.ts';
import { skip } from './failed.ts';
import { NEVER } from './plans.ts';
import { changes, isUtf8 } from './reading.ts';
import { Rows } from './rows.ts';
import { recordError, recordNotice } from './said.ts';
import { isRaw, scrub, scrubbed } from './scrub.ts';
import { afterBack, Client, Target, targetName } from './states.ts';

export class TargetSide {
  readonly frames: FrameReader;
  /** ReadyForQuery's last status: the transaction as the server told it. */
  status = IDLE;
  /** The server said goodbye. */
  fatal = false;
  readonly #core: Core;
  readonly #rows: Rows;
  /** Ours, for the client, at the next boundary between messages. */
  #deferred: Buffer[] = [];
  /** The transaction had an error. */
  #failed = false;

  constructor(core: Core) {
    this.#core = core;
    this.#rows = new Rows(core);
    this.frames = new FrameReader(messageFormat(core.options.limits, [Back.DataRow, Back.CopyData]));
  }

  /** Sends the client a message of ours where its stream of messages allows one. */
  tell(message: Buffer): void {
    if (this.frames.midFrame) this.#deferred.push(message);
    else this.#core.toClient.add(message);
  }

  pump(): void {
    const { frames } = this;
    const core = this.#core;
    while (!core.targetWaits && core.ended === undefined) {
      const step = frames.next();
      if (step === Step.frame) this.#frame(frames.buffer, frames.start, frames.end);
      else if (step === Step.part) this.#part(frames.buffer, frames.start, frames.end);
      else if (step === Step.need || !this.#mayPass()) break;
    }
    frames.release();
    if (!core.ddlPending) core.settle(false);
  }

  #part(buffer: Buffer, start: number, end: number): void {
    this.#core.toClient.slice(buffer, start, end);
    const running = this.#core.queue.head?.running;
    if (running !== undefined) this.#core.session.rest?.(running.id, running.part, buffer.subarray(start, end), 0);
    if (this.frames.midFrame) return;
    for (const message of this.#deferred.splice(0)) this.#core.toClient.add(message);
  }

  /** A row or CopyData that is not wholly here: passed in pieces when nothing has to look into it. */
  #mayPass(): boolean {
    const { frames } = this;
    const head = this.#core.queue.head;
    const running = head?.running;
    const type = frames.buffer[frames.start]!;
    if (head === undefined || running === undefined || head.swallow) return false;
    if (this.#core.session.metering === true || running.cut !== undefined) {
      // What is counted, or not sent any more, has to be whole.
      const { inspected } = this.#core.options.limits;
      if (frames.total > inspected.value) throw limitExceeded(inspected, frames.total);
      return false;
    }
    if (type === Back.DataRow && (head.state === Target.queryRows || head.state === Target.execute)) {
      const { inspected, recordedRow } = this.#core.options.limits;
      if (!this.#rows.plain(running) && ((this.#core.masked && !running.bare) || frames.total <= recordedRow.value)) {
        if (frames.total > inspected.value) throw limitExceeded(inspected, frames.total);
        return false;
      }
      this.#rows.passing(running, frames.total);
    } else if (type === Back.CopyData && (head.state === Target.queryCopyOut || head.state === Target.executeCopyOut)) {
      const { inspected } = this.#core.options.limits;
      if (running.copy !== undefined || this.#rows.stale(running)) {
        if (frames.total > inspected.value) throw limitExceeded(inspected, frames.total);
        return false;
      }
      this.#rows.passingCopy(running, frames.total);
    } else return false;
    frames.pass();
    return true;
  }

  #frame(buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const type = buffer[start]!;
    const head = core.queue.head;
    if (head?.trial !== undefined && this.#tried(head, type)) return;
    const state = head === undefined ? Target.idle : head.state;
    const next = afterBack(state, type);
    // What was sent for a refused request can only fail.
    const refused = head?.refusal !== undefined && type !== Back.ErrorResponse && !this.#isUnasked(type);
    if (next === 0 || refused) {
      throw peerError(
        'protocol_violation',
        `the target sent ${backName(type)} while ${targetName(state)} was expected`,
      );
    }
    if (head === undefined) this.#unasked(type, buffer, start, end);
    else if (type === Back.DataRow) this.#dataRow(head, buffer, start, end);
    else if (next === state && this.#isUnasked(type)) this.#unasked(type, buffer, start, end);
    else this.#answer(head, type, next, buffer, start, end);
  }

  /** The answers to a text that the server could read after all: Parse, Close. */
  #tried(head: Expected, type: number): boolean {
    if (type === Back.ParseComplete && head.trial === 'sent') {
      head.trial = 'read';
      return true;
    }
    return type === Back.CloseComplete && head.trial === 'read';
  }

  #isUnasked(type: number): boolean {
    return type === Back.NoticeResponse || type === Back.ParameterStatus || type === Back.NotificationResponse;
  }

  #dataRow(head: Expected, buffer: Buffer, start: number, end: number): void {
    const running = head.running!;
    const { frames } = this;
    if (!this.#rows.planned(running)) {
      frames.unread();
      return;
    }
    const metering = this.#core.session.metering === true || running.cut !== undefined;
    if (!this.#rows.plain(running)) {
      if (!metering || this.#core.spend(running, 1, end - start)) this.#rows.row(running, buffer, start, end);
      return;
    }
    const rows = metering ? 1 : 1 + frames.run(Back.DataRow);
    if (metering && !this.#core.spend(running, 1, end - start)) return;
    running.rows += rows;
    running.bytes += frames.end - start;
    this.#core.toClient.slice(buffer, start, frames.end);
    this.#core.session.rest?.(running.id, running.part, buffer.subarray(start, frames.end), rows);
  }

  /** A message that belongs to the request at the head. */
  #answer(head: Expected, type: number, next: Target, buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const running = head.running;
    head.state = next;
    if (running?.cut !== undefined) {
      const after = endCut(core, head, running.cut, type, () => decodeFields(buffer, start, end).get('C'));
      if (after === 'failed') this.#done(head, type);
      if (after === 'failed' && core.waiting?.for === 'answers') this.#maybeAnswered();
      if (after !== 'passes') return;
    }
    switch (type) {
      case Back.ErrorResponse:
        this.#error(head, next, buffer, start, end);
        return;
      case Back.CopyData: {
        const metering = core.session.metering === true || running!.cut !== undefined;
        if (!metering || core.spend(running!, 1, end - start)) this.#rows.copy(running!, buffer, start, end);
        return;
      }
      case Back.RowDescription:
        this.#described(head, buffer, start, end);
        break;
      case Back.CommandComplete:
        if (running !== undefined) this.#complete(running, commandTag(buffer, start, end));
        break;
      case Back.EmptyQueryResponse:
        if (running?.over === false) core.outcome(running, 'ok');
        break;
      case Back.PortalSuspended:
        running!.suspended = true;
        break;
      case Back.FunctionCallResponse:
        if (core.session.metering === true && !core.spend(running!, 1, end - start)) {
          endCut(core, head, running!.cut!, Back.CommandComplete, () => undefined);
          return;
        }
        this.#rows.functionResult(running!, buffer, start, end);
        core.outcome(running!, 'ok');
        break;
      case Back.CopyOutResponse:
        this.#rows.beginCopy(running!, buffer, start, end);
        break;
      case Back.CopyDone:
        this.#rows.endCopy(running!);
        break;
      case Back.CopyInResponse:
        core.client = Client.copying;
        break;
      case Back.ReadyForQuery:
        if (running?.unread !== undefined && !running.over) {
          core.outcome(running, 'ok', running.unread.tag, running.unread.rows);
        }
        this.status = transactionStatus(buffer, start, end);
        if (this.status === IDLE) core.closePortals(!this.#failed);
        if (this.status === IDLE) this.#failed = false;
        if (head.unfailed && failTransaction(core, this.status)) return;
        break;
    }
    if (!head.swallow || type === Back.ReadyForQuery) core.toClient.slice(buffer, start, end);
    if (head.state === Target.done) this.#done(head, type);
    if (core.waiting?.for === 'answers') this.#maybeAnswered();
  }

  #done(head: Expected, type: number): void {
    const core = this.#core;
    core.queue.shift();
    if (type === Back.ReadyForQuery && core.queue.length === 0) core.settled = true;
    if (head.ddl) core.ddlOpen = true;
    if (type === Back.ReadyForQuery && this.status === IDLE && core.ddlOpen) {
      core.ddlOpen = false;
      core.options.planner?.invalidate();
    }
    if (head.name === undefined) return;
    if (head.ofPortal) {
      if (core.portals.get(head.name) !== head.portal) core.finishPortal(core.portals.get(head.name));
      core.portals.confirm(head.name, head.portal, head);
    } else core.statements.confirm(head.name, head.statement, head);
    core.checkNames();
  }

  /** What the client's side waits for is here: all is answered, or a COPY is open for its data. */
  #maybeAnswered(): void {
    const core = this.#core;
    if (core.queue.length > 0 && core.client !== Client.copying) return;
    core.waiting = undefined;
  }

  #described(head: Expected, buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const { running, portal, describes, described: name } = head;
    if (head.state === Target.queryRows) {
      if (running !== undefined) running.description = buffer.subarray(start, end);
      if (core.masked) running!.fields = decodeRowDescription(buffer, start, end);
      return;
    }
    const of = portal ?? describes;
    if (of === undefined) return;
    // It lives as long as the client likes: not with the whole chunk that it came in.
    const more = end - start - (of.description?.length ?? 0);
    of.description = Buffer.from(buffer.subarray(start, end));
    if (portal === undefined) core.statements.grow(name, describes!, more);
    else {
      if (core.masked) portal.fields = decodeRowDescription(buffer, start, end, portal.formats);
      // As objects the fields take some twice as much as the message.
      core.portals.grow(name, portal, core.masked ? 3 * more : more);
    }
    core.checkNames();
  }

  #complete(running: Running, tag: string): void {
    const core = this.#core;
    // A portal executed again after its end completes with nothing; the tag of a suspended one counts its last rows alone.
    const rows = running.suspended ? undefined : taggedRows(tag);
    if (running.unread !== undefined) running.unread.complete(tag, rows, running.rows);
    else if (!running.over) core.outcome(running, 'ok', tag, rows ?? running.rows);
    const info = running.analysis.statements[running.part];
    if (info !== undefined) {
      if (changes(info, running.sources?.[running.part]).ddl) core.options.planner?.invalidate();
      if (info.prepare !== undefined) {
        const { name, analysis, text } = info.prepare;
        core.statements.set(name, { analysis, text, types: [], size: text.length });
        core.checkNames();
      }
      if (info.deallocate !== undefined) core.statements.forget(info.deallocate.name);
      if (info.endsCursors) core.closePortals(tag === 'COMMIT');
      if (info.close !== undefined) core.forgetPortal(info.close.name);
      if (info.declare !== undefined) this.#declare(info.declare, running);
    }
    if (running.unread === undefined) running.nextPart();
  }

  #declare(declared: NonNullable<StatementInfo['declare']>, { mark, analysis, part, policy }: Running): void {
    // DDL before it in its own text is not to be seen in the catalogue of then.
    const hidden = analysis.statements.slice(0, part).some((info) => info.ddl);
    this.#core.portals.set(declared.name, {
      statement: { analysis: declared.analysis, text: '', types: [] },
      bound: NOTHING_BOUND,
      formats: [],
      hold: declared.hold,
      since: hidden ? NEVER : mark,
      policy,
      described: false,
      description: undefined,
      fields: undefined,
      running: undefined,
    });
  }

  /** An error for the request at the head; in an extended query everything up to Sync fails with it. */
  #error(head: Expected, next: Target, buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    this.#failed = true;
    const fields = decodeFields(buffer, start, end);
    const refused = head.refusal !== undefined;
    this.#tellError(head, fields, buffer, start, end);
    if (!refused || this.fatal) recordError(core, head, this.#scrubs(head) ? scrub(fields) : fields);
    if (core.client === Client.copying) core.client = Client.ready;
    if (next === Target.failed) skip(core, head);
    if (core.waiting?.for === 'answers') this.#maybeAnswered();
  }

  #tellError(
    head: Expected | undefined,
    fields: Map<string, string>,
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    const core = this.#core;
    const fatal = fields.get('V') === 'FATAL' || fields.get('V') === 'PANIC';
    this.fatal ||= fatal;
    if (head?.refusal !== undefined && !fatal) {
      // The server's own words for a text that nobody can read: they speak of nothing else.
      if (head.trial === 'sent' && isRaw(fields)) core.toClient.slice(buffer, start, end);
      else if (!head.swallow) core.toClient.add(errorResponse(head.refusal));
      head.refusal = undefined;
      head.running = undefined;
    } else if (this.#scrubs(head)) core.toClient.add(scrubbed(Back.ErrorResponse, fields));
    else core.toClient.slice(buffer, start, end);
  }

  #unasked(type: number, buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    if (type === Back.ParameterStatus && core.guarded) {
      this.#parameter(buffer, start, end);
      return;
    }
    const scrubs = this.#scrubs(core.queue.head);
    if (type === Back.NoticeResponse || type === Back.ErrorResponse) {
      const fields = decodeFields(buffer, start, end);
      const told = scrubs ? scrub(fields) : fields;
      if (type === Back.NoticeResponse) recordNotice(core, told);
      else {
        this.fatal = true;
        recordError(core, undefined, told);
      }
      if (scrubs) {
        core.toClient.add(encodeFields(type, told));
        return;
      }
    }
    if (scrubs && type === Back.NotificationResponse) core.toClient.add(withoutPayload(buffer, start, end));
    else core.toClient.slice(buffer, start, end);
  }

  /** Whether what the server says now may be of masked values. */
  #scrubs(head: Expected | undefined): boolean {
    const core = this.#core;
    if (!core.masked) return false;
    if (head?.running !== undefined) return !head.running.bare;
    return !core.bare(head?.statement?.text ?? head?.portal?.statement.text ?? '');
  }

  /** INVARIANT: on a guarded connection the server reads SQL as our parser does, or the session ends. */
  #parameter(buffer: Buffer, start: number, end: number): void {
    const { masked, session, toClient } = this.#core;
    const { name, value } = decodeParameterStatus(buffer, start, end);
    const wrong =
      (name === 'client_encoding' && !isUtf8(value)) || (name === 'standard_conforming_strings' && value !== 'on');
    if (wrong) {
      throw peerError(
        'denied',
        `"${name}" was changed to "${value}", statements can no longer be read as the server does`,
        {
          fix: 'connect again and leave it as it is',
        },
      );
    }
    // A statement may have set it to what it read.
    const told = masked ? session.masked?.(value) : undefined;
    if (told === undefined || told === value) toClient.slice(buffer, start, end);
    else toClient.add(parameterStatus(name, told));
  }
}
