// What the embedded issuer keeps: codes, tokens, grants, sessions, under oidc-provider's names.
// Refuses to know: what any of them means.

import type { Clock } from '../core/clock.ts';
import type { OidcPayload, OidcStore } from '../session/identity/stores.ts';
import { asking, type Database, orNull } from './database.ts';
import type { OidcRow } from './tables.ts';

export class OidcTable implements OidcStore {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  async upsert(model: string, id: string, payload: OidcPayload, expiresIn: number | undefined): Promise<void> {
    const account = payload.accountId;
    const values = {
      payload: JSON.stringify(payload),
      grant_id: orNull(payload.grantId),
      user_code: orNull(payload.userCode),
      uid: orNull(payload.uid),
      account_id: typeof account === 'string' ? account : null,
      consumed_at: null,
      expires_at: expiresIn ? this.#clock.now() + expiresIn * 1000 : null,
    };
    await asking(`keep a ${model}`, () =>
      this.#db
        .insertInto('oidc')
        .values({ model, id, ...values })
        // A consumed code stays consumed, whatever is written over it.
        .onConflict((conflict) =>
          conflict
            .columns(['model', 'id'])
            .doUpdateSet(({ ref }) => ({ ...values, consumed_at: ref('oidc.consumed_at') })),
        )
        .execute(),
    );
  }

  find(model: string, id: string): Promise<OidcPayload | undefined> {
    return this.#find(model, 'id', id);
  }

  findByUserCode(model: string, userCode: string): Promise<OidcPayload | undefined> {
    return this.#find(model, 'user_code', userCode);
  }

  findByUid(model: string, uid: string): Promise<OidcPayload | undefined> {
    return this.#find(model, 'uid', uid);
  }

  async consume(model: string, id: string): Promise<boolean> {
    const { numUpdatedRows } = await asking(`consume a ${model}`, () =>
      this.#db
        .updateTable('oidc')
        .set({ consumed_at: this.#clock.now() })
        .where('model', '=', model)
        .where('id', '=', id)
        .where('consumed_at', 'is', null)
        .executeTakeFirst(),
    );
    return numUpdatedRows > 0n;
  }

  async destroy(model: string, id: string): Promise<void> {
    await asking(`remove a ${model}`, () =>
      this.#db.deleteFrom('oidc').where('model', '=', model).where('id', '=', id).execute(),
    );
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await asking('revoke a login', () => this.#db.deleteFrom('oidc').where('grant_id', '=', grantId).execute());
  }

  async revokeByAccountId(accountId: string): Promise<void> {
    await asking('revoke all logins', () => this.#db.deleteFrom('oidc').where('account_id', '=', accountId).execute());
  }

  purge(now: number): Promise<number> {
    return asking('remove what has expired', async () => {
      const gone = await this.#db.deleteFrom('oidc').where('expires_at', '<=', now).executeTakeFirst();
      return Number(gone.numDeletedRows);
    });
  }

  async #find(model: string, column: 'id' | 'user_code' | 'uid', value: string): Promise<OidcPayload | undefined> {
    const row: Pick<OidcRow, 'payload' | 'consumed_at' | 'expires_at'> | undefined = await asking(
      `look up a ${model}`,
      () =>
        this.#db
          .selectFrom('oidc')
          .select(['payload', 'consumed_at', 'expires_at'])
          .where('model', '=', model)
          .where(column, '=', value)
          .executeTakeFirst(),
    );
    if (row === undefined || (row.expires_at !== null && row.expires_at <= this.#clock.now())) return undefined;
    const payload = JSON.parse(row.payload) as OidcPayload;
    return row.consumed_at === null ? payload : { ...payload, consumed: Math.floor(row.consumed_at / 1000) };
  }
}
