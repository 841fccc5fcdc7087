// Revoked principals and tokens. Refuses to know: what a token looks like.

import type { Lifted, Revocation, RevocationStore } from '../session/identity/stores.ts';
import type { Announcements } from './announcements.ts';
import { asking, type Database, optional, orNull } from './database.ts';

/** Longer than any token lasts. */
const REMEMBER_MS = 30 * 86_400_000;
/** What is kept of one that was taken back, among the ids of tokens, which are UUIDs and never begin so. */
const LIFTED = '[';

export class RevocationTable implements RevocationStore {
  readonly #db: Database;
  readonly #tell: Announcements['tell'];

  constructor(db: Database, tell: Announcements['tell']) {
    this.#db = db;
    this.#tell = tell;
  }

  async add(revocation: Revocation): Promise<void> {
    const { issuer, subject, reason, by, at } = revocation;
    const values = { reason: orNull(reason), revoked_by: by, at };
    await asking(`revoke "${subject}"`, () =>
      this.#db
        .insertInto('revocations')
        .values({ issuer, subject, ...values })
        .onConflict((conflict) => conflict.columns(['issuer', 'subject']).doUpdateSet(values))
        .execute(),
    );
    this.#tell('revocations');
  }

  remove(issuer: string, subject: string): Promise<number | undefined> {
    return asking(`take back the revocation of "${subject}"`, async () => {
      const removed = await this.#db.transaction().execute(async (transaction) => {
        const gone = await transaction
          .deleteFrom('revocations')
          .where('issuer', '=', issuer)
          .where('subject', '=', subject)
          .returning('at')
          .executeTakeFirst();
        if (gone === undefined) return undefined;
        await transaction
          .insertInto('revoked_tokens')
          .values({ jti: JSON.stringify([issuer, subject, gone.at]), expires_at: gone.at + REMEMBER_MS })
          .onConflict((conflict) => conflict.column('jti').doNothing())
          .execute();
        return gone.at;
      });
      this.#tell('revocations');
      return removed;
    });
  }

  list(): Promise<readonly Revocation[]> {
    return asking('list the revocations', async () => {
      const rows = await this.#db.selectFrom('revocations').selectAll().orderBy('at', 'desc').execute();
      return rows.map(({ issuer, subject, reason, revoked_by, at }) => ({
        issuer,
        subject,
        ...optional('reason', reason),
        by: revoked_by,
        at,
      }));
    });
  }

  async revokeToken(jti: string, expiresAt: number): Promise<void> {
    await asking('revoke a token', () =>
      this.#db
        .insertInto('revoked_tokens')
        .values({ jti, expires_at: expiresAt })
        .onConflict((conflict) => conflict.column('jti').doNothing())
        .execute(),
    );
    this.#tell('revocations');
  }

  revokedTokens(now: number): Promise<readonly string[]> {
    return asking('list the revoked tokens', async () => {
      const rows = await this.#db.selectFrom('revoked_tokens').select('jti').where('expires_at', '>', now).execute();
      return rows.map((row) => row.jti).filter((jti) => !jti.startsWith(LIFTED));
    });
  }

  lifted(now: number): Promise<readonly Lifted[]> {
    return asking('list the revocations that were taken back', async () => {
      const rows = await this.#db.selectFrom('revoked_tokens').select('jti').where('expires_at', '>', now).execute();
      return rows
        .filter(({ jti }) => jti.startsWith(LIFTED))
        .map(({ jti }) => JSON.parse(jti) as [string, string, number])
        .map(([issuer, subject, at]) => ({ issuer, subject, at }));
    });
  }

  /** Forgets tokens that have expired by themselves; returns how many. */
  purge(now: number): Promise<number> {
    return asking('forget expired tokens', async () => {
      const gone = await this.#db.deleteFrom('revoked_tokens').where('expires_at', '<=', now).executeTakeFirst();
      return Number(gone.numDeletedRows);
    });
  }
}
