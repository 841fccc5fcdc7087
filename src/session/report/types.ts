// An evidence report as a value: what was asked for, what the record says, row by row with where it stands in the record.
// A pure function of the record, the span, the controls and the seed: made twice it is the same. Refuses to know: pages, files.

import type { Principal } from '../identity/principal.ts';
import type { Access, ConnectionRef } from '../policy/types.ts';

export type ControlId = 'CC6.1' | 'CC6.6' | 'CC7.2' | 'CC7.3' | 'CC8.1' | 'C1.1';

export interface ReportRequest {
  readonly controls: readonly ControlId[];
  /** Milliseconds since the epoch, UTC. */
  readonly from: number;
  /** Not included. */
  readonly to: number;
  /** What decides which sessions are sampled, see `Sample`. */
  readonly seed: string;
  /** How many sessions are sampled. */
  readonly sample: number;
  /** Rows that a table lists at most; of the rest the number is told. */
  readonly rows: number;
}

/** One version of the configuration, as far as a report asks it. Made by the same code that decides in the gateway. */
export interface PolicyView {
  readonly connections: readonly ConnectionRef[];
  access(principal: Principal, connection: ConnectionRef): Access;
  /** The lines of the document that give access, as they are written. */
  readonly lines: readonly unknown[];
  /** What the document says of its own change. */
  readonly change?: ClaimedChange | undefined;
}

export interface ClaimedChange {
  readonly by?: string | undefined;
  readonly approvedBy?: string | undefined;
  readonly reference?: string | undefined;
}

/** A document's text → what it says; a text: why it cannot be read any more. */
export type ReadPolicy = (document: string) => Promise<PolicyView | string>;

/** Cells by column. Undefined: not told. */
export type Row = Readonly<Record<string, string | number | boolean | undefined>>;

/** A table of what was found; in the order of the record. */
export interface Table {
  readonly rows: readonly Row[];
  /** How many there were, also those that are not listed. */
  readonly total: number;
}

/** Operations of one day (UTC) by verdict. */
export interface Day {
  readonly day: string;
  allow: number;
  review: number;
  deny: number;
}

/** A review as a stretch of time. */
export interface Stretch {
  readonly review: string;
  readonly from: number;
  /** Undefined: still open at the end of the span. */
  readonly to: number | undefined;
  readonly state: string;
}

export type SectionName =
  | 'access'
  | 'lines'
  | 'grants'
  | 'sample'
  | 'sessions'
  | 'reviews'
  | 'denied'
  | 'refused'
  | 'policies'
  | 'changes'
  | 'masks'
  | 'exceptions'
  | 'reading'
  | 'administration';

export interface Report {
  readonly report: 1;
  readonly controls: readonly { readonly id: ControlId; readonly title: string }[];
  readonly from: string;
  readonly to: string;
  readonly seed: string;
  readonly sample: number;
  readonly rowsListed: number;
  readonly log: { readonly origin: string; readonly entries: string };
  readonly summary: Readonly<Record<string, number>>;
  readonly days: readonly Day[];
  readonly matrix: { readonly cells: readonly { who: string; connection: string; sessions: number }[]; total: number };
  readonly stretches: readonly Stretch[];
  readonly versions: readonly { readonly version: string; readonly from: string; readonly to: string | undefined }[];
  readonly verification: Verified;
  readonly sections: Readonly<Partial<Record<SectionName, Table>>>;
}

/** What was checked when the report was made; the same can be done again from the bundle. */
export interface Verified {
  /** Of the log: its tree, signature and entries. Codes of `audit verify`. */
  readonly log: readonly string[];
  readonly recordings: number;
  /** Recordings of the bundle that are not what the log says. */
  readonly wrong: readonly string[];
  /** Sessions whose recordings should be in the bundle and are not there any more: purged, or lost. */
  readonly missing: readonly string[];
}
