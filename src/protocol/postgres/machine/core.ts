// What both sides of one conversation share: the queue, the names, the output of this turn, who has to wait.
// Refuses to know: how a message looks, what is legal.

import type { HoopctlError } from '../../../core/errors.ts';
import { limitExceeded } from '../../../core/limits.ts';
import type { Hold, Session, SessionEnd } from '../../contract.ts';
import { Output } from '../../wire/output.ts';
import type { Analyser, ColumnPlanner, ValueMasker } from '../analysis.ts';
import type { Limits } from '../limits.ts';
import { type Expected, type Portal, Queue, type Running, type Statement } from './expected.ts';
import { Names } from './names.ts';
import { refusalNotice } from './refusal.ts';
import { Client, Target } from './states.ts';

export interface MachineOptions {
  readonly session: Session;
  readonly analyser: Analyser;
  readonly masker: ValueMasker;
  /** Needed where the session masks anything. */
  readonly planner: ColumnPlanner | undefined;
  readonly limits: Limits;
  readonly allowFunctionCall: boolean;
  /** Unqualified names resolve at the start as they do by default: no search_path or role among the startup parameters. */
  readonly namesPinned: boolean;
  /** Something that was waited for is here: call `pump` and take the output. */
  readonly wake: () => void;
  /** Cancels at the server what runs; left out: it runs to its end. */
  readonly cancel?: () => void;
}

/** Requests that may run something. Bind plans, which may call functions. */
const RUNS: ReadonlySet<Target> = new Set([Target.query, Target.bind, Target.execute, Target.functionCall]);

/** Why the client is not read on. */
export type Waiting =
  | { readonly for: 'review'; readonly hold: Hold }
  /** The catalogue is being read, for masks. */
  | { readonly for: 'plan' }
  /** What was sent has to be answered first. */
  | { readonly for: 'answers' };

export class Core {
  readonly options: MachineOptions;
  readonly session: Session;
  readonly guarded: boolean;
  readonly masked: boolean;
  readonly toClient = new Output();
  readonly toTarget = new Output();
  readonly queue = new Queue();
  readonly statements = new Names<Statement>();
  readonly portals = new Names<Portal>();
  /** How much of `toTarget`, from its beginning, ends with a Sync or a Query: nothing behind it is needed for its answers. */
  wholeBatches = 0;
  /** Counts the Syncs sent. */
  batch = 0;
  client: Client = Client.ready;
  /** The client's side waits; set by client.ts, undone by whoever brings the answer. */
  waiting: Waiting | undefined;
  /** The target's side waits for a plan. */
  targetWaits = false;
  /** An operation was decided since the driver last asked: what is in `toTarget` has to be recorded first. */
  decided = false;
  namesPinned: boolean;
  /**
   * What ran so far has told what it set: the server does so before ReadyForQuery. INVARIANT: false from when something
   * that may run is sent until the ReadyForQuery behind it.
   */
  settled = true;
  /** DDL was answered in a transaction that is not over. */
  ddlOpen = false;
  ended: SessionEnd | undefined;
  /** What goes on when something that was waited for is here; run by the machine, inside its guard. */
  continuations: (() => void)[] = [];

  constructor(options: MachineOptions) {
    this.options = options;
    this.session = options.session;
    this.masked = options.session.masking.columns || options.session.masking.values;
    this.guarded = options.session.ruled || this.masked;
    this.namesPinned = options.namesPinned;
  }

  /** The catalogue may not show yet what this session's own transaction has changed. */
  get ddlPending(): boolean {
    return this.ddlOpen || this.queue.ddl > 0;
  }

  push(entry: Expected): void {
    if (RUNS.has(entry.state)) this.settled = false;
    this.queue.push(entry);
  }

  /** Something that was waited for is here: `then` runs unless the conversation is over. */
  resume(then: () => void): void {
    if (this.ended !== undefined) return;
    this.continuations.push(then);
    this.options.wake();
  }

  /** Bounded memory for names: they live as long as the client likes. */
  checkNames(): void {
    const bound = this.options.limits.prepared;
    const count = this.statements.size + this.portals.size;
    if (count > bound.value) throw limitExceeded(bound, count);
  }

  /** The portals of a transaction are gone; a suspended one has its outcome now. */
  closePortals(all: boolean): void {
    if (this.portals.known.size === 0) return;
    for (const [name, portal] of this.portals.known) {
      if (portal.hold && !all) continue;
      this.finishPortal(portal);
      this.portals.known.delete(name);
    }
  }

  finishPortal(portal: Portal | undefined): void {
    const running = portal?.running;
    if (running === undefined || running.over) return;
    this.outcome(running, 'ok', 'PORTAL CLOSED');
  }

  /** The outcome of the part that runs. */
  outcome(
    running: Running,
    status: 'ok' | 'error' | 'cancelled' | 'unknown',
    tag?: string,
    rows: number = running.rows,
    error?: { code: string; message: string },
  ): void {
    this.session.result(running.id, { part: running.part, status, tag, rows, bytes: running.bytes, error });
    if (running.part + 1 < running.analysis.statements.length) return;
    running.over = true;
    this.session.over?.(running.id);
  }

  /**
   * Whether a result may go on with so much more. Otherwise nothing more of it is sent, and what ends it at the server
   * (the cancel, or its own end when that was faster) is told as the refusal.
   */
  spend(running: Running, rows: number, bytes: number): boolean {
    if (running.cut !== undefined) return false;
    const refusal = this.session.spend?.(running.id, rows, bytes);
    if (refusal === undefined) return true;
    running.cut = { ...refusalNotice(refusal), code: '53400' };
    this.options.cancel?.();
    return false;
  }

  /** Every part from the one that runs on did not run, or is not known to have. */
  abandon(running: Running | undefined, status: 'cancelled' | 'unknown'): void {
    if (running === undefined || running.over) return;
    while (running.part < running.analysis.statements.length) {
      this.outcome(running, status);
      running.nextPart();
    }
    running.over = true;
    this.session.over?.(running.id);
  }

  end(reason: SessionEnd | HoopctlError): void {
    this.ended ??= { code: reason.code, message: reason.message };
    this.client = Client.closed;
  }
}
