// What surrounds an operation that is held: what a reviewer is shown of it, and the lines that its client gets meanwhile.
// Refuses to know: how a review is decided (approvals/), wire formats.

import type { Clock } from '../core/clock.ts';
import type { Facts, Operation } from '../protocol/contract.ts';
import type { Held } from './approvals/approvals.ts';
import { type Exactly, missing } from './approvals/rules.ts';
import type { Touches } from './approvals/types.ts';

/** The client hears after this long that it still waits, and then again after twice as long each time, up to the last. */
const FIRST_REMINDER_MS = 15_000;
const LAST_REMINDER_MS = 120_000;

/** What runs: an operation's own text, and those that it executes by name. */
export function wholeText({ text, executes }: Pick<Operation, 'text' | 'executes'>): string {
  return executes === undefined ? text : `${text}\n/* executes: */ ${executes}`;
}

/** What an approval of it is for. */
export function boundOf(operation: Operation): Exactly & Pick<Operation, 'exact' | 'shape'> {
  const { bytes, params, forms, exact, shape } = operation;
  return { text: wholeText(operation), bytes, params, forms, exact, shape };
}

/** What an operation touches, all its parts together: names, no values. */
export function touchesOf(parts: readonly Facts[]): Touches {
  const relation = ({ schema, name }: { schema?: string; name: string }) => (schema ? `${schema}.${name}` : name);
  const relations = parts.flatMap((part) => part.relations);
  const opaque = parts.find((part) => part.opaque !== undefined)?.opaque;
  return {
    does: [...new Set(parts.flatMap((part) => part.does))],
    reads: [...new Set(relations.filter((use) => use.read).map(relation))],
    writes: [...new Set(relations.filter((use) => use.written).map(relation))],
    functions: [...new Set(parts.flatMap((part) => part.functions))],
    ...(opaque === undefined ? {} : { opaque }),
  };
}

/** Calls `tell` with the number of approvals so far: when one more is there, and now and then while nothing happens. */
export function remind(held: Held, count: number, clock: Clock, tell: (approvals: number) => void): void {
  let approvals = 0;
  let pause = FIRST_REMINDER_MS;
  let timer: NodeJS.Timeout | undefined;
  const arm = () => {
    timer = setTimeout(() => {
      // Whoever has a second left hears how it ends instead.
      if (clock.now() + 1000 < held.expiresAt) tell(approvals);
      pause = Math.min(pause * 2, LAST_REMINDER_MS);
      arm();
    }, pause);
    timer.unref();
  };
  held.onProgress((review) => {
    approvals = count - missing(review);
    tell(approvals);
  });
  arm();
  void held.settled.then(() => clearTimeout(timer));
}
