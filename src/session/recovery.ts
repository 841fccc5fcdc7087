// At start, before anybody may connect: what the last process left open is salvaged, marked in the store, and put into the
// log (promise 10). Refuses to know: where any of it is kept.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Approvals } from './approvals/approvals.ts';
import type { AuditLog } from './recorder/log.ts';
import { type Salvaged, salvage } from './recorder/salvage.ts';
import type { RecordingSink } from './recorder/sink.ts';
import type { SessionChange, SessionStore } from './records.ts';

export interface RecoveryOptions {
  readonly sink: RecordingSink;
  readonly store: SessionStore;
  readonly approvals: Approvals;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Recovered {
  readonly recordings: readonly Salvaged[];
  /** Sessions that the store thought open and of which there was no open recording. */
  readonly lost: readonly string[];
  /** Reviews that nobody waits for any more. */
  readonly reviews: number;
}

const INTERRUPTED = 'the gateway stopped without sealing it';

/** Errors: `store_failed`, `recording_failed` (of the log). A bad recording is no error: it is in the answer. */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { sink, store, approvals, audit, clock, log } = options;
  const recordings = await salvage(sink, { now: () => clock.now(), reason: INTERRUPTED });
  for (const one of recordings) {
    const { session, outcome, message, digest, lines, bytes, cut, where } = one;
    const level = outcome === 'quarantined' || outcome === 'failed' ? 'error' : 'warn';
    log[level]({ session, outcome }, message);
    const kind = level === 'error' ? 'failure' : 'recording';
    audit.append(kind, { session, salvaged: outcome, digest, lines, bytes, cut, where, message });
    await store.update(session, changeOf(one, clock.now()));
  }
  const lost: string[] = [];
  for (const { id } of await store.list({ state: 'open', limit: 1_000_000 })) {
    lost.push(id);
    const endMessage = 'the gateway stopped; no open recording of it was found';
    await store.update(id, { state: 'interrupted', endedAt: clock.now(), endCode: 'internal', endMessage });
    audit.append('failure', { session: id, what: 'recording missing at start' });
    log.error({ session: id }, `session ${id} was open, but has no open recording`);
  }
  return { recordings, lost, reviews: await approvals.closeOrphans() };
}

function changeOf(one: Salvaged, now: number): SessionChange {
  const last = one.lastAt === undefined ? Number.NaN : Date.parse(one.lastAt);
  return {
    state: one.outcome === 'complete' ? 'ended' : 'interrupted',
    endedAt: Number.isNaN(last) ? now : last,
    endCode: one.outcome === 'complete' ? 'client_closed' : 'internal',
    endMessage: one.outcome === 'sealed' ? INTERRUPTED : one.message,
    sealed: one.digest !== undefined,
    ...(one.digest === undefined ? {} : { digest: one.digest }),
    ...(one.lines === undefined ? {} : { lines: one.lines }),
    ...(one.bytes === undefined ? {} : { bytes: one.bytes }),
  };
}
