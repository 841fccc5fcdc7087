// Small named values. Refuses to know: what they are for.

import type { Clock } from '../core/clock.ts';
import type { KeyValue } from '../session/identity/stores.ts';
import { asking, type Database, orNull } from './database.ts';

export class KeyValues implements KeyValue {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  async get(key: string): Promise<string | undefined> {
    const row = await asking(`read "${key}"`, () =>
      this.#db.selectFrom('key_values').select(['value', 'expires_at']).where('key', '=', key).executeTakeFirst(),
    );
    if (row === undefined || (row.expires_at !== null && row.expires_at <= this.#clock.now())) return undefined;
    return row.value;
  }

  async set(key: string, value: string, expiresAt?: number): Promise<void> {
    const values = { value, expires_at: orNull(expiresAt) };
    await asking(`write "${key}"`, () =>
      this.#db
        .insertInto('key_values')
        .values({ key, ...values })
        .onConflict((conflict) => conflict.column('key').doUpdateSet(values))
        .execute(),
    );
  }

  async setIfAbsent(key: string, value: string): Promise<string> {
    await asking(`write "${key}"`, async () => {
      await this.#db
        .deleteFrom('key_values')
        .where('key', '=', key)
        .where('expires_at', '<=', this.#clock.now())
        .execute();
      await this.#db
        .insertInto('key_values')
        .values({ key, value, expires_at: null })
        .onConflict((conflict) => conflict.column('key').doNothing())
        .execute();
    });
    return (await this.get(key)) ?? value;
  }

  delete(key: string): Promise<boolean> {
    return asking(`remove "${key}"`, async () => {
      const { numDeletedRows } = await this.#db.deleteFrom('key_values').where('key', '=', key).executeTakeFirst();
      return numDeletedRows > 0n;
    });
  }

  list(prefix: string): Promise<readonly { readonly key: string; readonly value: string }[]> {
    return asking(`list "${prefix}"`, async () => {
      const now = this.#clock.now();
      const rows = await this.#db
        .selectFrom('key_values')
        .select(['key', 'value'])
        // A range instead of LIKE, whose wildcards and case rules differ between databases.
        .where('key', '>=', prefix)
        .where('key', '<', `${prefix}\uffff`)
        .where(({ or, eb }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
        .orderBy('key')
        .execute();
      return rows.filter((row) => row.key.startsWith(prefix));
    });
  }

  /** Removes what has expired; returns how many. */
  purge(now: number): Promise<number> {
    return asking('remove expired values', async () => {
      const gone = await this.#db.deleteFrom('key_values').where('expires_at', '<=', now).executeTakeFirst();
      return Number(gone.numDeletedRows);
    });
  }
}
