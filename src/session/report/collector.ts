// What collects one part of a report while the record goes by. Holds what a report lists and counts, and no more.

import type { LogEntry } from '../log/audit.ts';
import type { Line } from '../recorder/reader.ts';
import type { SectionName, Table } from './types.ts';
import type { RanSession } from './walk.ts';

/** A session whose recording goes by, with what its first line says. */
export interface SessionFacts {
  readonly ran: RanSession;
  readonly who: string;
  readonly connection: string;
  readonly opening: Line | undefined;
}

export interface Collector {
  /** Each entry of the log up to the end of the span; `within`: not from before it. */
  entry?(entry: LogEntry, within: boolean): void;
  /** Each line of a recording in the span. */
  line?(line: Line, session: SessionFacts): void;
  /** Behind its last line; `lines`: how many there were, in the span or not. */
  over?(session: SessionFacts, lines: number): void;
  sections(): Promise<Partial<Record<SectionName, Table>>> | Partial<Record<SectionName, Table>>;
}

export const asTable = ({ kept, total }: { kept: Table['rows']; total: number }): Table => ({ rows: kept, total });
