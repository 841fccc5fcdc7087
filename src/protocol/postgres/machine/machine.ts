// One conversation after the login, as a machine with no I/O: bytes of both sides in, bytes for both sides out, questions
// to the session in between. Refuses to know: sockets, clocks, files, who decides.

import { asHoopctlError, HoopctlError } from '../../../core/errors.ts';
import type { SessionEnd } from '../../contract.ts';
import type { Output } from '../../wire/output.ts';
import { fatalNotice } from '../sqlstate.ts';
import { errorResponse } from '../wire/notice.ts';
import { ClientSide } from './client.ts';
import { Core, type MachineOptions } from './core.ts';
import { Client, Target, targetName } from './states.ts';
import { TargetSide } from './target.ts';

export class Machine {
  readonly #core: Core;
  readonly #client: ClientSide;
  readonly #target: TargetSide;
  /** The fault of ours that ended it, for the log. */
  failure: HoopctlError | undefined;
  /** Something may have been running at the server when it ended. */
  interrupted = false;

  constructor(options: MachineOptions) {
    this.#core = new Core(options);
    this.#target = new TargetSide(this.#core);
    this.#client = new ClientSide(this.#core, this.#target);
  }

  /** What to write to either side; taken by the driver after every call. */
  get toClient(): Output {
    return this.#core.toClient;
  }

  get toTarget(): Output {
    return this.#core.toTarget;
  }

  /** Why it is over; undefined while it is not. */
  get ended(): SessionEnd | undefined {
    return this.#core.ended;
  }

  /** The client said Terminate (or it is over): nothing more is taken from it. */
  get clientDone(): boolean {
    return this.#core.client === Client.closed;
  }

  /** The client has to wait and has sent a lot: do not read on. */
  get clientFull(): boolean {
    const core = this.#core;
    return (
      (core.waiting !== undefined || core.cancelling) && this.#client.frames.pending > core.options.limits.waiting.value
    );
  }

  /**
   * What is to be written to the target now. While a statement is held for a review, what belongs to it (Parse, Bind) stays
   * here: it would start the server's clock of `statement_timeout`, and the wait is not the statement's.
   */
  takeForTarget(): Buffer | undefined {
    const core = this.#core;
    const withheld = core.waiting?.for === 'review' && core.client !== Client.closed && !core.exposed;
    if (!withheld) core.exposed = core.unsynced;
    const bytes = core.toTarget.take(withheld ? core.wholeBatches : undefined);
    core.wholeBatches = 0;
    return bytes;
  }

  get targetWaits(): boolean {
    return this.#core.targetWaits;
  }

  /** The server owes answers: something of this client may be running there. */
  get busy(): boolean {
    return this.#core.queue.length > 0;
  }

  /** The name of the state of what the server owes next, for tests and for people. */
  get expecting(): string {
    const { head } = this.#core.queue;
    return head?.refusal === undefined ? targetName(head?.state ?? Target.idle) : 'refused';
  }

  /** The server has said goodbye with an error of its own. */
  get farewell(): boolean {
    return this.#target.fatal;
  }

  /** Part of a client's message was passed and the rest was not. */
  get clientMidFrame(): boolean {
    return this.#client.midFrame;
  }

  /**
   * The client will send no more: `terminate` for it, behind what it has sent. What it sent behind a statement that is
   * held for a review goes nowhere.
   */
  hangUp(terminate: Buffer): void {
    const core = this.#core;
    if (core.client === Client.closed) return;
    this.#client.ended = terminate;
    if (core.waiting?.for === 'answers') return;
    if (core.waiting !== undefined) this.#client.hangUp();
    else this.pump();
  }

  /** Whether an operation was decided since the last call: then `toTarget` may be written only from `recorded`. */
  takeDecided(): boolean {
    const { decided } = this.#core;
    this.#core.decided = false;
    return decided;
  }

  fromClient(chunk: Buffer): void {
    if (this.clientDone) return;
    this.#client.frames.push(chunk);
    try {
      this.#client.pump();
      this.#core.clock();
    } catch (thrown) {
      this.end(asHoopctlError(thrown));
    }
  }

  fromTarget(chunk: Buffer): void {
    if (this.#core.ended !== undefined) return;
    this.#target.frames.push(chunk);
    this.pump();
  }

  /** Goes on with what is in hand, after a wait or an answer. */
  pump(): void {
    try {
      const { continuations } = this.#core;
      if (continuations.length > 0) {
        this.#core.continuations = [];
        for (const go of continuations) go();
      }
      this.#target.pump();
      // The answers may be what the client's side waited for, and its next requests may be at hand.
      const more = this.#client.frames.pending > 0 || this.#client.ended !== undefined;
      if (this.#core.waiting === undefined && more) this.#client.pump();
      this.#core.clock();
    } catch (thrown) {
      this.end(asHoopctlError(thrown));
    }
  }

  /** CancelRequest or the client's hang-up. True: a review was waited for, and is cancelled; false: nothing was held. */
  cancel(why: string): boolean {
    const { waiting } = this.#core;
    if (waiting?.for !== 'review') return false;
    waiting.hold.cancel(why);
    return true;
  }

  /** Ends it: the client is told at once where a message may stand. What was not answered has an unknown outcome. */
  end(cause: SessionEnd | HoopctlError, tell = true): void {
    const core = this.#core;
    if (core.ended !== undefined) return;
    let reason = cause;
    if (cause instanceof HoopctlError && cause.code === 'internal') {
      // A fault of ours: its text may hold anything, also a value that is masked.
      this.failure = cause;
      reason = { code: 'internal', message: 'the gateway failed in this session' };
    }
    this.interrupted = this.busy;
    core.end(reason);
    core.toTarget.clear();
    try {
      if (core.waiting?.for === 'review') core.waiting.hold.cancel(reason.message);
      // It was decided and never sent.
      if (core.waiting?.for === 'plan') core.abandon(core.waiting.running, 'cancelled');
      for (let entry = core.queue.shift(); entry !== undefined; entry = core.queue.shift()) {
        core.abandon(entry.running, 'unknown');
      }
      // Whoever left in the middle of a portal has got its rows so far.
      core.closePortals(false);
    } catch (thrown) {
      // It may be the session itself that fails; the end is told all the same.
      this.failure ??= asHoopctlError(thrown);
    }
    const fix = reason instanceof HoopctlError ? reason.fix : undefined;
    // In the middle of a message nothing can be told: the client sees the connection break.
    if (!tell || this.#target.frames.midFrame) return;
    core.toClient.add(errorResponse(fatalNotice({ code: reason.code, message: reason.message, fix }, core.session.id)));
  }
}
