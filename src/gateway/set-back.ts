// Whether the store and the log are of one time: a store.db that was lost, came from an older backup, or lost its journal
// (store.db-wal) starts as well as any, without revocations, legal holds and grants of since; so does an older log that came back
// with the keys that signed it. Refuses to know: SQL, files.

import type { Log } from '../core/log.ts';
import type { AuditLog, LogReader } from '../session/log/audit.ts';
import type { SessionStore } from '../session/records.ts';

/** Entries at the log's end that are looked through for sessions. */
const LOOKED_THROUGH = 10_000;

/** Sessions that are looked through in the store, those that began last. */
const SESSIONS = 100;

export interface SetBackOptions {
  readonly audit: AuditLog & LogReader;
  readonly sessions: Pick<SessionStore, 'get' | 'list'>;
  readonly log: Log;
  /** Whose log it is. */
  readonly gateway: string;
}

/** Sessions that the log says were sealed. */
interface Sealed {
  /** When, by session. */
  readonly at: ReadonlyMap<string, string>;
  /** The one that was sealed last. */
  readonly last: string | undefined;
  /** When the first entry that was looked at was written, ms: of what was before it nothing is known. */
  readonly since: number;
}

/** Says so in the log, and on record. Errors: `store_failed`, those of reading the log. */
export async function tellSetBack(options: SetBackOptions): Promise<void> {
  const sealed = await sealedOf(options.audit);
  await tellStore(options, sealed);
  await tellLog(options, sealed);
}

async function sealedOf(audit: LogReader): Promise<Sealed> {
  const at = new Map<string, string>();
  let last: string | undefined;
  let since = 0;
  for await (const entry of audit.entries(Math.max(0, audit.size - LOOKED_THROUGH))) {
    if (since === 0) since = Date.parse(entry.at);
    // Sealed: it was in the store before its first statement. One that was let in may not have come so far.
    if (entry.kind !== 'recording' || typeof entry.fields.digest !== 'string') continue;
    last = String(entry.fields.session);
    at.set(last, entry.at);
  }
  return { at, last, since };
}

async function tellStore({ audit, sessions, log }: SetBackOptions, sealed: Sealed): Promise<void> {
  const session = sealed.last;
  if (session === undefined || (await sessions.get(session)) !== undefined) return;
  const at = sealed.at.get(session);
  log.error(
    { session, at },
    `the store is not the one of before, or an older state of it: it does not have session ${session}, sealed at ${at}. Revocations, users, grants and legal holds of until then may be missing: compare them with the log`,
  );
  audit.append('failure', { what: 'the store was lost or set back', missing: session, sealedAt: at });
}

/** The store is told of an end after the log: what it has and the log has not was in a log that is not this one. */
async function tellLog({ audit, sessions, log, gateway }: SetBackOptions, { at, since }: Sealed): Promise<void> {
  let last: { readonly id: string; readonly endedAt: number } | undefined;
  for (const { id, sealed, endedAt, ...record } of await sessions.list({ gateway, limit: SESSIONS })) {
    if (record.gateway !== gateway || !sealed || endedAt === undefined || endedAt <= since) continue;
    if (last === undefined || endedAt > last.endedAt) last = { id, endedAt };
  }
  if (last === undefined || at.has(last.id)) return;
  const [session, endedAt] = [last.id, new Date(last.endedAt).toISOString()];
  log.error(
    { session, at: endedAt },
    `the log is not the one of before, or an older state of it: it does not have session ${session}, which the store says was sealed at ${endedAt}. Entries of until then are missing: "hoopctl audit verify --since CHECKPOINT" says which, against a checkpoint that was kept elsewhere`,
  );
  audit.append('failure', { what: 'the log was lost or set back', missing: session, sealedAt: endedAt });
}
