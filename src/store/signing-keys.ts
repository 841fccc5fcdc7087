// The public halves of the gateways' signing keys: each gateway's tokens count at all of them. Private halves stay where
// they were made. Refuses to know: tokens.

import type { JWK } from 'jose';
import type { PublicKey, SigningKeyStore } from '../session/identity/stores.ts';
import { asking, type Database } from './database.ts';

export class SigningKeys implements SigningKeyStore {
  readonly #db: Database;
  readonly #gateway: string;

  constructor(db: Database, gateway: string) {
    this.#db = db;
    this.#gateway = gateway;
  }

  async publish(purpose: string, keys: readonly PublicKey[]): Promise<void> {
    await asking('publish the signing keys', async () => {
      for (const { kid, jwk, verifiesUntil } of keys) {
        const values = { gateway: this.#gateway, purpose, jwk: JSON.stringify(jwk) };
        const until = { verifies_until: verifiesUntil };
        await this.#db
          .insertInto('signing_keys')
          .values({ kid, ...values, ...until })
          .onConflict((conflict) => conflict.column('kid').doUpdateSet(until))
          .execute();
      }
    });
  }

  list(purpose: string, now: number): Promise<readonly PublicKey[]> {
    return asking('read the signing keys', async () => {
      const rows = await this.#db
        .selectFrom('signing_keys')
        .selectAll()
        .where('purpose', '=', purpose)
        .where('verifies_until', '>', now)
        .orderBy('kid')
        .execute();
      return rows.map(({ kid, jwk, verifies_until }) => {
        return { kid, jwk: JSON.parse(jwk) as JWK, verifiesUntil: verifies_until };
      });
    });
  }

  /** Forgets those that verify nothing any more. */
  async purge(now: number): Promise<void> {
    await asking('forget old signing keys', () =>
      this.#db.deleteFrom('signing_keys').where('verifies_until', '<=', now).execute(),
    );
  }
}
