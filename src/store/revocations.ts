// Revoked principals and tokens. Refuses to know: what a token looks like.

import type { Revocation, RevocationStore } from '../session/identity/stores.ts';
import type { Announcements } from './announcements.ts';
import { asking, type Database, optional, orNull } from './database.ts';

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

  remove(issuer: string, subject: string): Promise<boolean> {
    return asking(`take back the revocation of "${subject}"`, async () => {
      const { numDeletedRows } = await this.#db
        .deleteFrom('revocations')
        .where('issuer', '=', issuer)
        .where('subject', '=', subject)
        .executeTakeFirst();
      this.#tell('revocations');
      return numDeletedRows > 0n;
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
      return rows.map((row) => row.jti);
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
