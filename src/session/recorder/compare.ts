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

/** Beyond so many operations that only one has there, the rest of both is taken to have nothing in common. */
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
  // A quote in a string is two: what each two have between them goes first, then what is left of those beside one another. One
  // pattern for all of it would run out of stack at the longest texts that are on record.
  return text
    .replace(/'[^']*'/g, "'")
    .replace(/'+/g, '?')
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
 * The longest common subsequence as pairs of indices. What only one of them has is in none, and what both begin or end with
 * is in all: most of two runs is out of the way before they are compared.
 */
function common(before: readonly string[], after: readonly string[]): [number, number][] {
  const numbers = new Map<string, number>();
  const numbered = (shapes: readonly string[], others: ReadonlySet<string>): Shared => {
    const [shared, at]: [number[], number[]] = [[], []];
    for (const [index, shape] of shapes.entries()) {
      if (!others.has(shape)) continue;
      const number = numbers.get(shape) ?? numbers.size;
      numbers.set(shape, number);
      shared.push(number);
      at.push(index);
    }
    return { shared, at };
  };
  const one = numbered(before, new Set(after));
  const other = numbered(after, new Set(before));
  return sequence(one.shared, other.shared).map(([b, a]) => [one.at[b]!, other.at[a]!]);
}

/** Numbers of shapes that both have, and where they stand among all. */
interface Shared {
  readonly shared: readonly number[];
  readonly at: readonly number[];
}

function sequence(before: readonly number[], after: readonly number[]): [number, number][] {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  const pairs: [number, number][] = Array.from({ length: start }, (_, i) => [i, i]);
  const between = shortestEdit(before.slice(start, before.length - end), after.slice(start, after.length - end));
  for (const [b, a] of between) pairs.push([start + b, start + a]);
  for (let left = end; left > 0; left--) pairs.push([before.length - left, after.length - left]);
  return pairs;
}

/**
 * Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), the greedy one. Beyond `MOST_DIFFERENT` the pairs up to
 * where both have been followed furthest.
 */
function shortestEdit(before: readonly number[], after: readonly number[]): [number, number][] {
  const [n, m] = [before.length, after.length];
  const most = Math.min(n + m, MOST_DIFFERENT);
  /** Of each `d`: how far into `before` each diagonal `k` = -d, -d + 2 … d leads. */
  const trace: Int32Array[] = [];
  let far = { reached: -1, d: 0, k: 0 };
  for (let d = 0; d <= most; d++) {
    const last = trace.at(-1);
    const furthest = new Int32Array(d + 1);
    trace.push(furthest);
    for (let i = 0; i <= d; i++) {
      const k = 2 * i - d;
      let x = last === undefined ? 0 : stepFrom(last, i).x;
      while (x < n && x - k < m && before[x] === after[x - k]) x++;
      furthest[i] = x;
      if (x >= n && x - k >= m) return walkBack(trace, d, k);
      if (x <= n && x - k <= m && 2 * x - k > far.reached) far = { reached: 2 * x - k, d, k };
    }
  }
  return walkBack(trace, far.d, far.k);
}

/** The better of the two ways to diagonal `i` of the next `d`: past one operation of `after` (`down`), or of `before`. */
function stepFrom(last: Int32Array, i: number): { readonly x: number; readonly down: boolean } {
  const below = i < last.length ? last[i]! : -1;
  const above = i > 0 ? last[i - 1]! + 1 : -1;
  return below >= above ? { x: below, down: true } : { x: above, down: false };
}

function walkBack(trace: readonly Int32Array[], from: number, diagonal: number): [number, number][] {
  const pairs: [number, number][] = [];
  let k = diagonal;
  let x = trace[from]![(from + k) / 2]!;
  for (let d = from; d >= 0; d--) {
    const step = d === 0 ? { x: 0, down: false } : stepFrom(trace[d - 1]!, (d + k) / 2);
    while (x > step.x) {
      x--;
      pairs.push([x, x - k]);
    }
    if (d === 0) break;
    x = step.down ? step.x : step.x - 1;
    k += step.down ? 1 : -1;
  }
  return pairs.reverse();
}
