// Where recordings are, how long they stay, and what holds them, in the tables. Refuses to know: files, when anything is due.

import type { Alike, CustodyStore, Hold, HoldKind } from '../session/custody/store.ts';
import type { PurgeOrder, SessionRecord, Stored } from '../session/records.ts';
import { asking, type Database, json, optional } from './database.ts';
import { toRecord } from './sessions.ts';
import type { HoldRow } from './tables.ts';

export class Custody implements CustodyStore {
  readonly #db: Database;
  readonly #scrub: () => Promise<void>;

  /** `scrub`: has the database overwrite what was removed, where it keeps it. */
  constructor(db: Database, scrub: () => Promise<void>) {
    this.#db = db;
    this.#scrub = scrub;
  }

  unstored(gateway: string, limit: number): Promise<readonly SessionRecord[]> {
    return asking('look for recordings to upload', async () =>
      (await this.#waiting(gateway).selectAll().orderBy('ended_at').limit(limit).execute()).map(toRecord),
    );
  }

  stays(gateway: string, session: string, where: Stored | undefined): Promise<boolean> {
    return asking(`look where the recording of ${session} is`, async () => {
      const query = this.#here(gateway).select('stored').where('id', '=', session);
      const found = await query.executeTakeFirst();
      return found !== undefined && (found.stored ?? undefined) === where;
    });
  }

  waiting(gateway: string): Promise<{ count: number; since: number | undefined }> {
    return asking('count the recordings to upload', async () => {
      const found = await this.#waiting(gateway)
        .select(({ fn }) => [fn.countAll<number>().as('count'), fn.min('ended_at').as('since')])
        .executeTakeFirst();
      return { count: Number(found?.count ?? 0), since: found?.since == null ? undefined : Number(found.since) };
    });
  }

  inBoth(gateway: string, before: number, limit: number): Promise<readonly SessionRecord[]> {
    return asking('look for recordings that were uploaded', async () => {
      const rows = await this.#here(gateway)
        .selectAll()
        .where('stored', '=', 'both')
        .where('ended_at', '<=', before)
        .orderBy('ended_at')
        .limit(limit)
        .execute();
      return rows.map(toRecord);
    });
  }

  async setStored(session: string, where: Stored | undefined): Promise<void> {
    await asking(`note where the recording of ${session} is`, () =>
      this.#db
        .updateTable('sessions')
        .set({ stored: where ?? null })
        .where('id', '=', session)
        .execute(),
    );
  }

  alike(gateway: string): Promise<readonly Alike[]> {
    return asking('list what was recorded', async () => {
      const rows = await this.#over(gateway).select(['connection', 'labels']).distinct().execute();
      return rows.map(({ connection, labels }) => ({ connection, labels: labelsOf(labels) }));
    });
  }

  aged(
    gateway: string,
    { connection, labels }: Alike,
    before: number,
    limit: number,
  ): Promise<readonly SessionRecord[]> {
    return asking('look for old recordings', async () => {
      const rows = await this.#over(gateway)
        .selectAll()
        .where('connection', '=', connection)
        .where('labels', labels === undefined ? 'is' : '=', json(labels))
        .where('ended_at', '<=', before)
        .orderBy('ended_at')
        .limit(limit)
        .execute();
      return rows.map(toRecord);
    });
  }

  async orderPurge(session: string, order: PurgeOrder): Promise<boolean> {
    const { numUpdatedRows } = await asking(`order the purge of ${session}`, () =>
      this.#db
        .updateTable('sessions')
        .set({ purge_state: 'ordered', purge: JSON.stringify(order) })
        .where('id', '=', session)
        .where('state', '<>', 'open')
        .where(({ eb }) =>
          order.before === undefined ? eb('purge_state', 'is', null) : eb('purge_state', '=', 'erased'),
        )
        .executeTakeFirst(),
    );
    return numUpdatedRows > 0n;
  }

  async beginPurge(session: string): Promise<boolean> {
    const begun = await asking(`begin the purge of ${session}`, () =>
      this.#db.transaction().execute(async (db) => {
        const { numUpdatedRows } = await db
          .updateTable('sessions')
          .set({ purge_state: 'begun' })
          .where('id', '=', session)
          .where('purge_state', '=', 'ordered')
          .executeTakeFirst();
        if (numUpdatedRows === 0n) return false;
        const empty = { body: '', params: null, forms: null, bytes: null, exact: null, shape: null, touches: null };
        await db.updateTable('reviews').set(empty).where('session', '=', session).execute();
        return true;
      }),
    );
    if (begun) await this.#scrub();
    return begun;
  }

  ordered(gateway: string | undefined, limit: number): Promise<readonly SessionRecord[]> {
    return asking('look for recordings to purge', async () => {
      const rows = await (gateway === undefined ? this.#db.selectFrom('sessions') : this.#mine(gateway))
        .selectAll()
        .where('purge_state', 'in', ['ordered', 'begun'])
        .orderBy('ended_at')
        .limit(limit)
        .execute();
      return rows.map(toRecord);
    });
  }

  async cancelPurge(session: string, before: PurgeOrder | undefined): Promise<boolean> {
    const { numUpdatedRows } = await asking(`take back the purge of ${session}`, () =>
      this.#db
        .updateTable('sessions')
        .set({ purge_state: before === undefined ? null : 'erased', purge: json(before) })
        .where('id', '=', session)
        .where('purge_state', '=', 'ordered')
        .executeTakeFirst(),
    );
    return numUpdatedRows > 0n;
  }

  async setPurged(session: string, state: 'erased' | 'purged'): Promise<void> {
    const gone = state === 'purged' ? { purge_state: state, stored: null } : { purge_state: state };
    await asking(`note that the recording of ${session} is gone`, () =>
      this.#db.updateTable('sessions').set(gone).where('id', '=', session).execute(),
    );
    await this.#scrub();
  }

  async addHold(hold: Hold): Promise<void> {
    const { id, kind, value, reason, by, at } = hold;
    const row: HoldRow = { id, kind, value, reason, held_by: by, at, released_at: null, released_by: null };
    await asking(`hold the recordings of ${kind} "${value}"`, () => this.#db.insertInto('holds').values(row).execute());
  }

  holds(released: boolean): Promise<readonly Hold[]> {
    return asking('list the holds', async () => {
      let query = this.#db.selectFrom('holds').selectAll();
      if (!released) query = query.where('released_at', 'is', null);
      return (await query.orderBy('at', 'desc').orderBy('id').execute()).map(toHold);
    });
  }

  releaseHold(id: string, by: string, at: number): Promise<Hold | undefined> {
    return asking(`release the hold ${id}`, async () => {
      const row = await this.#db
        .updateTable('holds')
        .set({ released_at: at, released_by: by })
        .where('id', '=', id)
        .where('released_at', 'is', null)
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : toHold(row);
    });
  }

  #mine(gateway: string) {
    return this.#db
      .selectFrom('sessions')
      .where(({ or, eb }) => or([eb('gateway', '=', gateway), eb('gateway', 'is', null)]));
  }

  /** Over, and neither removed nor about to be. */
  #over(gateway: string) {
    return this.#mine(gateway).where('state', '<>', 'open').where('purge_state', 'is', null);
  }

  /** Over, and to stay. */
  #here(gateway: string) {
    return this.#mine(gateway)
      .where('state', '<>', 'open')
      .where(({ or, eb }) => or([eb('purge_state', 'is', null), eb('purge_state', '=', 'erased')]));
  }

  #waiting(gateway: string) {
    return this.#here(gateway).where('sealed', '=', 1).where('stored', 'is', null);
  }
}

function labelsOf(labels: string | null): Record<string, string> | undefined {
  return labels === null ? undefined : (JSON.parse(labels) as Record<string, string>);
}

function toHold({ id, kind, value, reason, held_by, at, released_at, released_by }: HoldRow): Hold {
  return {
    ...{ id, kind: kind as HoldKind, value, reason, by: held_by, at },
    ...optional('releasedAt', released_at),
    ...optional('releasedBy', released_by),
  };
}
