// The recording of one session in its own words: who, what was asked, what was decided, what came of it. FORMAT.md lists
// the lines. Refuses to know: policy, what a protocol is, how lines are written (writer.ts).

import type { Facts, Mask, Operation, OperationId, Outcome, ResultColumn } from '../../protocol/contract.ts';
import type { Principal } from '../identity/principal.ts';
import { encodeFields, FORMAT_VERSION } from './line.ts';
import type { Seal } from './writer.ts';
import { RecordingWriter, type WriterOptions } from './writer.ts';

/** How much of the results is kept, for each operation. */
export interface RowLimits {
  readonly rows: number;
  /** Of the rows' JSON, in UTF-16 units: bytes for ASCII. */
  readonly bytes: number;
}

export const DEFAULT_ROW_LIMITS: RowLimits = { rows: 1000, bytes: 1024 * 1024 };

/** What the first line says. */
export interface Header {
  readonly session: string;
  readonly principal: Principal;
  readonly connection: string;
  readonly protocol: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The client's address and how it came: `tunnel` or `native`. */
  readonly client: string;
  readonly via?: string;
  readonly reason?: string;
  /** The client's label for all sessions of one run of `exec` or `connect`. */
  readonly run?: string;
  readonly policy: string;
  readonly grant?: string;
  /** The gateway's version, for readers in ten years. */
  readonly gateway?: string;
}

/** What was decided, as recorded. */
export interface Decided {
  readonly verdict: 'allow' | 'deny' | 'review';
  readonly rule?: string;
  /** Every rule that matched, where there were more. */
  readonly matched?: readonly string[];
  readonly review?: string;
  /** `allow` only: the review is an earlier one, whose approval still stands. */
  readonly standing?: 'session' | 'time';
  /** A refusal's code and message. */
  readonly code?: string;
  readonly message?: string;
}

/** Facts are shared by the protocol's cache between sessions, and so is their encoding. */
const encodedFacts = new WeakMap<Facts, string>();

/** Operations without an outcome that are remembered; beyond, the oldest loses its duration and its rows. */
const MAX_UNFINISHED = 65_536;

/** Rows wait here until they are this long, or the outcome comes. */
const ROWS_CHARS = 8 * 1024;

interface PartState {
  readonly part: number;
  kept: number;
  pending: string;
  columns: string;
}

interface OperationState {
  readonly started: number;
  /** Parts whose outcome is still to come. */
  left: number;
  rows: number;
  chars: number;
  parts: PartState[] | undefined;
}

export interface RecordingOptions extends WriterOptions {
  readonly limits: RowLimits;
  /** A clock for durations, in ms with fractions. */
  readonly ticks: () => number;
}

export class Recording {
  readonly #writer: RecordingWriter;
  readonly #limits: RowLimits;
  readonly #ticks: () => number;
  readonly #operations = new Map<OperationId, OperationState>();
  #lastColumns: readonly string[] | undefined;
  #lastColumnsJson = '';

  constructor(options: RecordingOptions) {
    this.#writer = new RecordingWriter(options);
    this.#limits = options.limits;
    this.#ticks = options.ticks;
  }

  get bytes(): number {
    return this.#writer.bytes;
  }

  get open(): boolean {
    return this.#writer.open;
  }

  recorded(then: () => void): void {
    this.#writer.recorded(then);
  }

  begin(header: Header): void {
    this.#writer.line('open', encodeFields({ format: FORMAT_VERSION, ...header }));
  }

  /** The policy in force changed under the session. */
  policy(version: string): void {
    this.#writer.line('policy', encodeFields({ version }));
  }

  intent(op: OperationId, operation: Operation, decided: Decided): void {
    let line = `,"op":${op},"how":${JSON.stringify(operation.kind)},"text":${JSON.stringify(operation.text)}`;
    if (operation.params !== undefined) line += `,"params":${JSON.stringify(operation.params)}`;
    line += `,"parts":[${encodeParts(operation.parts)}],"verdict":"${decided.verdict}"`;
    if (decided.rule !== undefined) line += `,"rule":${JSON.stringify(decided.rule)}`;
    if (decided.matched !== undefined && decided.matched.length > 1) {
      line += `,"matched":${JSON.stringify(decided.matched)}`;
    }
    if (decided.review !== undefined) line += `,"review":${JSON.stringify(decided.review)}`;
    if (decided.standing !== undefined) line += `,"standing":"${decided.standing}"`;
    if (decided.code !== undefined) {
      line += `,"code":${JSON.stringify(decided.code)},"message":${JSON.stringify(decided.message)}`;
    }
    this.#writer.line('intent', line);
    if (decided.verdict === 'deny') return;
    const left = Math.max(1, operation.parts.length);
    if (this.#operations.size >= MAX_UNFINISHED) this.#operations.delete(this.#operations.keys().next().value!);
    this.#operations.set(op, { started: this.#ticks(), left, rows: 0, chars: 0, parts: undefined });
  }

  /** How the review of a held operation came out. */
  review(op: OperationId, fields: Readonly<Record<string, unknown>>): void {
    const state = this.#operations.get(op);
    this.#writer.line('review', encodeFields({ op, ...fields }));
    if (state === undefined) return;
    if (fields.state === 'used') this.#operations.set(op, { ...state, started: this.#ticks() });
    else this.#operations.delete(op);
  }

  /** Which columns are masked by what. */
  masks(op: OperationId, part: number, columns: readonly ResultColumn[], masks: readonly (Mask | null)[]): void {
    const list: object[] = [];
    for (const [index, mask] of masks.entries()) {
      if (mask !== null) list.push({ index, column: columns[index]?.name, mask: mask.name, by: mask.by });
    }
    if (list.length > 0) this.#writer.line('masks', encodeFields({ op, part, columns: list }));
  }

  /** The names of a result's columns; kept with its rows. */
  columns(op: OperationId, part: number, names: readonly string[]): void {
    const state = this.#operations.get(op);
    if (state === undefined || this.#limits.rows === 0) return;
    if (names !== this.#lastColumns) {
      this.#lastColumns = names;
      this.#lastColumnsJson = `,"columns":${JSON.stringify(names)}`;
    }
    partOf(state, part).columns = this.#lastColumnsJson;
  }

  wantsRows(op: OperationId): boolean {
    const state = this.#operations.get(op);
    return state !== undefined && state.rows < this.#limits.rows && state.chars < this.#limits.bytes;
  }

  row(op: OperationId, part: number, values: readonly (string | null)[]): void {
    const state = this.#operations.get(op);
    if (state === undefined || state.rows >= this.#limits.rows || state.chars >= this.#limits.bytes) return;
    const json = JSON.stringify(values);
    if (state.chars + json.length > this.#limits.bytes) {
      // The row that does not fit ends the keeping: what is kept is always a beginning of the result.
      state.chars = this.#limits.bytes;
      return;
    }
    state.rows += 1;
    state.chars += json.length;
    const rows = partOf(state, part);
    rows.kept += 1;
    rows.pending = rows.pending === '' ? json : `${rows.pending},${json}`;
    if (rows.pending.length > ROWS_CHARS) this.#writeRows(op, rows);
  }

  result(op: OperationId, outcome: Outcome): void {
    const state = this.#operations.get(op);
    const rows = state?.parts?.find((one) => one.part === outcome.part);
    let line = `,"op":${op},"part":${outcome.part},"status":"${outcome.status}"`;
    if (outcome.tag !== undefined) line += `,"tag":${JSON.stringify(outcome.tag)}`;
    if (outcome.rows !== undefined) line += `,"rows":${outcome.rows}`;
    if (outcome.bytes !== undefined) line += `,"bytes":${outcome.bytes}`;
    if (state !== undefined) line += `,"us":${Math.round((this.#ticks() - state.started) * 1000)}`;
    if (outcome.error !== undefined) line += `,"error":${JSON.stringify(outcome.error)}`;
    if (rows !== undefined) {
      line += `${rows.columns},"kept":${rows.kept}`;
      if (rows.pending !== '') line += `,"values":[${rows.pending}]`;
    }
    this.#writer.line('result', line);
    if (state === undefined) return;
    state.left -= 1;
    if (rows !== undefined) rows.pending = '';
    if (state.left <= 0 || outcome.status !== 'ok') this.#operations.delete(op);
  }

  note(note: string, fields: Readonly<Record<string, string | number | boolean | null>>): void {
    this.#writer.line('note', encodeFields({ note, fields }));
  }

  /** For good: nothing that waits for a write is called any more. */
  halt(): void {
    this.#writer.halt();
  }

  /** The session's end and the seal. Undefined when that could not be written: the salvage does it at the next start. */
  async end(fields: Readonly<Record<string, unknown>>): Promise<Seal | undefined> {
    for (const [op, state] of this.#operations) {
      for (const rows of state.parts ?? []) this.#writeRows(op, rows);
    }
    const unfinished = [...this.#operations.keys()];
    this.#operations.clear();
    if (!this.#writer.open) return this.#writer.closeFailed('the record could not be written');
    this.#writer.line('end', encodeFields({ ...fields, ...(unfinished.length > 0 ? { unfinished } : {}) }));
    const seal = await this.#writer.close();
    return seal ?? this.#writer.closeFailed('the record could not be written');
  }

  #writeRows(op: OperationId, rows: PartState): void {
    if (rows.pending === '') return;
    this.#writer.line('rows', `,"op":${op},"part":${rows.part}${rows.columns},"values":[${rows.pending}]`);
    rows.pending = '';
    rows.columns = '';
  }
}

function partOf(state: OperationState, part: number): PartState {
  state.parts ??= [];
  const last = state.parts.at(-1);
  if (last !== undefined && last.part === part) return last;
  const found = state.parts.find((one) => one.part === part);
  if (found !== undefined) return found;
  const made = { part, kept: 0, pending: '', columns: '' };
  state.parts.push(made);
  return made;
}

function encodeParts(parts: readonly Facts[]): string {
  let out = '';
  for (const facts of parts) {
    let json = encodedFacts.get(facts);
    if (json === undefined) {
      json = encodeFacts(facts);
      encodedFacts.set(facts, json);
    }
    out = out === '' ? json : `${out},${json}`;
  }
  return out;
}

/** What policy saw, shortened: relations as `schema.name` under what was done to them. */
function encodeFacts(facts: Facts): string {
  const name = (use: { schema?: string; name: string }) =>
    use.schema === undefined ? use.name : `${use.schema}.${use.name}`;
  const read = facts.relations.filter((use) => use.read).map(name);
  const written = facts.relations.filter((use) => use.written).map(name);
  return JSON.stringify({
    does: facts.does,
    ...(facts.object === undefined ? {} : { object: facts.object }),
    ...(read.length > 0 ? { read } : {}),
    ...(written.length > 0 ? { written } : {}),
    ...(facts.functions.length > 0 ? { functions: facts.functions } : {}),
    ...(facts.unbounded ? { unbounded: true } : {}),
    ...(facts.opaque === undefined ? {} : { opaque: facts.opaque }),
  });
}
