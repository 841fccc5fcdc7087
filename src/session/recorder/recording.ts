// The recording of one session in its own words: who, what was asked, what was decided, what came of it. FORMAT.md lists
// the lines. Refuses to know: policy, what a protocol is, how lines are written (writer.ts).

import type { Facts, Mask, Operation, OperationId, Outcome, ResultColumn } from '../../protocol/contract.ts';
import type { Principal } from '../identity/principal.ts';
import type { Exemption } from '../policy/types.ts';
import type { EncryptionFields } from './encryption.ts';
import { encodeBytes, encodeFields, FORMAT_VERSION, quoted, quotedAll } from './line.ts';
import { Rest } from './rest.ts';
import { type Durability, type OnFailure, RecordingWriter, type Seal, type WriterOptions } from './writer.ts';

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
  readonly through?: string | undefined;
  readonly policy: string;
  readonly grant?: string;
  /** Masks that do not apply to the principal. */
  readonly exempt?: readonly Exemption[];
  /** The gateway's version, for readers in ten years. */
  readonly gateway?: string;
  /** Where they are not the defaults, `buffered` and `end-session`. */
  readonly durability?: Durability;
  readonly onFailure?: OnFailure;
  /** Where it is. */
  readonly encryption?: EncryptionFields;
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
  /** Rows that were sent and are not kept. */
  rest: Rest | undefined;
}

interface OperationState {
  readonly started: number;
  /** Parts whose outcome is still to come. */
  left: number;
  rows: number;
  chars: number;
  parts: PartState[] | undefined;
  /** What it got and is not kept. */
  input: Rest | undefined;
}

export interface RecordingOptions extends WriterOptions {
  readonly limits: RowLimits;
  /** A clock for durations, in ms with fractions. */
  readonly ticks: () => number;
  /** Nothing more comes of it. */
  readonly ended?: () => void;
}

export class Recording {
  readonly #writer: RecordingWriter;
  readonly #limits: RowLimits;
  readonly #ticks: () => number;
  readonly #ended: (() => void) | undefined;
  readonly #operations = new Map<OperationId, OperationState>();
  #lastColumns: readonly string[] | undefined;
  #lastColumnsJson = '';

  constructor(options: RecordingOptions) {
    this.#writer = new RecordingWriter(options);
    this.#limits = options.limits;
    this.#ticks = options.ticks;
    this.#ended = options.ended;
  }

  get bytes(): number {
    return this.#writer.bytes;
  }

  get open(): boolean {
    return this.#writer.open;
  }

  /** It is to count as failed, while what there is can still be sealed. */
  fail(error: Error): void {
    this.#writer.fail(error);
  }

  recorded(then: () => void, together?: boolean): void {
    this.#writer.recorded(then, together);
  }

  begin(header: Header): void {
    this.#writer.line('open', encodeFields({ format: FORMAT_VERSION, ...header }));
  }

  /** The policy in force changed under the session. */
  policy(version: string, exempt: readonly Exemption[] = []): void {
    this.#writer.line('policy', encodeFields({ version, ...(exempt.length === 0 ? {} : { exempt }) }));
  }

  /** A mask was lifted by a review, or is put back. */
  unmask(fields: Readonly<Record<string, unknown>>): void {
    this.#writer.line('unmask', encodeFields(fields));
  }

  intent(op: OperationId, operation: Operation, decided: Decided): void {
    // Nothing of it would be written: what a best-effort connection that cannot be recorded should not cost.
    if (!this.#writer.open) return;
    const outcomes = outcomesOf(operation.parts);
    let line = `,"op":${op},"how":${quoted(operation.kind)},"verdict":"${decided.verdict}"`;
    let secret = `,"text":${quoted(operation.text)}`;
    if (operation.bytes !== undefined) secret += `,"bytes":${JSON.stringify(operation.bytes)}`;
    if (operation.executes !== undefined) secret += `,"executes":${JSON.stringify(operation.executes)}`;
    if (operation.params !== undefined) secret += `,"params":${JSON.stringify(operation.params)}`;
    if (operation.forms !== undefined) secret += `,"forms":${JSON.stringify(operation.forms)}`;
    secret += `,"parts":[${encodeParts(operation.parts)}]`;
    if (outcomes > 1) line += `,"outcomes":${outcomes}`;
    if (decided.rule !== undefined) line += `,"rule":${quoted(decided.rule)}`;
    if (decided.matched !== undefined && decided.matched.length > 1) {
      line += `,"matched":${JSON.stringify(decided.matched)}`;
    }
    if (decided.review !== undefined) line += `,"review":${quoted(decided.review)}`;
    if (decided.standing !== undefined) line += `,"standing":"${decided.standing}"`;
    if (decided.code !== undefined) {
      line += `,"code":${quoted(decided.code)}`;
      secret += `,"message":${JSON.stringify(decided.message)}`;
    }
    this.#writer.line('intent', line, secret);
    if (decided.verdict === 'deny') {
      // It may have been allowed before its masks were known.
      this.#operations.delete(op);
      return;
    }
    const left = Math.max(1, outcomes);
    if (this.#operations.size >= MAX_UNFINISHED) this.#operations.delete(this.#operations.keys().next().value!);
    this.#operations.set(op, { started: this.#ticks(), left, rows: 0, chars: 0, parts: undefined, input: undefined });
  }

  /** How the review of a held operation came out. */
  review(op: OperationId, fields: Readonly<Record<string, unknown>>): void {
    const state = this.#operations.get(op);
    const { message, ...rest } = fields;
    this.#writer.line('review', encodeFields({ op, ...rest }), encodeFields({ message }));
    if (state === undefined) return;
    if (fields.state === 'used') this.#operations.set(op, { ...state, started: this.#ticks() });
    else this.#operations.delete(op);
  }

  /** Which columns are masked by what, and which would be but for an exemption. */
  masks(
    op: OperationId,
    part: number,
    columns: readonly ResultColumn[],
    masks: readonly (Mask | null)[],
    exempted?: readonly (Exemption | null)[],
  ): void {
    const list: object[] = [];
    for (const [index, mask] of masks.entries()) {
      if (mask !== null) list.push({ index, column: columns[index]?.name, mask: mask.name, by: mask.by });
    }
    const shown: object[] = [];
    for (const [index, exemption] of exempted?.entries() ?? []) {
      if (exemption !== null) shown.push({ index, column: columns[index]?.name, ...exemption });
    }
    if (list.length + shown.length === 0) return;
    const named = { columns: list, ...(shown.length === 0 ? {} : { shown }) };
    this.#writer.line('masks', encodeFields({ op, part }), encodeFields(named));
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

  /** False: it is not kept, and its bytes belong to the rest. */
  row(op: OperationId, part: number, values: readonly (string | null)[]): boolean {
    const state = this.#operations.get(op);
    if (state === undefined || state.rows >= this.#limits.rows || state.chars >= this.#limits.bytes) return false;
    const json = quotedAll(values);
    if (state.chars + json.length > this.#limits.bytes) {
      // The row that does not fit ends the keeping: what is kept is always a beginning of the result.
      state.chars = this.#limits.bytes;
      return false;
    }
    state.rows += 1;
    state.chars += json.length;
    const rows = partOf(state, part);
    rows.kept += 1;
    rows.pending = rows.pending === '' ? json : `${rows.pending},${json}`;
    if (rows.pending.length > ROWS_CHARS) this.#writeRows(op, rows);
    return true;
  }

  /** Bytes of a stream, as text where they are UTF-8. */
  data(op: OperationId, stream: 'in' | 'out' | 'err', bytes: Buffer, whole = false): void {
    const state = this.#operations.get(op);
    if (state === undefined || bytes.length === 0) return;
    if (!whole && state.chars >= this.#limits.bytes) {
      if (stream !== 'in') this.rest(op, 0, bytes, 0);
      else {
        state.input ??= new Rest();
        state.input.add(bytes, 0);
      }
      return;
    }
    state.chars += bytes.length;
    this.#writer.line('data', encodeFields({ op, stream }), encodeFields(encodeBytes(bytes)));
  }

  /** Something that the host did not show, and that is not recorded for that. */
  withheld(op: OperationId): void {
    if (this.#operations.has(op)) this.#writer.line('data', encodeFields({ op, stream: 'in', withheld: true }));
  }

  /** Bytes of a result as they are sent, of rows (so many begin in them) whose content is not kept. */
  rest(op: OperationId, part: number, bytes: Uint8Array, rows: number): void {
    const state = this.#operations.get(op);
    if (state === undefined) return;
    const kept = partOf(state, part);
    kept.rest ??= new Rest();
    kept.rest.add(bytes, rows);
  }

  result(op: OperationId, outcome: Outcome): void {
    const state = this.#operations.get(op);
    const rows = findPart(state?.parts, outcome.part);
    let line = `,"op":${op},"part":${outcome.part},"status":"${outcome.status}"`;
    let secret = '';
    if (outcome.tag !== undefined) secret += `,"tag":${quoted(outcome.tag)}`;
    if (outcome.rows !== undefined) line += `,"rows":${outcome.rows}`;
    if (outcome.bytes !== undefined) line += `,"bytes":${outcome.bytes}`;
    if (state !== undefined) line += `,"us":${Math.round((this.#ticks() - state.started) * 1000)}`;
    if (outcome.error !== undefined) secret += `,"error":${JSON.stringify(outcome.error)}`;
    if (rows !== undefined) {
      secret += `${rows.columns},"kept":${rows.kept}`;
      if (rows.pending !== '') secret += `,"values":[${rows.pending}]`;
      if (rows.rest !== undefined) secret += `,"rest":${JSON.stringify(rows.rest.fields)}`;
    }
    if (state?.input !== undefined) {
      const { bytes, sha256 } = state.input.fields;
      secret += `,"input":${JSON.stringify({ bytes, sha256 })}`;
      state.input = undefined;
    }
    this.#writer.line('result', line, secret);
    if (state === undefined) return;
    state.left -= 1;
    if (rows !== undefined) {
      rows.pending = '';
      rows.rest = undefined;
    }
    if (state.left <= 0 || outcome.status !== 'ok') this.#operations.delete(op);
  }

  note(note: string, fields: Readonly<Record<string, string | number | boolean | null>>): void {
    this.#writer.line('note', '', encodeFields({ note, fields }));
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
    const { message, ...rest } = fields;
    const plain = { ...rest, ...(unfinished.length > 0 ? { unfinished } : {}) };
    this.#writer.line('end', encodeFields(plain), encodeFields({ message }));
    const seal = (await this.#writer.close()) ?? (await this.#writer.closeFailed());
    this.#ended?.();
    return seal;
  }

  #writeRows(op: OperationId, rows: PartState): void {
    if (rows.pending === '') return;
    this.#writer.line('rows', `,"op":${op},"part":${rows.part}`, `${rows.columns},"values":[${rows.pending}]`);
    rows.pending = '';
    rows.columns = '';
  }
}

/** The last one mostly. */
function findPart(parts: readonly PartState[] | undefined, part: number): PartState | undefined {
  if (parts === undefined) return undefined;
  for (let at = parts.length - 1; at >= 0; at--) if (parts[at]!.part === part) return parts[at];
  return undefined;
}

function partOf(state: OperationState, part: number): PartState {
  const found = findPart(state.parts, part);
  if (found !== undefined) return found;
  state.parts ??= [];
  const made = { part, kept: 0, pending: '', columns: '', rest: undefined };
  state.parts.push(made);
  return made;
}

/** Parts that the text does not say have no outcome of their own. */
function outcomesOf(parts: readonly Facts[]): number {
  let count = parts.length;
  while (count > 0 && parts[count - 1]!.via !== undefined) count--;
  return count;
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

/**
 * What policy saw, shortened: relations as `schema.name` under what was done to them; those that the text does not name
 * once more under `through`, with the way to them.
 */
function encodeFacts(facts: Facts): string {
  const name = (use: { schema?: string; name: string }) =>
    use.schema === undefined ? use.name : `${use.schema}.${use.name}`;
  const read = facts.relations.filter((use) => use.read).map(name);
  const written = facts.relations.filter((use) => use.written).map(name);
  const through = facts.relations.flatMap((use) => (use.via === undefined ? [] : [[name(use), use.via]]));
  return JSON.stringify({
    ...(facts.via === undefined ? {} : { via: facts.via }),
    does: facts.does,
    ...(facts.object === undefined ? {} : { object: facts.object }),
    ...(read.length > 0 ? { read } : {}),
    ...(written.length > 0 ? { written } : {}),
    ...(through.length > 0 ? { through: Object.fromEntries(through) } : {}),
    ...(facts.functions.length > 0 ? { functions: facts.functions } : {}),
    ...(facts.programs === undefined ? {} : { programs: facts.programs }),
    ...(facts.places === undefined || facts.places.length === 0
      ? {}
      : { places: facts.places.map((use) => use.place) }),
    ...(facts.unbounded ? { unbounded: true } : {}),
    ...(facts.opaque === undefined ? {} : { opaque: facts.opaque }),
  });
}
