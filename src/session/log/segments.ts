// The gateway's log as it was before it was a tree: chained, sealed segments `0001.jsonl`, `0002.jsonl`, … They are sealed,
// named by digest in the tree's first entry, and stay readable and checkable. Refuses to know: files, trees.

import { Chain } from '../recorder/line.ts';
import type { RecordingTarget } from '../recorder/sink.ts';
import { type Problem, type Verification, verify } from '../recorder/verify.ts';

/** Where segments are; `store/` implements it. */
export interface LogSegments {
  /** In order. */
  list(): Promise<readonly string[]>;
  read(segment: string): AsyncIterable<Uint8Array>;
  /** For appending, cut to its first `length` bytes. */
  reopen(segment: string, length: number): RecordingTarget;
}

export interface SealedSegment {
  readonly segment: string;
  readonly digest?: string;
  readonly lines: number;
}

/** Seals the last one; undefined where there is none. Nothing is cut from one that is damaged. */
export async function sealSegments(
  segments: LogSegments,
  now: number,
): Promise<{ segments: readonly SealedSegment[]; problems?: readonly string[] } | undefined> {
  const names = await segments.list();
  const last = names.at(-1);
  if (last === undefined) return undefined;
  const found = await verify(segments.read(last), { open: true });
  if (!found.sealed && found.problems.length === 0) {
    const target = segments.reopen(last, found.wholeBytes);
    target.write(Buffer.from(new Chain(found.state).seal(now, '').line));
    await target.finish();
  }
  const checked = await verifySegments(segments);
  const problems = [
    ...checked.problems.map(({ message }) => message),
    ...checked.segments.flatMap(({ segment, verification }) =>
      verification.problems.map(({ message }) => `segment ${segment}: ${message}`),
    ),
  ];
  return {
    segments: checked.segments.map(({ segment, verification: { digest, lines } }) => ({
      segment,
      lines,
      ...(digest === undefined ? {} : { digest }),
    })),
    ...(problems.length === 0 ? {} : { problems }),
  };
}

interface Previous {
  readonly segment: string;
  readonly digest?: string;
  readonly damaged?: string;
}

function segmentName(number: number): string {
  return String(number).padStart(4, '0');
}

export interface SegmentsVerification {
  readonly ok: boolean;
  readonly segments: readonly { readonly segment: string; readonly verification: Verification }[];
  /** Of the order and the links between segments; those inside one are in its verification. */
  readonly problems: readonly Pick<Problem, 'what' | 'message'>[];
}

/** All segments, each by itself and each bound to the one before. */
export async function verifySegments(segments: Pick<LogSegments, 'list' | 'read'>): Promise<SegmentsVerification> {
  const names = await segments.list();
  const results: { segment: string; verification: Verification }[] = [];
  const problems: Pick<Problem, 'what' | 'message'>[] = [];
  let previous: { segment: string; digest: string | undefined } | undefined;
  for (const segment of names) {
    const verification = await verify(segments.read(segment));
    results.push({ segment, verification });
    const due = segmentName(previous === undefined ? 1 : Number(previous.segment) + 1);
    if (segment !== due) {
      problems.push({ what: 'missing', message: `segment ${due} is missing: the next one is ${segment}` });
    }
    const claimed = verification.opening?.previous as Previous | null | undefined;
    if ((claimed?.digest ?? undefined) !== (segment === due ? previous?.digest : undefined)) {
      const message = `segment ${segment} follows one with digest ${claimed?.digest ?? 'none'}, not ${previous?.digest ?? 'none'}`;
      problems.push({ what: 'changed', message });
    }
    if (claimed?.damaged !== undefined) {
      const message = `segment ${claimed.segment} was found damaged before ${segment} began`;
      problems.push({ what: 'missing', message });
    }
    previous = { segment, digest: verification.digest };
  }
  const ok = problems.length === 0 && results.every((one) => one.verification.ok);
  return { ok, segments: results, problems };
}
