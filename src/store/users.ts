// Users of the embedded issuer. Refuses to know: tokens, sessions.

import type { Clock } from '../core/clock.ts';
import { userError } from '../core/errors.ts';
import type { User, UserStore } from '../session/identity/stores.ts';
import { asking, type Database, isTaken, optional, orNull, storeError } from './database.ts';
import { hashNewPassword, hashPassword, passwordMatches } from './secrets.ts';
import type { UserRow } from './tables.ts';

export class Users implements UserStore {
  readonly #db: Database;
  readonly #clock: Clock;
  /** Checked in place of an unknown user's, so that the time taken tells nothing. */
  #nobody: Promise<string> | undefined;

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  async create(user: { name: string; email?: string; groups: readonly string[]; password: string }): Promise<User> {
    const row: UserRow = {
      name: user.name,
      email: orNull(user.email),
      groups: JSON.stringify(user.groups),
      password: await hashNewPassword(user.password),
      created_at: this.#clock.now(),
    };
    try {
      await this.#db.insertInto('users').values(row).execute();
    } catch (thrown) {
      if (!isTaken(thrown)) throw storeError(`add user "${user.name}"`, thrown);
      throw userError('conflict', `cannot add user "${user.name}": there is one of that name`);
    }
    return toUser(row);
  }

  async get(name: string): Promise<User | undefined> {
    const row = await this.#row(name);
    return row === undefined ? undefined : toUser(row);
  }

  list(): Promise<readonly User[]> {
    return asking('list the users', async () => {
      const rows = await this.#db.selectFrom('users').selectAll().orderBy('name').execute();
      return rows.map(toUser);
    });
  }

  async verifyPassword(name: string, password: string): Promise<User | undefined> {
    const row = await this.#row(name);
    this.#nobody ??= hashPassword('');
    const matches = await passwordMatches(password, row?.password ?? (await this.#nobody));
    return row !== undefined && matches ? toUser(row) : undefined;
  }

  async setPassword(name: string, password: string): Promise<void> {
    await this.#update(name, { password: await hashNewPassword(password) });
  }

  async setGroups(name: string, groups: readonly string[]): Promise<void> {
    await this.#update(name, { groups: JSON.stringify(groups) });
  }

  remove(name: string): Promise<boolean> {
    return asking(`remove user "${name}"`, async () => {
      const { numDeletedRows } = await this.#db.deleteFrom('users').where('name', '=', name).executeTakeFirst();
      return numDeletedRows > 0n;
    });
  }

  #row(name: string): Promise<UserRow | undefined> {
    return asking(`look up user "${name}"`, () =>
      this.#db.selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst(),
    );
  }

  async #update(name: string, values: Partial<UserRow>): Promise<void> {
    const { numUpdatedRows } = await asking(`change user "${name}"`, () =>
      this.#db.updateTable('users').set(values).where('name', '=', name).executeTakeFirst(),
    );
    if (numUpdatedRows === 0n) throw userError('not_found', `there is no user "${name}"`);
  }
}

function toUser(row: UserRow): User {
  const { name, email, groups, created_at } = row;
  return { name, ...optional('email', email), groups: JSON.parse(groups) as string[], createdAt: created_at };
}
