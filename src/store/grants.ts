// Grants. They are written together with the review that approved them (reviews.ts). Refuses to know: who may have one.

import { userError } from '../core/errors.ts';
import type { Grant, GrantFilter, GrantStore } from '../session/approvals/types.ts';
import type { Announcements } from './announcements.ts';
import { asking, type Database, json, optional, orNull, parsed } from './database.ts';
import type { GrantRow } from './tables.ts';

export class GrantTable implements GrantStore {
  readonly #db: Database;
  readonly #tell: Announcements['tell'];

  constructor(db: Database, tell: Announcements['tell']) {
    this.#db = db;
    this.#tell = tell;
  }

  get(id: string): Promise<Grant | undefined> {
    return asking(`look up grant "${id}"`, async () => {
      const row = await this.#rows().where('grants.id', '=', id).executeTakeFirst();
      return row === undefined ? undefined : toGrant(row);
    });
  }

  list(filter: GrantFilter = {}): Promise<readonly Grant[]> {
    const { issuer, subject, connection, activeAt, revokedAmong, unmasking } = filter;
    let query = this.#rows();
    if (issuer !== undefined) query = query.where('grants.issuer', '=', issuer);
    if (subject !== undefined) query = query.where('grants.subject', '=', subject);
    if (connection !== undefined) query = query.where('grants.connection', '=', connection);
    if (activeAt !== undefined) {
      query = query.where('starts_at', '<=', activeAt).where('ends_at', '>', activeAt).where('revoked_at', 'is', null);
    }
    if (unmasking === true) query = query.where('grants.masks', 'is not', null);
    if (revokedAmong !== undefined)
      query = query.where('grants.id', 'in', revokedAmong).where('revoked_at', 'is not', null);
    return asking('list the grants', async () => {
      const rows = await query.orderBy('starts_at', 'desc').orderBy('grants.id').limit(1000).execute();
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
    if (numUpdatedRows > 0n) {
      this.#tell('grants');
      return true;
    }
    if ((await this.get(id)) === undefined) throw userError('not_found', `there is no grant "${id}"`);
    return false;
  }

  /** With why each was asked for, which its review has. */
  #rows() {
    return this.#db
      .selectFrom('grants')
      .leftJoin('reviews', 'reviews.id', 'grants.review')
      .selectAll('grants')
      .select('reviews.reason');
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
    masks: json(grant.masks),
    revoked_at: orNull(grant.revokedAt),
    revoked_by: orNull(grant.revokedBy),
    revoked_reason: orNull(grant.revokedReason),
  };
}

function toGrant(row: GrantRow & { readonly reason: string | null }): Grant {
  return {
    id: row.id,
    issuer: row.issuer,
    subject: row.subject,
    ...optional('actor', row.actor),
    principal: row.principal,
    connection: row.connection,
    review: row.review,
    ...optional('reason', row.reason),
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    ...(row.break_glass === 1 ? { breakGlass: true } : {}),
    ...parsed('masks', row.masks),
    ...optional('revokedAt', row.revoked_at),
    ...optional('revokedBy', row.revoked_by),
    ...optional('revokedReason', row.revoked_reason),
  };
}
