// What the formats of COPY have in common: rows out of chunks that need not end with them, at most one row held back.

import { peerError } from '../../../core/errors.ts';
import { fixedLimit, limitExceeded } from '../../../core/limits.ts';
import type { Mask, ResultColumn } from '../../contract.ts';
import type { CopyMasker, RowSink } from '../analysis.ts';
import type { PlannedColumn } from './planned.ts';
import type { Slab } from './slab.ts';
import type { TypeRegistry } from './types.ts';
import type { ColumnType } from './values.ts';

export interface CopyTask {
  readonly types: readonly ColumnType[];
  readonly masks: readonly (Mask | null)[];
  readonly sink: () => RowSink;
  readonly slab: Slab;
  readonly maxRowBytes: number;
}

/**
 * A column of COPY as a type: a column of a table has one, an expression has not; then its text takes a mask in the
 * formats that are text when the planner said so.
 */
export function columnTypes(columns: readonly ResultColumn[], registry: TypeRegistry): ColumnType[] {
  return columns.map((column: PlannedColumn) => {
    const { typeOid, typmod = -1 } = column;
    if (typeOid === undefined) return { shape: column.textual ? 'text' : 'none', typeOid: 0, typmod: -1 };
    return { shape: registry.shape(typeOid), typeOid, typmod };
  });
}

export function malformedCopy(what: string): Error {
  return peerError('protocol_violation', `the target sent COPY data that cannot be masked: ${what}`);
}

/** Splits chunks into rows; a format says where a row ends and what becomes of it. */
export abstract class CopyRows implements CopyMasker {
  protected readonly task: CopyTask;
  #held: Buffer | undefined;

  constructor(task: CopyTask) {
    this.task = task;
  }

  /** The index after the row that starts at `from`; -1 when it is not whole. `scanned` bytes of it were seen before. */
  protected abstract rowEnd(buffer: Buffer, from: number, scanned: number): number;
  /** Puts the masked row into the slab. */
  protected abstract row(buffer: Buffer, from: number, to: number): void;

  data(payload: Buffer): Buffer {
    const held = this.#held;
    const buffer = held === undefined ? payload : Buffer.concat([held, payload]);
    const { slab } = this.task;
    slab.drop();
    let from = 0;
    let scanned = held?.length ?? 0;
    while (from < buffer.length) {
      const end = this.rowEnd(buffer, from, scanned);
      if (end < 0) break;
      this.row(buffer, from, end);
      from = end;
      scanned = 0;
    }
    const rest = buffer.length - from;
    if (rest > this.task.maxRowBytes)
      throw limitExceeded(fixedLimit('copy_row_bytes', 'bytes', this.task.maxRowBytes), rest);
    // The caller's buffer is not ours to keep.
    this.#held =
      rest === 0 ? undefined : held !== undefined && from === 0 ? buffer : Buffer.from(buffer.subarray(from));
    return slab.take();
  }

  done(): Buffer {
    if (this.#held !== undefined) throw malformedCopy('it ends in the middle of a row');
    return Buffer.alloc(0);
  }

  protected checkCount(found: number): void {
    if (found !== this.task.masks.length) {
      throw malformedCopy(`a row has ${found} values, ${this.task.masks.length} were expected`);
    }
  }
}
