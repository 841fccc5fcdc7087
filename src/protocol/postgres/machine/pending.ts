// One request on its way through decision, wait and plan. Refuses to know: what is decided.

import type { Analysis } from '../analysis.ts';
import type { Expected, Portal, Source } from './expected.ts';
import type { Reading } from './reading.ts';

/** The server may answer with a COPY that it reads: then what follows from the client is data, and Sync is nothing. */
export function mayCopyIn({ analysis, reading, sources }: Pending): boolean {
  if (reading.copyIn || analysis.error !== undefined) return true;
  return analysis.statements.some(({ execute }, i) => {
    if (execute === undefined) return false;
    // A client may prepare any statement by Parse and run it by EXECUTE.
    const source = sources?.[i];
    return source?.analysis === undefined || source.analysis.statements[source.part]?.copy?.direction === 'in';
  });
}

export interface Pending {
  readonly entry: Expected;
  readonly analysis: Analysis;
  readonly reading: Reading;
  readonly sources: readonly Source[] | undefined;
  /** The request as it came. */
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  /** What goes instead of it when it is refused. */
  readonly instead: Buffer;
  /** The text as it came, where it is not UTF-8 (`Operation.bytes`). */
  readonly bytes: string | undefined;
  /** Of the results, where no portal has them. */
  readonly formats?: readonly number[];
  /** Execute: whose. */
  readonly portal: Portal | undefined;
  readonly portalName: string;
}
