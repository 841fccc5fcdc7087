// A result column of this protocol's planner: with its type where it is a column as it stands.

import type { ResultColumn } from '../../contract.ts';

export interface PlannedColumn extends ResultColumn {
  readonly typeOid?: number;
  readonly typmod?: number;
}
