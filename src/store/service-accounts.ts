// Service accounts: workloads with a secret of ours. Refuses to know: tokens, sessions.

import type { Clock } from '../core/clock.ts';
import { userError } from '../core/errors.ts';
import { newSecret } from '../core/ids.ts';
import type { ServiceAccount, ServiceAccountStore } from '../session/identity/stores.ts';
import { asking, type Database, isTaken, optional, orNull, storeError } from './database.ts';
import { hashSecret, secretMatches } from './secrets.ts';
import type { ServiceAccountRow } from './tables.ts';

/** In front of every secret: scanners for leaked secrets can find it, people can tell what it is. */
const PREFIX = 'hoopctl_sa_';

export class ServiceAccounts implements ServiceAccountStore {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  async add(account: {
    name: string;
    groups: readonly string[];
    description?: string;
  }): Promise<{ account: ServiceAccount; secret: string }> {
    const secret = PREFIX + newSecret();
    const now = this.#clock.now();
    const row: ServiceAccountRow = {
      name: account.name,
      groups: JSON.stringify(account.groups),
      description: orNull(account.description),
      secret: hashSecret(secret),
      created_at: now,
      rotated_at: now,
    };
    try {
      await this.#db.insertInto('service_accounts').values(row).execute();
    } catch (thrown) {
      if (!isTaken(thrown)) throw storeError(`add service account "${account.name}"`, thrown);
      throw userError('conflict', `cannot add service account "${account.name}": there is one of that name`, {
        fix: `hoopctl admin service-accounts rotate ${account.name}`,
      });
    }
    return { account: toAccount(row), secret };
  }

  async get(name: string): Promise<ServiceAccount | undefined> {
    const row = await this.#row(name);
    return row === undefined ? undefined : toAccount(row);
  }

  list(): Promise<readonly ServiceAccount[]> {
    return asking('list the service accounts', async () => {
      const rows = await this.#db.selectFrom('service_accounts').selectAll().orderBy('name').execute();
      return rows.map(toAccount);
    });
  }

  async verifySecret(name: string, secret: string): Promise<ServiceAccount | undefined> {
    const row = await this.#row(name);
    return row !== undefined && secretMatches(secret, row.secret) ? toAccount(row) : undefined;
  }

  async rotate(name: string): Promise<{ account: ServiceAccount; secret: string }> {
    const secret = PREFIX + newSecret();
    const row = await asking(`rotate service account "${name}"`, () =>
      this.#db
        .updateTable('service_accounts')
        .set({ secret: hashSecret(secret), rotated_at: this.#clock.now() })
        .where('name', '=', name)
        .returningAll()
        .executeTakeFirst(),
    );
    if (row === undefined) throw userError('not_found', `there is no service account "${name}"`);
    return { account: toAccount(row), secret };
  }

  remove(name: string): Promise<boolean> {
    return asking(`remove service account "${name}"`, async () => {
      const found = await this.#db.deleteFrom('service_accounts').where('name', '=', name).executeTakeFirst();
      return found.numDeletedRows > 0n;
    });
  }

  #row(name: string): Promise<ServiceAccountRow | undefined> {
    return asking(`look up service account "${name}"`, () =>
      this.#db.selectFrom('service_accounts').selectAll().where('name', '=', name).executeTakeFirst(),
    );
  }
}

function toAccount(row: ServiceAccountRow): ServiceAccount {
  const { name, groups, description, created_at, rotated_at } = row;
  return {
    name,
    groups: JSON.parse(groups) as string[],
    ...optional('description', description),
    createdAt: created_at,
    rotatedAt: rotated_at,
  };
}
