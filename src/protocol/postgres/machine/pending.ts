// One request on its way through decision, wait and plan: types alone. Refuses to know: what is decided.

import type { Analysis } from '../analysis.ts';
import type { Expected, Portal, Source } from './expected.ts';
import type { Reading } from './reading.ts';

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
