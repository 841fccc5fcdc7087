// The record of a span of time in one pass over the log: its entries up to the end of the span, and each session that ran in
// it, once, when its recording is over. Holds the sessions that are open at a time. Refuses to know: what is made of it.

import type { LogEntry } from '../log/audit.ts';
import { begins, ends, sessionOf } from '../recorder/follow.ts';
import type { LogFollowing } from '../recorder/follow-source.ts';

/** Clocks go back now and then. */
const SLACK_MS = 60_000;

/** A session that ran at some time of the span. */
export interface RanSession {
  readonly session: string;
  /** The entry that let it in. */
  readonly letIn: LogEntry;
  /** The entry that seals its recording; undefined: not over, or nothing says how it ended. */
  readonly sealed: LogEntry | undefined;
}

export type Walked = { readonly entry: LogEntry; readonly within: boolean } | { readonly ran: RanSession };

export interface Span {
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

export async function* walkRecord(source: Pick<LogFollowing, 'entries'>, { from, to }: Span): AsyncGenerator<Walked> {
  const open = new Map<string, LogEntry>();
  for await (const entry of source.entries(0)) {
    const at = Date.parse(entry.at);
    if (at >= to + SLACK_MS && open.size === 0) return;
    const session = sessionOf(entry);
    if (session !== undefined && begins(entry) && at < to) open.set(session, entry);
    const letIn = session === undefined ? undefined : open.get(session);
    if (letIn !== undefined && ends(entry)) {
      open.delete(session!);
      const sealed = typeof entry.fields.digest === 'string' && entry.kind === 'recording' ? entry : undefined;
      if (lastOf(entry) >= from) yield { ran: { session: session!, letIn, sealed } };
    }
    if (entry.kind === 'start') {
      // The start before it has told of all that was left open: what is still here was never sealed.
      for (const [left, begun] of open)
        if (at >= from) yield { ran: { session: left, letIn: begun, sealed: undefined } };
      open.clear();
    }
    if (at < to) yield { entry, within: at >= from };
  }
  for (const [session, letIn] of open) yield { ran: { session, letIn, sealed: undefined } };
}

/** When the session was over: one that a later start sealed ran no longer than its last line says. */
function lastOf({ at, fields }: LogEntry): number {
  const last = fields.salvaged === undefined ? Number.NaN : Date.parse(String(fields.lastAt));
  return Number.isNaN(last) ? Date.parse(at) : last;
}
