// Results on their way back: planned, masked, recorded, counted. A row that nobody wants to look into never comes here.
// Refuses to know: how a value is masked, which row is legal when.

import { asHoopctlError, ourError, peerError } from '../../../core/errors.ts';
import type { Mask, ResultColumn } from '../../contract.ts';
import type { RowSink } from '../analysis.ts';
import { copyColumnCount, type Described, described, functionValue, rowValues } from '../wire/backend.ts';
import { copyData } from '../wire/frontend.ts';
import { HEADER } from '../wire/types.ts';
import type { Core } from './core.ts';
import type { Running } from './expected.ts';
import { maskedAgain } from './refusal.ts';

const NOTHING_PROVEN = (name: string): ResultColumn => ({ name, origins: undefined, textual: false });

const NO_BYTES = new Uint8Array();

/** Bytes of the count of -1 behind the last row of a binary COPY. */
const BINARY_END = 2;

export class Rows {
  readonly #core: Core;
  /** Results are much alike: the last description that was looked into, and what it says. */
  #description: Buffer | undefined;
  #described: Described = { names: [], formats: [] };

  constructor(core: Core) {
    this.#core = core;
  }

  /** Whether masks may be about what it returns. */
  #masked(running: Running): boolean {
    return this.#core.masked && !running.bare;
  }

  /** Rows of this operation pass as they are: only counted. */
  plain(running: Running): boolean {
    if (running.wanted && !this.#core.session.wantsRows(running.id, running.part)) running.wanted = false;
    return !running.wanted && (!this.#masked(running) || (this.#decided(running) && !running.masking));
  }

  /**
   * Makes sure that the masks of the rows to come are known. False: the catalogue has to be read; the target waits, and
   * the same row is looked at again.
   */
  planned(running: Running): boolean {
    if (!this.#masked(running) || this.#decided(running)) return true;
    running.fields ??= running.portal?.fields;
    const { fields } = running;
    if (fields === undefined) throw peerError('protocol_violation', 'the target sent rows without describing them');
    const { analysis, part, since = running.mark } = running.source();
    const unproven = () => fields.map((field) => NOTHING_PROVEN(field.name));
    let columns: readonly ResultColumn[] | Promise<readonly ResultColumn[]>;
    try {
      const { planner } = this.#core.options;
      const { namesPinned, ddlPending } = this.#core;
      const context = { namesPinned, ddlPending, since };
      columns = planner === undefined ? unproven() : planner.columns(analysis, part, fields, context);
    } catch {
      columns = unproven();
    }
    if (!(columns instanceof Promise)) {
      this.#apply(running, columns.length === fields.length ? columns : unproven());
      return true;
    }
    this.#core.targetWaits = true;
    const done = (planned: readonly ResultColumn[]) => {
      this.#core.resume(() => {
        this.#core.targetWaits = false;
        this.#apply(running, planned.length === fields.length ? planned : unproven());
      });
    };
    columns.then(done, () => done(unproven()));
    return false;
  }

  /** A COPY that began under masks that are not those of now. */
  stale(running: Running): boolean {
    return this.#masked(running) && !this.#decided(running);
  }

  /** Masks that have come back since make what was decided before them void. */
  #decided(running: Running): boolean {
    return running.masks !== undefined && running.masksEpoch === this.#core.masksEpoch;
  }

  #apply(running: Running, columns: readonly ResultColumn[]): void {
    running.masksEpoch = this.#core.masksEpoch;
    running.masks = this.#core.session.masks(running.id, running.part, columns);
    running.masking = running.masks.some((mask) => mask !== null);
    running.counting = running.masks.some((mask) => mask?.count !== undefined);
  }

  /** One whole DataRow, out to the client: masked, and recorded as the client gets it. */
  row(running: Running, buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    let message = buffer;
    let from = start;
    let to = end;
    if (this.#masked(running)) this.#fits(running, buffer, start, end);
    if (running.masking) {
      message = core.options.masker.dataRow(buffer.subarray(start, end), running.fields!, running.masks!);
      from = 0;
      to = message.length;
      if (running.counting && !core.spend(running, 0, 0)) return;
    }
    running.rows++;
    running.bytes += to - from;
    core.toClient.slice(message, from, to);
    const { session } = core;
    if (running.wanted && session.wantsRows(running.id, running.part)) this.#record(running, message, from, to);
    else session.rest?.(running.id, running.part, message.subarray(from, to), 1);
  }

  /** INVARIANT: masks go by position, so a row has exactly the fields that were described. */
  #fits(running: Running, buffer: Buffer, start: number, end: number): void {
    const count = end - start < HEADER + 2 ? -1 : buffer.readUInt16BE(start + HEADER);
    const expected = running.fields?.length;
    if (count !== expected) {
      throw peerError('protocol_violation', `the target sent a row of ${count} values, ${expected} were described`);
    }
  }

  #record(running: Running, buffer: Buffer, start: number, end: number, read = rowValues): void {
    const bound = this.#core.options.limits.recordedRow;
    if (running.rows === 1) this.#names(running);
    const { session } = this.#core;
    const { id, part } = running;
    const whole = end - start <= bound.value;
    const values = whole ? read(buffer, start, end, running.formats) : [`(a row of ${end - start} bytes)`];
    if (!session.row(id, part, values) || !whole) session.rest?.(id, part, buffer.subarray(start, end), 1);
  }

  /** What a function gave that was called by its number: a row of one value. */
  functionResult(running: Running, buffer: Buffer, start: number, end: number): void {
    running.rows = 1;
    running.bytes += end - start;
    const { session } = this.#core;
    if (!session.wantsRows(running.id, running.part)) {
      session.rest?.(running.id, running.part, buffer.subarray(start, end), 1);
      return;
    }
    this.#record(running, buffer, start, end, (...message) => [functionValue(...message)]);
  }

  #names(running: Running): void {
    const { session } = this.#core;
    const { portal } = running;
    const description = running.description ?? portal?.description ?? portal?.statement.description;
    if (description === undefined) return;
    if (this.#description?.equals(description) !== true) {
      this.#description = Buffer.from(description);
      this.#described = described(description);
    }
    // A cursor may have been declared BINARY.
    if (portal === undefined) running.formats = this.#described.formats;
    session.columns?.(running.id, running.part, this.#described.names);
  }

  /** A row too long to be whole in memory passes in pieces, when nothing has to be masked in it. */
  passing(running: Running, total: number): void {
    running.rows++;
    running.bytes += total;
    const { session } = this.#core;
    if (running.wanted && session.wantsRows(running.id, running.part)) {
      if (running.rows === 1) this.#names(running);
      session.row(running.id, running.part, [`(a row of ${total} bytes)`]);
    }
    session.rest?.(running.id, running.part, NO_BYTES, 1);
  }

  /** CopyOutResponse: the masks of its columns were planned before the statement was sent. */
  beginCopy(running: Running, buffer: Buffer, start: number, end: number): void {
    running.copy = undefined;
    const info = running.analysis.statements[running.part];
    const sink = this.#sink(running);
    const count = copyColumnCount(buffer, start, end);
    if (!this.#masked(running)) {
      running.masks = [];
      if (info?.copy === undefined || sink() === undefined) return;
      const columns = Array.from({ length: count }, () => ({ name: '', origins: [], textual: true }));
      running.copy = this.#copier(
        running,
        columns,
        Array.from({ length: count }, () => null),
      );
      return;
    }
    const columns = running.copyColumns?.get(running.part);
    if (info?.copy === undefined || columns === undefined || (count !== columns.length && count !== 0)) {
      throw ourError('internal', `the target copies ${count} columns out, ${columns?.length ?? 'none'} were expected`);
    }
    this.#apply(running, columns);
    running.copy = running.masking || sink() !== undefined ? this.#copier(running, columns, running.masks!) : undefined;
  }

  #copier(running: Running, columns: readonly ResultColumn[], masks: readonly (Mask | null)[]) {
    const { masker, limits } = this.#core.options;
    const options = running.analysis.statements[running.part]!.copy!;
    return masker.copy(options, columns, masks, this.#sink(running), limits.inspected.value);
  }

  #sink(running: Running): () => RowSink {
    const { session } = this.#core;
    const { id, part } = running;
    const keep: RowSink = (values) => {
      running.unkept = !session.row(id, part, values);
    };
    return () => (session.wantsRows(id, part) ? keep : undefined);
  }

  /** Of a CopyData: the line with the names is no row, nor is what ends the binary format. @param bytes of its data. */
  #rowsIn(running: Running, bytes: number): number {
    const copy = running.analysis.statements[running.part]?.copy;
    if (copy?.header === true && running.bytes === 0) return 0;
    return copy?.format === 'binary' && bytes === BINARY_END ? 0 : 1;
  }

  /** A CopyData that is not wholly here passes in pieces. */
  passingCopy(running: Running, total: number): void {
    const rows = this.#rowsIn(running, total - HEADER);
    running.rows += rows;
    running.bytes += total;
    this.#core.session.rest?.(running.id, running.part, NO_BYTES, rows);
  }

  /** One whole CopyData, out to the client. */
  copy(running: Running, buffer: Buffer, start: number, end: number): void {
    const { toClient } = this.#core;
    if (this.stale(running)) {
      // What is under way cannot be masked from the middle on: its rows may be held back in pieces.
      running.withheld = true;
      this.#core.cut(running, maskedAgain(this.#core.session.id));
      return;
    }
    const { session } = this.#core;
    const rows = this.#rowsIn(running, end - start - HEADER);
    running.unkept = running.copy === undefined || !session.wantsRows(running.id, running.part);
    if (running.masking) {
      const masked = running.copy!.data(buffer.subarray(start + HEADER, end));
      if (running.counting && !this.#core.spend(running, 0, 0)) return;
      running.rows += rows;
      if (masked.length === 0) return;
      const message = copyData(masked);
      running.bytes += message.length;
      toClient.add(message);
      if (running.unkept) session.rest?.(running.id, running.part, message, rows);
      return;
    }
    running.rows += rows;
    running.bytes += end - start;
    toClient.slice(buffer, start, end);
    if (running.copy !== undefined) this.#look(running, buffer.subarray(start + HEADER, end));
    if (running.unkept) session.rest?.(running.id, running.part, buffer.subarray(start, end), rows);
  }

  /** Nothing is masked here: what cannot be read is not recorded, and passes all the same. */
  #look(running: Running, data: Buffer): void {
    try {
      running.copy!.data(data);
      if (!this.#core.session.wantsRows(running.id, running.part)) running.copy = undefined;
    } catch (thrown) {
      running.copy = undefined;
      running.unkept = true;
      this.#core.session.note('rows_unread', { why: asHoopctlError(thrown).message });
    }
  }

  /** CopyDone: what the masker held back goes first. */
  endCopy(running: Running): void {
    if (running.copy === undefined) return;
    if (running.masking) {
      const rest = running.cut === undefined ? running.copy.done() : Buffer.alloc(0);
      if (rest.length > 0) {
        const message = copyData(rest);
        running.bytes += message.length;
        this.#core.toClient.add(message);
      }
    } else {
      try {
        running.copy.done();
      } catch {
        // Only the recording would have had it.
      }
    }
    running.copy = undefined;
  }
}
