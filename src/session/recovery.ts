// At start, before anybody may connect: what the last process left open is salvaged, marked in the store, and put into the
// log (promise 10). Refuses to know: where any of it is kept.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Alerts } from './alerts.ts';
import type { Approvals } from './approvals/approvals.ts';
import type { AuditLog } from './log/audit.ts';
import { type Salvaged, salvage } from './recorder/salvage.ts';
import type { RecordingSink } from './recorder/sink.ts';
import { readRecording } from './recorder/stored.ts';
import { verify } from './recorder/verify.ts';
import type { SessionChange, SessionStore } from './records.ts';

export interface RecoveryOptions {
  readonly sink: RecordingSink;
  readonly store: SessionStore;
  readonly approvals: Approvals;
  readonly audit: AuditLog;
  readonly alerts?: Alerts;
  readonly clock: Clock;
  readonly log: Log;
  /** Only what this gateway left; undefined: all. */
  readonly gateway?: string;
}

export interface Recovered {
  readonly recordings: readonly Salvaged[];
  /** Sessions that the store thought open and of which there was no open recording. */
  readonly lost: readonly string[];
  /** Reviews that nobody waits for any more. */
  readonly reviews: number;
}

const INTERRUPTED = 'the gateway stopped without sealing it';
const ABANDONED = 'the record could not be written';

/** Errors: `store_failed`, `recording_failed` (of the log). A bad recording is no error: it is in the answer. */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { sink, store, approvals, audit, clock, log, gateway } = options;
  const of = gateway === undefined ? {} : { gateway };
  const recordings = [
    ...(await salvage(sink, await sink.unfinished(), { now: () => clock.now(), reason: INTERRUPTED })),
  ];
  for (const one of recordings) await tell(options, one);
  const lost: string[] = [];
  for (const { id } of await store.list({ state: 'open', limit: 1_000_000, ...of })) {
    const sealed = await sealedSince(sink, id);
    if (sealed !== undefined) {
      recordings.push(sealed);
      await tell(options, sealed);
      continue;
    }
    lost.push(id);
    const endMessage = 'the gateway stopped; no open recording of it was found';
    await store.update(id, { state: 'interrupted', endedAt: clock.now(), endCode: 'internal', endMessage });
    audit.append('failure', { session: id, what: 'recording missing at start' });
    log.error({ session: id }, `session ${id} was open, but has no open recording`);
    alert(options, id, `session ${id} was open, but has no recording`);
  }
  return { recordings, lost, reviews: await approvals.closeOrphans({ gateway }) };
}

/**
 * Recordings of this process that could not be sealed at their end: once more, now that the place works again. Each is tried
 * once; what fails again is left to the next start. Errors: as `recover`.
 */
export async function recoverAbandoned(options: Omit<RecoveryOptions, 'approvals'>): Promise<void> {
  const { sink, clock } = options;
  if (sink.suspect || sink.health.state !== 'ok') return;
  const left = sink.abandoned();
  if (left.length === 0) return;
  for (const one of await salvage(sink, left, { now: () => clock.now(), reason: ABANDONED })) await tell(options, one);
}

async function tell({ store, audit, clock, log, ...rest }: Omit<RecoveryOptions, 'approvals'>, one: Salvaged) {
  const { session, outcome, message, digest, lines, bytes, cut, where, lastAt } = one;
  const bad = outcome === 'quarantined' || outcome === 'failed';
  log[bad ? 'error' : 'warn']({ session, outcome }, message);
  audit.append(bad ? 'failure' : 'recording', {
    session,
    salvaged: outcome,
    digest,
    lines,
    bytes,
    cut,
    where,
    lastAt,
    message,
  });
  if (bad) alert(rest, session, message);
  await store.update(session, changeOf(one, clock.now()));
}

function alert({ alerts }: Pick<RecoveryOptions, 'alerts'>, session: string, message: string): void {
  alerts?.raise({ type: 'recording.failed', key: `${session}:salvage`, data: { session, message } });
}

/** Killed after a recording was sealed, and before the log and the store were told. */
async function sealedSince(sink: RecordingSink, session: string): Promise<Salvaged | undefined> {
  try {
    const found = await verify(readRecording(sink, session), { session });
    if (!found.ok || !found.sealed) return undefined;
    const { digest, lines, bytes, lastAt } = found;
    const message = `the recording of ${session} was sealed already`;
    return {
      session,
      outcome: 'complete',
      message,
      digest: digest!,
      lines,
      bytes,
      ...(lastAt === undefined ? {} : { lastAt }),
    };
  } catch {
    return undefined;
  }
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
