// The lines of a recording → what was asked, decided and answered, operation by operation. For whoever compares, searches
// or shows it; refuses to know: how it is shown (cli), whether it is genuine (verify.ts).

import type { Facts } from '../../protocol/contract.ts';
import type { Line } from './reader.ts';

export interface ReplayedPart {
  readonly part: number;
  columns: readonly string[] | undefined;
  /** The rows that were kept, as the client got them. */
  readonly values: (readonly (string | null)[])[];
  readonly masked: { readonly column: string; readonly mask: string }[];
  /** Undefined: no outcome was recorded. */
  status: string | undefined;
  tag: string | undefined;
  rows: number | undefined;
  bytes: number | undefined;
  microseconds: number | undefined;
  error: { readonly code: string; readonly message: string } | undefined;
}

export interface ReplayedOperation {
  readonly op: number;
  readonly at: string;
  readonly how: string;
  readonly text: string;
  readonly params: readonly (string | null)[] | undefined;
  readonly does: readonly Pick<Facts, 'does'>[];
  /** `review` until the review's line says `allow` or `deny`. */
  verdict: string;
  readonly rule: string | undefined;
  readonly review: string | undefined;
  /** Of a refusal, or of a review that did not end in an approval. */
  message: string | undefined;
  readonly parts: ReplayedPart[];
}

export interface Replay {
  readonly opening: Line | undefined;
  readonly operations: readonly ReplayedOperation[];
  readonly notes: readonly Line[];
  readonly end: Line | undefined;
  readonly seal: Line | undefined;
}

/** All of it in memory: for recordings of a size that a person looks at. */
export async function replay(lines: AsyncIterable<Line> | Iterable<Line>): Promise<Replay> {
  const operations = new Map<number, ReplayedOperation>();
  const notes: Line[] = [];
  const single: Record<string, Line> = {};
  for await (const line of lines) {
    if (line.kind === 'note' || line.kind === 'policy') notes.push(line);
    else if (line.op === undefined) single[line.kind] = line;
    else if (line.kind === 'intent') operations.set(line.op as number, begin(line));
    else apply(operations.get(line.op as number), line);
  }
  const { open, end, seal } = single;
  return { opening: open, operations: [...operations.values()], notes, end, seal };
}

function begin(line: Line): ReplayedOperation {
  return {
    op: line.op as number,
    at: line.at,
    how: String(line.how),
    text: String(line.text),
    params: line.params as (string | null)[] | undefined,
    does: (line.parts ?? []) as Pick<Facts, 'does'>[],
    verdict: String(line.verdict),
    rule: line.rule as string | undefined,
    review: line.review as string | undefined,
    message: line.message as string | undefined,
    parts: [],
  };
}

function apply(operation: ReplayedOperation | undefined, line: Line): void {
  if (operation === undefined) return;
  if (line.kind === 'review') {
    operation.verdict = line.state === 'used' ? 'allow' : 'deny';
    operation.message = line.message as string | undefined;
    return;
  }
  const part = partOf(operation, Number(line.part ?? 0));
  // Whoever made a line by hand may have put anything there.
  const list = <One>(value: unknown): One[] =>
    Array.isArray(value) ? value.filter((one) => one instanceof Object) : [];
  if (line.kind === 'masks') part.masked.push(...list<ReplayedPart['masked'][number]>(line.columns));
  if (Array.isArray(line.columns) && line.kind !== 'masks') part.columns = line.columns as string[];
  for (const row of list<(string | null)[]>(line.values)) part.values.push(row);
  if (line.kind !== 'result') return;
  part.status = line.status as string;
  part.tag = line.tag as string | undefined;
  part.rows = line.rows as number | undefined;
  part.bytes = line.bytes as number | undefined;
  part.microseconds = line.us as number | undefined;
  part.error = line.error as ReplayedPart['error'];
}

function partOf(operation: ReplayedOperation, part: number): ReplayedPart {
  const known = operation.parts.find((one) => one.part === part);
  if (known !== undefined) return known;
  const made: ReplayedPart = {
    part,
    columns: undefined,
    values: [],
    masked: [],
    status: undefined,
    tag: undefined,
    rows: undefined,
    bytes: undefined,
    microseconds: undefined,
    error: undefined,
  };
  operation.parts.push(made);
  return made;
}
