// Grants. They are written together with the review that approved them (reviews.ts). Refuses to know: who may have one.

import { userError } from '../core/errors.ts';
import type { Grant, GrantFilter, GrantStore } from '../session/approvals/types.ts';
import { asking, type Database, optional, orNull } from './database.ts';
import type { GrantRow } from './tables.ts';

export class GrantTable implements GrantStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  get(id: string): Promise<Grant | undefined> {
    return asking(`look up grant "${id}"`, async () => {
      const row = await this.#db.selectFrom('grants').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? undefined : toGrant(row);
    });
  }

  list(filter: GrantFilter = {}): Promise<readonly Grant[]> {
    const { issuer, subject, connection, activeAt, revokedAfter } = filter;
    let query = this.#db.selectFrom('grants').selectAll();
    if (issuer !== undefined) query = query.where('issuer', '=', issuer);
    if (subject !== undefined) query = query.where('subject', '=', subject);
    if (connection !== undefined) query = query.where('connection', '=', connection);
    if (activeAt !== undefined) {
      query = query.where('starts_at', '<=', activeAt).where('ends_at', '>', activeAt).where('revoked_at', 'is', null);
    }
    if (revokedAfter !== undefined) query = query.where('revoked_at', '>', revokedAfter);
    return asking('list the grants', async () => {
      const rows = await query.orderBy('starts_at', 'desc').orderBy('id').limit(1000).execute();
      return rows.map(toGrant);
    });
  }

  async revoke(id: string, by: string, reason: string | undefined, now: number): Promise<boolean> {
    const { numUpdatedRows } = await asking(`revoke grant "${id}"`, () =>
      this.#db
        .updateTable('grants')
        .set({ revoked_at: now, revoked_by: by, revoked_reason: orNull(reason) })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .where('ends_at', '>', now)
        .executeTakeFirst(),
    );
    if (numUpdatedRows > 0n) return true;
    if ((await this.get(id)) === undefined) throw userError('not_found', `there is no grant "${id}"`);
    return false;
  }
}

export function grantToRow(grant: Grant): GrantRow {
  return {
    id: grant.id,
    issuer: grant.issuer,
    subject: grant.subject,
    actor: orNull(grant.actor),
    principal: grant.principal,
    connection: grant.connection,
    review: grant.review,
    starts_at: grant.startsAt,
    ends_at: grant.endsAt,
    break_glass: grant.breakGlass === true ? 1 : 0,
    revoked_at: orNull(grant.revokedAt),
    revoked_by: orNull(grant.revokedBy),
    revoked_reason: orNull(grant.revokedReason),
  };
}

function toGrant(row: GrantRow): Grant {
  return {
    id: row.id,
    issuer: row.issuer,
    subject: row.subject,
    ...optional('actor', row.actor),
    principal: row.principal,
    connection: row.connection,
    review: row.review,
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    ...(row.break_glass === 1 ? { breakGlass: true } : {}),
    ...optional('revokedAt', row.revoked_at),
    ...optional('revokedBy', row.revoked_by),
    ...optional('revokedReason', row.revoked_reason),
  };
}
