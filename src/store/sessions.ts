// The index of sessions. Refuses to know: live sessions, recordings.

import type { KillRequest } from '../session/fleet-store.ts';
import type { Principal } from '../session/identity/principal.ts';
import type { SessionChange, SessionFilter, SessionRecord, SessionStore } from '../session/records.ts';
import type { Announcements } from './announcements.ts';
import { asking, type Database, json, optional, orNull, parsed } from './database.ts';
import type { SessionRow } from './tables.ts';

const DEFAULT_LIMIT = 100;

export class Sessions implements SessionStore {
  readonly #db: Database;
  readonly #tell: Announcements['tell'];

  constructor(db: Database, tell: Announcements['tell']) {
    this.#db = db;
    this.#tell = tell;
  }

  async add(record: SessionRecord): Promise<void> {
    await asking(`keep session ${record.id}`, () => this.#db.insertInto('sessions').values(toRow(record)).execute());
  }

  async update(id: string, change: SessionChange): Promise<void> {
    const values: Partial<SessionRow> = {
      ended_at: change.endedAt,
      state: change.state,
      end_code: change.endCode,
      end_message: change.endMessage,
      operations: change.operations,
      denied: change.denied,
      from_client: change.fromClient,
      to_client: change.toClient,
      bytes: change.bytes,
      lines: change.lines,
      digest: change.digest,
      sealed: change.sealed === undefined ? undefined : Number(change.sealed),
      record: change.unrecorded === true ? 'unrecorded' : undefined,
      exempt: change.exempt === undefined ? undefined : json(change.exempt),
    };
    if (Object.values(values).every((value) => value === undefined)) return;
    await asking(`change session ${id}`, () =>
      this.#db.updateTable('sessions').set(values).where('id', '=', id).execute(),
    );
  }

  get(id: string): Promise<SessionRecord | undefined> {
    return asking(`look up session ${id}`, async () => {
      const row = await this.#db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? undefined : toRecord(row);
    });
  }

  list(filter: SessionFilter = {}): Promise<readonly SessionRecord[]> {
    const { state, connection, who, owner, before, behind, since, gateway, limit } = filter;
    let query = this.#db.selectFrom('sessions').selectAll();
    if (state !== undefined) query = query.where('state', '=', state);
    if (connection !== undefined) query = query.where('connection', '=', connection);
    if (who !== undefined) query = query.where(({ or, eb }) => or([eb('subject', '=', who), eb('email', '=', who)]));
    if (owner !== undefined) query = query.where('issuer', '=', owner.issuer).where('subject', '=', owner.subject);
    if (before !== undefined) query = query.where('started_at', '<', before);
    if (behind !== undefined) {
      const { startedAt, id } = behind;
      query = query.where(({ or, and, eb }) =>
        or([eb('started_at', '<', startedAt), and([eb('started_at', '=', startedAt), eb('id', '<', id)])]),
      );
    }
    if (since !== undefined) {
      query = query.where(({ or, eb }) => or([eb('ended_at', 'is', null), eb('ended_at', '>=', since)]));
    }
    if (gateway !== undefined) {
      query = query.where(({ or, eb }) => or([eb('gateway', '=', gateway), eb('gateway', 'is', null)]));
    }
    return asking('list the sessions', async () => {
      const rows = await query
        .orderBy('started_at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit ?? DEFAULT_LIMIT)
        .execute();
      return rows.map(toRecord);
    });
  }

  async requestKill({ session, by, reason }: KillRequest): Promise<boolean> {
    const { numUpdatedRows } = await asking(`ask for the end of session ${session}`, () =>
      this.#db
        .updateTable('sessions')
        .set({ kill_by: by, kill_reason: orNull(reason) })
        .where('id', '=', session)
        .where('state', '=', 'open')
        .executeTakeFirst(),
    );
    this.#tell('kills');
    return numUpdatedRows > 0n;
  }

  killRequests(gateway: string): Promise<readonly KillRequest[]> {
    return asking('look for sessions to end', async () => {
      const rows = await this.#db
        .selectFrom('sessions')
        .select(['id', 'kill_by', 'kill_reason'])
        .where('state', '=', 'open')
        .where('gateway', '=', gateway)
        .where('kill_by', 'is not', null)
        .execute();
      return rows.map((row) => ({ session: row.id, by: row.kill_by!, ...optional('reason', row.kill_reason) }));
    });
  }

  async reopen(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await asking('note that sessions live', () =>
      this.#db
        .updateTable('sessions')
        .set({ state: 'open', ended_at: null, end_code: null, end_message: null })
        .where('id', 'in', ids)
        .where('state', '=', 'interrupted')
        .execute(),
    );
  }
}

function toRow(record: SessionRecord): SessionRow {
  return {
    id: record.id,
    issuer: record.principal.issuer,
    subject: record.principal.subject,
    email: orNull(record.principal.email),
    principal: JSON.stringify(record.principal),
    connection: record.connection,
    protocol: record.protocol,
    client: record.client,
    via: orNull(record.via),
    reason: orNull(record.reason),
    grant_id: orNull(record.grant),
    exempt: json(record.exempt),
    started_at: record.startedAt,
    ended_at: orNull(record.endedAt),
    state: record.state,
    end_code: orNull(record.endCode),
    end_message: orNull(record.endMessage),
    operations: record.operations,
    denied: record.denied,
    from_client: record.fromClient,
    to_client: record.toClient,
    bytes: record.bytes,
    lines: orNull(record.lines),
    digest: orNull(record.digest),
    sealed: Number(record.sealed),
    gateway: orNull(record.gateway),
    kill_by: null,
    kill_reason: null,
    record: record.unrecorded === true ? 'unrecorded' : record.bestEffort === true ? 'best-effort' : null,
    labels: json(record.labels),
    stored: orNull(record.stored),
    purge_state: null,
    purge: null,
  };
}

export function toRecord(row: SessionRow): SessionRecord {
  return {
    id: row.id,
    principal: JSON.parse(row.principal) as Principal,
    connection: row.connection,
    protocol: row.protocol,
    client: row.client,
    ...optional('via', row.via),
    ...optional('reason', row.reason),
    ...optional('grant', row.grant_id),
    ...parsed('exempt', row.exempt),
    startedAt: row.started_at,
    ...optional('endedAt', row.ended_at),
    state: row.state as SessionRecord['state'],
    ...optional('endCode', row.end_code),
    ...optional('endMessage', row.end_message),
    operations: row.operations,
    denied: row.denied,
    fromClient: row.from_client,
    toClient: row.to_client,
    bytes: row.bytes,
    ...optional('lines', row.lines),
    ...optional('digest', row.digest),
    sealed: row.sealed === 1,
    ...optional('gateway', row.gateway),
    ...(row.record === null ? {} : { bestEffort: true, unrecorded: row.record === 'unrecorded' }),
    ...parsed('labels', row.labels),
    ...optional('stored', row.stored as 'both' | 'object' | null),
    ...(row.purge === null ? {} : { purge: { ...JSON.parse(row.purge), state: row.purge_state } }),
  };
}
