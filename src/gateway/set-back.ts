// Whether the store has what the log says was there: a store.db that was lost, came from an older backup, or lost its journal
// (store.db-wal) starts as well as any, without revocations, legal holds and grants of since. Refuses to know: SQL, files.

import type { Log } from '../core/log.ts';
import type { AuditLog, LogReader } from '../session/log/audit.ts';
import type { SessionStore } from '../session/records.ts';

/** Entries at the log's end that are looked through for a session. */
const LOOKED_THROUGH = 10_000;

/** Says so in the log, and on record. Errors: `store_failed`, those of reading the log. */
export async function tellSetBack(audit: AuditLog & LogReader, sessions: SessionStore, log: Log): Promise<void> {
  let last: { session: string; at: string } | undefined;
  for await (const { kind, at, fields } of audit.entries(Math.max(0, audit.size - LOOKED_THROUGH))) {
    // Sealed: it was in the store before its first statement. One that was let in may not have come so far.
    if (kind === 'recording' && typeof fields.digest === 'string') last = { session: String(fields.session), at };
  }
  if (last === undefined || (await sessions.get(last.session)) !== undefined) return;
  const { session, at } = last;
  log.error(
    { session, at },
    `the store is not the one of before, or an older state of it: it does not have session ${session}, sealed at ${at}. Revocations, users, grants and legal holds of until then may be missing: compare them with the log`,
  );
  audit.append('failure', { what: 'the store was lost or set back', missing: session, sealedAt: at });
}
