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
  taggedRows,
  transactionStatus,
  withoutPayload,
} from '../wire/backend.ts';
import { decodeFields, errorResponse, type Notice } from '../wire/notice.ts';
import { Back, backName, messageFormat } from '../wire/types.ts';
import type { Core } from './core.ts';
import type { Expected, Running } from './expected.ts';
import { isUtf8 } from './reading.ts';
import { Rows } from './rows.ts';
import { scrub, scrubbed } from './scrub.ts';
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
  }

  #part(buffer: Buffer, start: number, end: number): void {
    this.#core.toClient.slice(buffer, start, end);
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
      if (!this.#rows.plain(running) && (this.#core.masked || frames.total <= recordedRow.value)) {
        if (frames.total > inspected.value) throw limitExceeded(inspected, frames.total);
        return false;
      }
      this.#rows.passing(running, frames.total);
    } else if (type === Back.CopyData && (head.state === Target.queryCopyOut || head.state === Target.executeCopyOut)) {
      const { inspected } = this.#core.options.limits;
      if (running.copy !== undefined) {
        if (frames.total > inspected.value) throw limitExceeded(inspected, frames.total);
        return false;
      }
      running.bytes += frames.total;
    } else return false;
    frames.pass();
    return true;
  }

  #frame(buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const type = buffer[start]!;
    const head = core.queue.head;
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
  }

  /** A message that belongs to the request at the head. */
  #answer(head: Expected, type: number, next: Target, buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const running = head.running;
    head.state = next;
    if (running?.cut !== undefined && this.#ended(head, running.cut, type)) return;
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
        this.#complete(running!, commandTag(buffer, start, end));
        break;
      case Back.EmptyQueryResponse:
        if (running !== undefined) running.over = true;
        break;
      case Back.FunctionCallResponse:
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
        this.status = transactionStatus(buffer, start, end);
        if (this.status === IDLE) core.closePortals(false);
        break;
    }
    if (!head.swallow) core.toClient.slice(buffer, start, end);
    if (head.state === Target.done) this.#done(head, type);
    if (core.waiting?.for === 'answers') this.#maybeAnswered();
  }

  /** The end of a result that a budget has cut: true when nothing else is to be done with it. */
  #ended(head: Expected, cut: Notice, type: number): boolean {
    if (type === Back.CopyDone) return true;
    const { code, message } = cut;
    const told = () => this.#core.outcome(head.running!, 'cancelled', undefined, head.running!.rows, { code, message });
    if (type === Back.ErrorResponse) {
      told();
      head.running!.nextPart();
      this.#core.abandon(head.running, 'cancelled');
      head.refusal = cut;
      return false;
    }
    if (type !== Back.CommandComplete && type !== Back.PortalSuspended) return false;
    // The server was faster than the cancel. In a Query that is an error as any; behind an Execute the server goes on
    // with what the client, after an error, does not expect.
    const simple = head.portal === undefined;
    if (!simple || head.running!.part + 1 < head.running!.analysis.statements.length) {
      throw peerError('denied', cut.message, { fix: cut.hint ?? 'ask for less' });
    }
    this.#core.toClient.add(errorResponse(cut));
    told();
    head.running!.nextPart();
    return true;
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
      if (core.portals.known.get(head.name) !== head.portal) core.finishPortal(core.portals.known.get(head.name));
      core.portals.confirm(head.name, head.portal, head);
    } else core.statements.confirm(head.name, head.statement, head);
  }

  /** What the client's side waits for is here: all is answered, or a COPY is open for its data. */
  #maybeAnswered(): void {
    const core = this.#core;
    if (core.queue.length > 0 && core.client !== Client.copying) return;
    core.waiting = undefined;
  }

  #described(head: Expected, buffer: Buffer, start: number, end: number): void {
    const { running, portal } = head;
    const description = buffer.subarray(start, end);
    if (head.state === Target.queryRows) {
      if (running !== undefined) running.description = description;
    } else if (portal !== undefined) portal.description = description;
    if (!this.#core.masked) return;
    if (head.state === Target.queryRows) head.running!.fields = decodeRowDescription(buffer, start, end);
    else if (head.portal !== undefined) {
      head.portal.fields = decodeRowDescription(buffer, start, end, head.portal.formats);
    }
  }

  #complete(running: Running, tag: string): void {
    const core = this.#core;
    // A portal executed again after its end completes with nothing.
    if (!running.over) core.outcome(running, 'ok', tag, taggedRows(tag) ?? running.rows);
    const info = running.analysis.statements[running.part];
    if (info !== undefined) {
      if (info.ddl) core.options.planner?.invalidate();
      if (info.prepare !== undefined) {
        core.statements.known.set(info.prepare.name, { analysis: info.prepare.analysis, text: '' });
      }
      if (info.deallocate !== undefined) this.#forget(core.statements.known, info.deallocate.name);
      if (info.endsCursors) core.closePortals(false);
      if (info.close !== undefined) this.#forget(core.portals.known, info.close.name);
      if (info.declare !== undefined) this.#declare(info.declare);
    }
    running.nextPart();
  }

  #forget(known: Map<string, unknown>, name: string | undefined): void {
    if (name === undefined) known.clear();
    else known.delete(name);
  }

  #declare(declared: NonNullable<StatementInfo['declare']>): void {
    this.#core.portals.known.set(declared.name, {
      statement: { analysis: declared.analysis, text: '' },
      params: [],
      formats: [],
      hold: declared.hold,
      described: false,
      description: undefined,
      fields: undefined,
      running: undefined,
    });
  }

  /** An error for the request at the head; in an extended query everything up to Sync fails with it. */
  #error(head: Expected, next: Target, buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const fields = decodeFields(buffer, start, end);
    this.#tellError(head, fields, buffer, start, end);
    const kept = core.masked ? scrub(fields) : fields;
    const running = head.running;
    if (running !== undefined && !running.over && head.refusal === undefined) {
      const code = kept.get('C') ?? 'XX000';
      core.outcome(running, code === '57014' ? 'cancelled' : 'error', undefined, running.rows, {
        code,
        message: kept.get('M') ?? '',
      });
      running.nextPart();
      core.abandon(running, 'cancelled');
    }
    if (core.client === Client.copying) core.client = Client.ready;
    if (next === Target.failed) this.#skip(head);
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
      core.toClient.add(errorResponse(head.refusal));
      head.refusal = undefined;
      head.running = undefined;
    } else if (core.masked) core.toClient.add(scrubbed(Back.ErrorResponse, fields));
    else core.toClient.slice(buffer, start, end);
  }

  /** The failed request and all behind it up to the next Sync: the server reads them and does nothing. */
  #skip(failed: Expected): void {
    const core = this.#core;
    if (failed.name === '') {
      // A Parse or Bind of the unnamed one drops its predecessor before it can fail.
      if (failed.ofPortal) {
        core.finishPortal(core.portals.known.get(''));
        core.portals.known.delete('');
      } else if (failed.statement !== undefined) core.statements.known.delete('');
    }
    for (let head = core.queue.head; head !== undefined && head.state !== Target.sync; head = core.queue.head) {
      core.queue.shift();
      if (head.name !== undefined) (head.ofPortal ? core.portals : core.statements).drop(head.name, head);
      if (head === failed) continue;
      core.abandon(head.running, 'cancelled');
      if (head.portal !== undefined && head.portal.running === head.running) head.portal.running = undefined;
    }
    if (core.queue.length === 0) core.client = core.client === Client.closed ? Client.closed : Client.skipping;
  }

  #unasked(type: number, buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    if (type === Back.ParameterStatus) this.#parameter(buffer, start, end);
    if (type === Back.ErrorResponse) this.fatal = true;
    if (core.masked && type === Back.NotificationResponse) {
      core.toClient.add(withoutPayload(buffer, start, end));
      return;
    }
    if (core.masked && (type === Back.NoticeResponse || type === Back.ErrorResponse)) {
      core.toClient.add(scrubbed(type, decodeFields(buffer, start, end)));
      return;
    }
    core.toClient.slice(buffer, start, end);
  }

  /** INVARIANT: on a guarded connection the server reads SQL as our parser does, or the session ends. */
  #parameter(buffer: Buffer, start: number, end: number): void {
    if (!this.#core.guarded) return;
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
  }
}
