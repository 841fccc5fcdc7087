// What the server still owes: one entry a request, in the order in which the server reads them. This queue is what pairs
// 50 pipelined statements with 50 outcomes. Refuses to know: bytes.

import type { Mask, OperationId, ResultColumn } from '../../contract.ts';
import type { Analysis, CopyMasker, Field, Mark } from '../analysis.ts';
import type { Values } from '../wire/frontend.ts';
import type { Notice } from '../wire/notice.ts';
import { Target } from './states.ts';

/** Where rows of one part come from, for the planner; undefined analysis: not known. */
export interface Source {
  readonly analysis: Analysis | undefined;
  readonly part: number;
  /** Of a cursor: what its names meant when it was declared. */
  readonly since?: Mark | undefined;
  /** What a FETCH or a MOVE begins, which nobody has decided yet. */
  readonly begins?: Analysis | undefined;
}

const NO_FORMATS: readonly number[] = [];

/** The values of a portal, or of a function called by its number. */
export interface Bound extends Values {
  /** Guarded sessions: a digest of all that came with them, formats too. */
  readonly exact: string;
}

export const NOTHING_BOUND: Bound = { params: [], marks: undefined, exact: '' };

/** Tags that are told of a text that could not be read. */
const TOLD = 10;

/** What a text has run so far of which it is not known how many statements it has: they have one outcome. */
export class Unread {
  rows = 0;
  #before = 0;
  #count = 0;
  #tags = '';

  /** @param counted by the tag. @param sent rows of the whole text so far. */
  complete(tag: string, counted: number | undefined, sent: number): void {
    this.rows += counted ?? sent - this.#before;
    this.#before = sent;
    this.#count++;
    if (this.#count <= TOLD) this.#tags += this.#count === 1 ? tag : `; ${tag}`;
  }

  get tag(): string {
    return this.#count > TOLD ? `${this.#tags}; and ${this.#count - TOLD} more` : this.#tags;
  }
}

/** A decided operation while its results come: of a Query as a whole, or of a portal over all its Executes. */
export class Running {
  readonly id: OperationId;
  readonly analysis: Analysis;
  /** Per part, where it differs from the operation's own analysis (EXECUTE, FETCH). */
  readonly sources: readonly Source[] | undefined;
  /** Result formats as in Bind; of a Query those of the rows that come. */
  formats: readonly number[];
  /** Whose it is, in the extended query. */
  readonly portal: Portal | undefined;
  part = 0;
  rows = 0;
  bytes = 0;
  /** Rows of this part are decoded for the recording. */
  wanted = true;
  /** The RowDescription of the rows that come, as it came, for their names in the recording. */
  description: Buffer | undefined;
  /** The version of the policy that decided it. */
  readonly policy: string | undefined;
  /** Masked sessions: the fields of the rows that come. */
  fields: readonly Field[] | undefined;
  /** Masked sessions: decided masks for `fields`; undefined before. */
  masks: readonly (Mask | null)[] | undefined;
  /** Of `masks`: Core.masksEpoch when they were decided. */
  masksEpoch = 0;
  /** A budget counts values of these rows. */
  counting = false;
  /** Whether any mask is set: false lets rows pass as they are. */
  masking = false;
  /** Masked sessions: nothing that it touches is covered by a mask, so that it is none of theirs. */
  bare = false;
  /** Masked sessions: what its names meant when it was sent. */
  mark: Mark | undefined;
  /** Columns of each COPY … TO STDOUT part, planned before it was sent. */
  copyColumns: Map<number, readonly ResultColumn[]> | undefined;
  copy: CopyMasker | undefined;
  /** The recording has no room for the row of a COPY that was last looked at. */
  unkept = false;
  /** Notices on record that came with it. */
  notices = 0;
  /** A budget ends its result here: nothing more of it is sent, and this is said for it. */
  cut: Notice | undefined;
  /** Something of it was not sent because of that. */
  withheld = false;
  /** Its portal was not read to the end at once. */
  suspended = false;
  /** Its text could not be read. */
  readonly unread: Unread | undefined;
  /** The last outcome has been told. */
  over = false;

  constructor(
    id: OperationId,
    analysis: Analysis,
    sources: readonly Source[] | undefined,
    portal: Portal | undefined,
    policy?: string,
  ) {
    this.id = id;
    this.policy = policy;
    this.analysis = analysis;
    this.sources = sources;
    this.portal = portal;
    this.formats = portal?.formats ?? NO_FORMATS;
    this.unread = analysis.error === undefined || portal !== undefined ? undefined : new Unread();
  }

  /** On to the next part of a Query. */
  nextPart(): void {
    this.part++;
    this.rows = 0;
    this.bytes = 0;
    this.wanted = true;
    this.description = undefined;
    this.fields = undefined;
    this.masks = undefined;
    this.masking = false;
    this.copy = undefined;
  }

  source(): Source {
    return this.sources?.[this.part] ?? { analysis: this.analysis, part: this.part };
  }
}

export interface Statement {
  readonly analysis: Analysis;
  readonly text: string;
  /** Where it is not UTF-8: `Operation.bytes`. */
  readonly bytes?: string | undefined;
  /** Declared types of its parameters, as in Parse. */
  readonly types: readonly number[];
  /** Bytes of the message that it came in, and of what is kept of its description. */
  size?: number;
  /** RowDescription as it came, where the client asked for it: who describes statements need not describe portals. */
  description?: Buffer;
}

export interface Portal {
  readonly statement: Statement;
  readonly bound: Bound;
  /** Bytes of the message that it came in, and of what is kept of its description. */
  size?: number;
  readonly formats: readonly number[];
  /** Survives the transaction (WITH HOLD), if that is committed. */
  readonly hold: boolean;
  /** It was committed. */
  kept?: boolean;
  /** Of a cursor: what its names meant when it was declared. */
  readonly since?: Mark | undefined;
  /** Of a cursor: the version of the policy that decided what declares it. */
  readonly policy?: string | undefined;
  /** A Describe of it was sent, by the client or by us: its fields will be known before its rows. */
  described: boolean;
  /** RowDescription as it came. */
  description: Buffer | undefined;
  fields: readonly Field[] | undefined;
  /** Set once an Execute of it was decided and sent. */
  running: Running | undefined;
}

export class Expected {
  state: Target;
  /** Query, Execute, FunctionCall. */
  running: Running | undefined;
  /** Bind, Describe portal, Execute. */
  portal: Portal | undefined;
  /** Parse, Bind, Close: what the answer confirms. */
  name: string | undefined;
  statement: Statement | undefined;
  /** Describe of a statement: which, where that is certain. */
  describes: Statement | undefined;
  /** Describe: of what. */
  described = '';
  /** Parse, Bind: of the message, as much as is kept of it. */
  bytes = 0;
  /** Close: of a portal. */
  ofPortal = false;
  /** Sent by us, or behind an error that was told: its answer is not the client's. */
  swallow = false;
  /** Its ReadyForQuery is not the client's yet: what was told as an error must fail its transaction first. */
  unfailed = false;
  /** The request was refused: what was sent instead fails in the server, and this is said for it. */
  refusal: Notice | undefined;
  /** What was refused could not be read: the server was asked to (`sent`), and could (`read`). Else its error is the answer. */
  trial: 'sent' | 'read' | undefined;
  /** It may define or remove prepared statements, portals, at the level of SQL. */
  definesStatements = false;
  definesPortals = false;
  /** It can change what the catalogue says. */
  ddl = false;

  constructor(state: Target) {
    this.state = state;
  }

  /** A Describe of ours, whose answer is not the client's. */
  static describing(portal: Portal, running: Running, name: string): Expected {
    const entry = new Expected(Target.describe);
    entry.described = name;
    entry.portal = portal;
    entry.running = running;
    entry.swallow = true;
    return entry;
  }
}

/** First in, first out, without moving what is left at every step. */
export class Queue {
  #entries: Expected[] = [];
  #head = 0;
  statementDefinitions = 0;
  portalDefinitions = 0;
  ddl = 0;
  /** Of the texts and values in it. */
  bytes = 0;

  get head(): Expected | undefined {
    return this.#entries[this.#head];
  }

  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** Whether anything that runs is not answered yet. */
  get running(): boolean {
    return this.#entries.some((entry, i) => i >= this.#head && entry.running !== undefined);
  }

  /** What is behind the head, in order. */
  behind(): readonly Expected[] {
    return this.#entries.slice(this.#head + 1);
  }

  push(entry: Expected): void {
    if (entry.definesStatements) this.statementDefinitions++;
    if (entry.definesPortals) this.portalDefinitions++;
    if (entry.ddl) this.ddl++;
    this.bytes += entry.bytes;
    this.#entries.push(entry);
  }

  shift(): Expected | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    if (entry.definesStatements) this.statementDefinitions--;
    if (entry.definesPortals) this.portalDefinitions--;
    if (entry.ddl) this.ddl--;
    this.bytes -= entry.bytes;
    this.#head++;
    if (this.#head === this.#entries.length) {
      // The usual case is one request at a time: popping keeps the array's storage.
      if (this.#head === 1) this.#entries.pop();
      else this.#entries = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }
}
