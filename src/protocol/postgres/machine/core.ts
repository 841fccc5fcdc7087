// What both sides of one conversation share: the queue, the names, the output of this turn, who has to wait.
// Refuses to know: how a message looks, what is legal.

import type { HoopctlError } from '../../../core/errors.ts';
import { limitExceeded } from '../../../core/limits.ts';
import type { Hold, OperationId, Outcome, Refusal, Session, SessionEnd } from '../../contract.ts';
import { Output } from '../../wire/output.ts';
import type { Analyser, Analysis, ColumnPlanner, ValueMasker } from '../analysis.ts';
import type { Limits } from '../limits.ts';
import type { Notice } from '../wire/notice.ts';
import { type Expected, type Portal, Queue, type Running, type Statement } from './expected.ts';
import { Names } from './names.ts';
import { overspent } from './refusal.ts';
import { Client, Target } from './states.ts';

export interface MachineOptions {
  readonly session: Session;
  readonly analyser: Analyser;
  readonly masker: ValueMasker;
  /** Needed where the session masks anything, or has rules that ask for what is reached. */
  readonly planner: ColumnPlanner | undefined;
  readonly limits: Limits;
  readonly allowFunctionCall: boolean;
  /** Unqualified names resolve at the start as they do by default: no search_path or role among the startup parameters. */
  readonly namesPinned: boolean;
  /** Something that was waited for is here: call `pump` and take the output. */
  readonly wake: () => void;
  /** Cancels at the server what runs; resolves when the server has been told. Left out: it runs to its end. */
  readonly cancel?: () => Promise<void>;
}

/** Requests that may run something. Bind plans, which may call functions. */
const RUNS: ReadonlySet<Target> = new Set([Target.query, Target.bind, Target.execute, Target.functionCall]);

/** Requests that belong to a batch which Sync ends. */
const EXTENDED: ReadonlySet<Target> = new Set([
  Target.parse,
  Target.bind,
  Target.describe,
  Target.describeStatement,
  Target.execute,
  Target.close,
]);

/** Why the client is not read on. */
export type Waiting =
  | { readonly for: 'review'; readonly hold: Hold }
  /** The catalogue is being read. */
  | { readonly for: 'plan'; readonly running: Running | undefined }
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
  /** Something of an extended query was asked for since the last Sync. */
  unsynced = false;
  /** Some of that is at the server: its clock of statement_timeout may run. */
  exposed = false;
  /** Those on record that came while nothing ran. */
  notices = 0;
  /** Bound and not executed yet. */
  readonly bound = new Set<Portal>();
  /** Counts the Syncs sent. */
  batch = 0;
  client: Client = Client.ready;
  /** The client's side waits; set by client.ts, undone by whoever brings the answer. */
  waiting: Waiting | undefined;
  /** A cancel of ours is on its way: nothing more of the client is looked at before the server has it. */
  cancelling = false;
  /** The target's side waits for a plan. */
  targetWaits = false;
  /** An operation was decided since the driver last asked: what is in `toTarget` has to be recorded first. */
  decided = false;
  namesPinned: boolean;
  pathPinned: boolean;
  /**
   * What ran so far has told what it set: the server does so before ReadyForQuery. INVARIANT: false from when something
   * that may run is sent until the ReadyForQuery behind it.
   */
  settled = true;
  /** Counts the times that masks became stricter: those decided before count no more. */
  masksEpoch = 0;
  /** DDL was answered in a transaction that is not over. */
  ddlOpen = false;
  ended: SessionEnd | undefined;
  /** The next Sync is the one behind an error that the server does not know of. */
  unfailed = false;
  /** Whose time counts now. */
  #clocked: Running | undefined;
  /** Others are told that DDL of this session is under way. */
  #unsettled = false;
  /** What goes on when something that was waited for is here; run by the machine, inside its guard. */
  continuations: (() => void)[] = [];

  constructor(options: MachineOptions) {
    this.options = options;
    this.session = options.session;
    this.masked = options.session.masking.columns || options.session.masking.values;
    this.guarded = options.session.ruled || this.masked;
    this.namesPinned = options.namesPinned;
    this.session.onTimeUp?.((id, refusal) => this.timeUp(id, refusal));
    this.pathPinned = options.namesPinned;
    this.session.onStricter?.(() => {
      this.masksEpoch++;
    });
  }

  /** The catalogue may not show yet what this session's own transaction has changed. */
  get ddlPending(): boolean {
    return this.ddlOpen || this.queue.ddl > 0;
  }

  /** Whether a text touches nothing that masks are about, so that what comes of it is nobody's secret. */
  bare(text: string): boolean {
    const { planner, session } = this.options;
    return this.masked && planner?.coveredNow?.(session.covering, text) === false;
  }

  push(entry: Expected): void {
    if (RUNS.has(entry.state)) this.settled = false;
    if (EXTENDED.has(entry.state)) this.unsynced = true;
    else this.exposed = this.unsynced = false;
    this.queue.push(entry);
    if (!entry.ddl || this.#unsettled) return;
    this.#unsettled = true;
    this.options.planner?.unsettle?.();
  }

  /** Something that was waited for is here: `then` runs unless the conversation is over. */
  resume(then: () => void): void {
    if (this.ended !== undefined) return;
    this.continuations.push(then);
    this.options.wake();
  }

  /**
   * Bind plans, and planning runs functions that are IMMUTABLE: what was bound and never executed is on record before
   * anything of it can be committed.
   */
  noteBound(): void {
    if (this.bound.size === 0) return;
    for (const { statement, bound } of this.bound) {
      this.session.note('bound', { text: statement.text, params: JSON.stringify(bound.params) });
    }
    this.bound.clear();
    this.decided = true;
  }

  /** Whether a text refers to something whose definition is on its way to the server and not answered yet. */
  awaits({ statements }: Analysis): boolean {
    if (this.queue.length === 0) return false;
    if (this.queue.statementDefinitions + this.queue.portalDefinitions > 0) return true;
    return statements.some(({ execute, fetch, moves }) => {
      const cursor = fetch ?? moves;
      return (execute && this.statements.awaits(execute.name)) || (cursor && this.portals.awaits(cursor.name));
    });
  }

  /** Bounded memory for names: they live as long as the client likes. */
  checkNames(): void {
    const { prepared, preparedBytes } = this.options.limits;
    const count = this.statements.size + this.portals.size;
    if (count > prepared.value) throw limitExceeded(prepared, count);
    const bytes = this.statements.bytes + this.portals.bytes;
    if (bytes > preparedBytes.value) throw limitExceeded(preparedBytes, bytes);
  }

  /** The portals of a transaction are gone, but for held ones that it committed; a suspended one has its outcome now. */
  closePortals(committed: boolean): void {
    this.portals.remove((portal) => {
      if (portal.hold && committed) portal.kept = true;
      if (portal.kept === true) return false;
      this.finishPortal(portal);
      return true;
    });
  }

  /** DDL that was sent is answered, and its transaction is over. `lost`: or nobody will tell. */
  settle(lost: boolean): void {
    if (!this.#unsettled) return;
    this.#unsettled = false;
    if (lost) this.options.planner?.invalidate();
    this.options.planner?.settle?.(lost);
  }

  /** It is closed, or all are; a suspended one has its outcome now. */
  forgetPortal(name: string | undefined): void {
    if (name === undefined) {
      this.portals.remove((portal) => {
        this.finishPortal(portal);
        return true;
      });
    } else {
      this.finishPortal(this.portals.get(name));
      this.portals.forget(name);
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
    error?: Outcome['error'],
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
    if (running.cut === undefined) {
      const refusal = this.session.spend?.(running.id, rows, bytes);
      if (refusal === undefined) return true;
      this.cut(running, overspent(refusal));
    }
    running.withheld = true;
    return false;
  }

  /**
   * Nothing more of this result is sent, and this is said for it. The client's side waits until the cancel has reached the
   * server: it must not meet a later statement.
   */
  cut(running: Running, notice: Notice): void {
    running.cut = notice;
    const cancelled = this.options.cancel?.();
    if (cancelled === undefined) return;
    this.cancelling = true;
    void cancelled.then(() =>
      this.resume(() => {
        this.cancelling = false;
      }),
    );
  }

  /** The server works on what is at the head of the queue: the time of everything else stands still. */
  clock(): void {
    if (this.#clocked === undefined && this.session.metering !== true) return;
    const running = this.queue.head?.running;
    if (running === this.#clocked) return;
    if (this.#clocked !== undefined) this.session.runs?.(this.#clocked.id, false);
    this.#clocked = running?.over === true ? undefined : running;
    if (this.#clocked !== undefined) this.session.runs?.(this.#clocked.id, true);
  }

  /** Time is over for what runs: the server is told to stop it. */
  timeUp(id: OperationId, refusal: Refusal): void {
    this.resume(() => {
      const running = this.queue.head?.running;
      if (running?.id === id && running.cut === undefined) this.cut(running, overspent(refusal));
    });
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
    // What the server has not answered it may still carry out; an open transaction alone it rolls back.
    this.settle(this.queue.length > 0);
    this.ended ??= { code: reason.code, message: reason.message };
    this.client = Client.closed;
  }
}
