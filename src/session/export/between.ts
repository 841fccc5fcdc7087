// The record of a span of time, once: for whoever takes a copy. Recordings that were sealed before it are not opened.
// Refuses to know: formats, who asks.

import { begins, ends, eventOf, logEvent, logId, logName, type RecordEvent, sessionOf } from '../recorder/follow.ts';
import type { LogFollowing } from '../recorder/follow-source.ts';

export interface Span {
  /** Milliseconds since the epoch; included. */
  readonly since: number;
  /** Not included. */
  readonly until: number;
}

/** `wanted`: whether anything of a session's recording is; it is not opened otherwise. In the order of a follower. Holds the ids of sessions that are open at a time in memory, and one line. */
export async function* recordBetween(
  source: LogFollowing,
  { since, until }: Span,
  wanted: (session: string) => boolean = () => true,
): AsyncGenerator<RecordEvent> {
  const open = new Set<string>();
  /** Told where a start left them; a later one may seal them all the same: the line after the last that was told. */
  const left = new Map<string, number>();
  let log: string | undefined;
  async function* lines(session: string): AsyncGenerator<RecordEvent> {
    const from = left.get(session) ?? 0;
    for await (const { line } of source.lines(session, { seq: from, byte: 0 })) {
      const at = Date.parse(line.at);
      if (at >= until) return;
      if (left.has(session)) left.set(session, line.seq + 1);
      if (at >= since) yield eventOf(session, line);
    }
  }
  for await (const entry of source.entries(0)) {
    const at = Date.parse(entry.at);
    // Clocks go back now and then: a minute later it is certain.
    if (at >= until + 60_000) break;
    const session = sessionOf(entry);
    const mine = session !== undefined && wanted(session);
    if (mine && begins(entry) && at < until) open.add(session);
    const over = mine && ends(entry) ? [session] : entry.kind === 'start' ? [...open] : [];
    if (entry.kind === 'start') for (const one of open) left.set(one, 0);
    for (const one of over) {
      if (at >= since) yield* lines(one);
      open.delete(one);
    }
    if (at < since || at >= until) continue;
    log ??= logId(await logName(source));
    yield logEvent(log, entry);
  }
  for (const session of open) yield* lines(session);
}
