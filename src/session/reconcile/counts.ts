// What a target has counted between two moments, against what the record says was sent in between: by shape, for the target
// keeps no more. Refuses to know: how the target counts.

import type { Counted } from '../../protocol/contract.ts';

export interface CountDifference {
  readonly text: string;
  /** How often the target says it ran. */
  readonly target: number;
  /** How often the record says it was sent. */
  readonly record: number;
}

/** Errors in words where the two cannot be compared; otherwise what differs, most first. */
export function compareCounts(
  before: Counted,
  after: Counted,
  recorded: ReadonlyMap<string, { readonly text: string; readonly count: number }>,
): readonly CountDifference[] | string {
  if (before.since !== after.since)
    return `the target's counts were reset at ${after.since}, after the first ones were taken`;
  if (before.lost !== after.lost)
    return 'the target left out statements: it counts no more than pg_stat_statements.max of them';
  const earlier = new Map(before.statements.map(({ shape, calls }) => [shape, calls]));
  const differences: CountDifference[] = [];
  const seen = new Set<string>();
  for (const { shape, text, calls } of after.statements) {
    seen.add(shape);
    const target = calls - (earlier.get(shape) ?? 0);
    const record = recorded.get(shape)?.count ?? 0;
    if (target !== record) differences.push({ text, target, record });
  }
  for (const [shape, { text, count }] of recorded) {
    if (!seen.has(shape)) differences.push({ text, target: 0, record: count });
  }
  return differences.sort((a, b) => Math.abs(b.target - b.record) - Math.abs(a.target - a.record));
}
