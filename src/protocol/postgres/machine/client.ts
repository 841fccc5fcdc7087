// The client's half of the conversation: each message is checked, noted in the queue of what the server will owe, and
// passed as the original bytes; requests that run something go through decide.ts first.
// Refuses to know: who decides, what comes back.

import { hash } from 'node:crypto';
import { peerError } from '../../../core/errors.ts';
import { FrameReader, Step } from '../../wire/frames.ts';
import {
  copyFail,
  decodeBind,
  decodeFunctionCall,
  decodeNamed,
  decodeParse,
  executePortal,
  FLUSH,
  queryText,
} from '../wire/frontend.ts';
import { Front, frontName, HEADER, messageFormat } from '../wire/types.ts';
import type { Core } from './core.ts';
import { Decider } from './decide.ts';
import { Expected, NOTHING_BOUND, type Portal } from './expected.ts';
import { AMBIGUOUS } from './names.ts';
import { afterFront, Client, Target } from './states.ts';
import type { TargetSide } from './target.ts';
import { unseen } from './unseen.ts';

/** Portals that are bound before they are executed; they are on record as such at once, where there are more. */
const MAX_BOUND = 100;

export class ClientSide {
  readonly frames: FrameReader;
  readonly decider: Decider;
  /** The client will send no more: this goes behind what it has sent. */
  ended: Buffer | undefined;
  readonly #core: Core;
  /** The CopyData that is being passed in pieces goes to the server: all of it or, where it was ignored, nothing. */
  #sent = false;

  constructor(core: Core, target: TargetSide) {
    this.#core = core;
    this.frames = new FrameReader(messageFormat(core.options.limits, [Front.CopyData]));
    this.decider = new Decider(core, target);
  }

  pump(): void {
    const { frames } = this;
    const core = this.#core;
    while (core.waiting === undefined && !core.cancelling && core.client !== Client.closed) {
      if (this.#ahead()) {
        core.waiting = { for: 'answers' };
        core.toTarget.add(FLUSH);
        break;
      }
      const step = frames.next();
      if (step === Step.frame) this.#frame(frames.buffer, frames.start, frames.end);
      else if (step === Step.part) this.#part(frames.buffer, frames.start, frames.end);
      else if (step === Step.need || frames.buffer[frames.start] !== Front.CopyData) break;
      else {
        this.#sent = core.client === Client.copying;
        frames.pass();
      }
    }
    frames.release();
    if (this.ended !== undefined && core.waiting === undefined && !core.cancelling && core.client !== Client.closed)
      this.hangUp();
  }

  /** More was sent than is to be remembered until it is answered. */
  #ahead(): boolean {
    const { queue, options } = this.#core;
    const { pipelined, pipelinedBytes } = options.limits;
    return queue.length >= pipelined.value || (queue.length > 0 && queue.bytes >= pipelinedBytes.value);
  }

  hangUp(): void {
    this.#core.noteBound();
    // Inside a message that was half passed the end of the stream says it.
    if (this.ended !== undefined && !this.midFrame) this.#core.toTarget.add(this.ended);
    this.#core.client = Client.closed;
  }

  /** The server has part of a message and waits for the rest of it: nothing else may be sent. */
  get midFrame(): boolean {
    return this.#sent && this.frames.midFrame;
  }

  /** INVARIANT: the server gets the whole of a message or nothing of it, whatever it says meanwhile. */
  #part(buffer: Buffer, start: number, end: number): void {
    if (this.#sent) this.#core.toTarget.slice(buffer, start, end);
  }

  /** Data of a COPY. */
  #copyData(buffer: Buffer, start: number, end: number): void {
    if (this.#core.client === Client.copying) this.#core.toTarget.slice(buffer, start, end);
  }

  #frame(buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const type = buffer[start]!;
    const state = core.client;
    const next = afterFront(state, type);
    if (next === 0) throw peerError('not_supported', `the client sent ${frontName(type)}, which is not supported here`);
    if ((type === Front.Flush || type === Front.Sync) && end - start !== HEADER) this.#notEmpty(type, end - start);
    if (type === Front.CopyData) this.#copyData(buffer, start, end);
    else if (type === Front.Terminate) this.#terminate(buffer, start, end);
    else if (state === Client.skipping) this.#skipped(next, buffer, start, end);
    else if (state === Client.copying) this.#copying(type, next, buffer, start, end);
    else this.#request(type, buffer, start, end);
  }

  /** The server fails a Flush with something in it, and ignores what follows up to Sync: an answer to what owes none. */
  #notEmpty(type: number, length: number): void {
    throw peerError('protocol_violation', `${frontName(type)} is malformed: ${length - HEADER} bytes are left over`);
  }

  #terminate(buffer: Buffer, start: number, end: number): void {
    this.#core.noteBound();
    this.#core.client = Client.closed;
    this.#core.toTarget.slice(buffer, start, end);
  }

  /** The server is known to ignore everything but Sync: what it would ignore is not sent, so nothing has to be decided. */
  #skipped(next: Client, buffer: Buffer, start: number, end: number): void {
    if (next === Client.skipping) return;
    this.#core.client = next;
    this.#sync(buffer, start, end);
  }

  /**
   * While the server reads a COPY it ignores Sync and Flush: not sent, so that no answer is ever expected for one.
   * Any other request makes it fail the COPY; CopyFail does that without the request being lost in the middle of it.
   */
  #copying(type: number, next: Client, buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    if (next === Client.copying) return;
    core.client = next;
    const head = core.queue.head;
    if (type === Front.CopyDone || type === Front.CopyFail) {
      core.toTarget.slice(buffer, start, end);
      if (mayCopyAgain(head)) core.waiting = { for: 'answers' };
      return;
    }
    if (head !== undefined) {
      const message = `unexpected message type 0x${type.toString(16)} during COPY from stdin`;
      head.refusal = { severity: 'ERROR', code: '08P01', message };
      core.abandon(head.running, 'cancelled');
    }
    core.toTarget.add(copyFail('another request was sent'));
    core.waiting = { for: 'answers' };
    this.frames.unread();
  }

  #request(type: number, buffer: Buffer, start: number, end: number): void {
    if (type === Front.Query || type === Front.FunctionCall) this.#core.noteBound();
    switch (type) {
      case Front.Query: {
        const text = queryText(buffer, start, end);
        if (!this.decider.query(text, buffer, start, end)) this.#answersFirst();
        return;
      }
      case Front.Parse:
        if (!this.decider.parse(decodeParse(buffer, start, end), buffer, start, end)) this.#answersFirst();
        return;
      case Front.Bind:
        this.#bind(buffer, start, end);
        return;
      case Front.Describe:
        this.#describe(buffer, start, end);
        return;
      case Front.Execute:
        this.#execute(buffer, start, end);
        return;
      case Front.Close:
        this.#close(buffer, start, end);
        return;
      case Front.Sync:
        this.#sync(buffer, start, end);
        return;
      case Front.FunctionCall: {
        const { oid, params, marks, from, format } = decodeFunctionCall(buffer, start, end);
        const bound = { params, marks, exact: this.#exact(buffer, from, end) };
        if (!this.decider.functionCall(oid, format, bound, buffer, start, end)) this.#answersFirst();
        return;
      }
      case Front.Flush:
        this.#core.toTarget.slice(buffer, start, end);
        return;
      default:
      // The end of a COPY that is no more: the server would ignore it.
    }
  }

  /** The message in hand is looked at again once everything sent is answered; Flush, so that it will be. */
  #answersFirst(): void {
    this.frames.unread();
    this.#core.waiting = { for: 'answers' };
    this.#core.toTarget.add(FLUSH);
  }

  #sync(buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    core.noteBound();
    core.batch++;
    const entry = new Expected(Target.sync);
    entry.unfailed = core.unfailed;
    core.unfailed = false;
    core.push(entry);
    core.toTarget.slice(buffer, start, end);
    core.wholeBatches = core.toTarget.length;
  }

  #bind(buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const { portal: name, statement: of, params, marks, from, formats } = decodeBind(buffer, start, end);
    const statement = this.decider.statement(of);
    if (statement === AMBIGUOUS) {
      this.#answersFirst();
      return;
    }
    const entry = new Expected(Target.bind);
    entry.bytes = end - start;
    entry.ofPortal = true;
    entry.name = name;
    entry.portal = {
      statement: statement ?? unseen('a prepared statement', of),
      bound: { params, marks, exact: this.#exact(buffer, from, end) },
      size: end - start,
      formats,
      hold: false,
      described: false,
      description: undefined,
      fields: undefined,
      running: undefined,
    };
    core.portals.send(name, entry.portal, core.batch, entry);
    core.bound.add(entry.portal);
    if (core.bound.size > MAX_BOUND) core.noteBound();
    core.checkNames();
    core.push(entry);
    core.toTarget.slice(buffer, start, end);
  }

  /** What an approval is for beside what is shown; where nothing is held, nobody asks. */
  #exact(buffer: Buffer, from: number, end: number): string {
    return this.#core.guarded ? hash('sha256', buffer.subarray(from, end), 'hex') : '';
  }

  #describe(buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const { portal, name } = decodeNamed(buffer, start, end, 'Describe');
    const entry = new Expected(portal ? Target.describe : Target.describeStatement);
    entry.described = name;
    if (portal) {
      const found = this.decider.portal(name);
      if (found === AMBIGUOUS) {
        this.#answersFirst();
        return;
      }
      if (found !== undefined) found.described = true;
      entry.portal = found;
    } else {
      const found = this.decider.statement(name);
      if (found !== AMBIGUOUS) entry.describes = found;
    }
    core.push(entry);
    core.toTarget.slice(buffer, start, end);
  }

  #execute(buffer: Buffer, start: number, end: number): void {
    const name = executePortal(buffer, start, end);
    const found = this.decider.portal(name);
    if (found === AMBIGUOUS) {
      this.#answersFirst();
      return;
    }
    const portal: Portal = found ?? {
      statement: unseen('a portal', name),
      bound: NOTHING_BOUND,
      formats: [],
      hold: false,
      described: false,
      description: undefined,
      fields: undefined,
      running: undefined,
    };
    if (!this.decider.execute(name, portal, buffer, start, end)) this.#answersFirst();
  }

  #close(buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const { portal, name } = decodeNamed(buffer, start, end, 'Close');
    const entry = new Expected(Target.close);
    entry.name = name;
    entry.ofPortal = portal;
    (portal ? core.portals : core.statements).send(name, undefined, core.batch, entry);
    core.push(entry);
    core.toTarget.slice(buffer, start, end);
  }
}

/** What is left of a text may read a COPY too, and would take the requests behind this one for a part of it. */
function mayCopyAgain(head: Expected | undefined): boolean {
  const running = head?.running;
  if (running === undefined || running.portal !== undefined) return false;
  return running.unread !== undefined || running.part + 1 < running.analysis.statements.length;
}
