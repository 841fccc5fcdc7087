// Two sessions side by side: which operations both have, which only one, and what is different about those that both have.
// For whoever runs the same task twice, an agent in a loop above all. Refuses to know: how it is shown.

import type { ReplayedOperation } from './replay.ts';

/** What is different about an operation that both have; times are no difference. */
export interface Difference {
  readonly what: 'text' | 'verdict' | 'rule' | 'status' | 'end' | 'error' | 'rows' | 'masked';
  readonly before: string;
  readonly after: string;
}

export type Step =
  | {
      readonly in: 'both';
      readonly before: ReplayedOperation;
      readonly after: ReplayedOperation;
      readonly differences: readonly Difference[];
    }
  | { readonly in: 'before'; readonly operation: ReplayedOperation }
  | { readonly in: 'after'; readonly operation: ReplayedOperation };

/** Beyond so many operations that only one has, the rest of both is taken to have nothing in common. */
const MOST_DIFFERENT = 4000;

/** In the order of both. Operations are the same when their texts are, but for quoted strings, numbers and blanks. */
export function compareRuns(
  before: readonly ReplayedOperation[],
  after: readonly ReplayedOperation[],
): readonly Step[] {
  const steps: Step[] = [];
  const shapesBefore = before.map(shapeOf);
  const shapesAfter = after.map(shapeOf);
  let [b, a] = [0, 0];
  const only = (toB: number, toA: number) => {
    while (b < toB) steps.push({ in: 'before', operation: before[b++]! });
    while (a < toA) steps.push({ in: 'after', operation: after[a++]! });
  };
  for (const [nextB, nextA] of common(shapesBefore, shapesAfter)) {
    only(nextB, nextA);
    const [one, other] = [before[b++]!, after[a++]!];
    steps.push({ in: 'both', before: one, after: other, differences: differencesOf(one, other) });
  }
  only(before.length, after.length);
  return steps;
}

export function same(steps: readonly Step[]): boolean {
  return steps.every((step) => step.in === 'both' && step.differences.length === 0);
}

function shapeOf({ text }: ReplayedOperation): string {
  return text
    .replace(/'(?:[^']|'')*'/g, '?')
    .replace(/\b\d+(?:\.\d+)?\b/g, '?')
    .replace(/\s+/g, ' ')
    .trim();
}

function differencesOf(before: ReplayedOperation, after: ReplayedOperation): Difference[] {
  const facts = (operation: ReplayedOperation): Record<Difference['what'], string> => {
    const { parts, text, params, verdict, rule } = operation;
    const each = (of: (part: ReplayedOperation['parts'][number]) => unknown) =>
      parts.map((part) => String(of(part) ?? 'none')).join(', ');
    const folded = text.replace(/\s+/g, ' ').trim();
    return {
      text: params === undefined ? folded : `${folded} ${JSON.stringify(params)}`,
      verdict,
      rule: rule ?? 'none',
      status: each((part) => part.status),
      end: each((part) => endOf(part.tag)),
      error: each((part) => part.error?.code),
      rows: each((part) => part.rows),
      masked: each((part) => part.masked.map(({ column }) => column).join(' ') || undefined),
    };
  };
  const [was, is] = [facts(before), facts(after)];
  return (Object.keys(was) as Difference['what'][])
    .filter((what) => was[what] !== is[what])
    .map((what) => ({ what, before: was[what], after: is[what] }));
}

/** How a command or a file ended; what else a tag says (sessions, bytes, rows) is different each time, or compared elsewhere. */
function endOf(tag: string | undefined): string | undefined {
  return /^(?:(?:exit|signal|status|sha256) \S+|refused|cut)$/.exec(tag ?? '')?.[0];
}

/**
 * The longest common subsequence as pairs of indices: Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), the
 * greedy one. What both begin with costs nothing.
 */
function common(before: readonly string[], after: readonly string[]): [number, number][] {
  const [n, m] = [before.length, after.length];
  const furthest = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let d = 0; d <= Math.min(n + m, MOST_DIFFERENT); d++) {
    trace.push(new Map(furthest));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (furthest.get(k - 1) ?? -1) < (furthest.get(k + 1) ?? -1));
      let x = down ? (furthest.get(k + 1) ?? 0) : (furthest.get(k - 1) ?? 0) + 1;
      while (x < n && x - k < m && before[x] === after[x - k]) x++;
      furthest.set(k, x);
      if (x >= n && x - k >= m) return walkBack(trace, n, m);
    }
  }
  let start = 0;
  while (start < Math.min(n, m) && before[start] === after[start]) start++;
  return Array.from({ length: start }, (_, i) => [i, i]);
}

function walkBack(trace: readonly Map<number, number>[], n: number, m: number): [number, number][] {
  const pairs: [number, number][] = [];
  let [x, y] = [n, m];
  for (let d = trace.length - 1; d >= 0; d--) {
    const furthest = trace[d]!;
    const k = x - y;
    const down = k === -d || (k !== d && (furthest.get(k - 1) ?? -1) < (furthest.get(k + 1) ?? -1));
    const from = down ? k + 1 : k - 1;
    const beforeX = d === 0 ? 0 : (furthest.get(from) ?? 0);
    const beforeY = d === 0 ? 0 : beforeX - from;
    while (x > beforeX && y > beforeY) pairs.push([--x, --y]);
    [x, y] = [beforeX, beforeY];
  }
  return pairs.reverse();
}
