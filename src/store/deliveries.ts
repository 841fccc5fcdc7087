// Messages to the outside that are on their way. Refuses to know: what they say, how they travel.

import type { Delivery, DeliveryFilter, DeliveryStore } from '../session/deliveries.ts';
import { asking, type Database, isTaken, optional, orNull, storeError } from './database.ts';
import type { DeliveryRow } from './tables.ts';

export class Deliveries implements DeliveryStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async add(delivery: Delivery): Promise<boolean> {
    try {
      await this.#db.insertInto('deliveries').values(toRow(delivery)).execute();
      return true;
    } catch (thrown) {
      if (isTaken(thrown)) return false;
      throw storeError('keep a message', thrown);
    }
  }

  due(webhook: string, now: number, limit: number): Promise<readonly Delivery[]> {
    return asking('look for messages to send', async () => {
      const rows = await this.#db
        .selectFrom('deliveries')
        .selectAll()
        .where('webhook', '=', webhook)
        .where('state', '=', 'pending')
        .where('next_at', '<=', now)
        .orderBy('next_at')
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map(toDelivery);
    });
  }

  async claim({ id, nextAt }: Delivery, until: number): Promise<boolean> {
    const { numUpdatedRows } = await asking('take a message', () =>
      this.#db
        .updateTable('deliveries')
        .set({ next_at: until })
        .where('id', '=', id)
        .where('state', '=', 'pending')
        .where('next_at', '=', nextAt)
        .executeTakeFirst(),
    );
    return numUpdatedRows > 0n;
  }

  async delivered(id: string): Promise<void> {
    await asking('forget a message that was delivered', () =>
      this.#db.deleteFrom('deliveries').where('id', '=', id).execute(),
    );
  }

  async failed(
    id: string,
    { state, attempts, nextAt, error }: Pick<Delivery, 'state' | 'attempts' | 'nextAt'> & { readonly error: string },
  ): Promise<void> {
    await asking('note that a message was not delivered', () =>
      this.#db
        .updateTable('deliveries')
        .set({ state, attempts, next_at: nextAt, error })
        .where('id', '=', id)
        .execute(),
    );
  }

  list({ state, webhook, limit = 100 }: DeliveryFilter = {}): Promise<readonly Delivery[]> {
    let query = this.#db.selectFrom('deliveries').selectAll();
    if (state !== undefined) query = query.where('state', '=', state);
    if (webhook !== undefined) query = query.where('webhook', '=', webhook);
    return asking('list the messages', async () => {
      const rows = await query.orderBy('created_at', 'desc').orderBy('id').limit(limit).execute();
      return rows.map(toDelivery);
    });
  }

  count(): Promise<readonly { webhook: string; state: Delivery['state']; count: number }[]> {
    return asking('count the messages', async () => {
      const rows = await this.#db
        .selectFrom('deliveries')
        .select(({ fn }) => ['webhook', 'state', fn.countAll<number | bigint>().as('count')])
        .groupBy(['webhook', 'state'])
        .execute();
      return rows.map(({ webhook, state, count }) => ({
        webhook,
        state: state as Delivery['state'],
        count: Number(count),
      }));
    });
  }

  async revive({ id, webhook }: { id?: string; webhook?: string }, now: number): Promise<number> {
    let query = this.#db.updateTable('deliveries').set({ state: 'pending', attempts: 0, next_at: now });
    query = query.where('state', '=', 'dead');
    if (id !== undefined) query = query.where('id', '=', id);
    if (webhook !== undefined) query = query.where('webhook', '=', webhook);
    const { numUpdatedRows } = await asking('try messages again', () => query.executeTakeFirst());
    return Number(numUpdatedRows);
  }

  async purge(before: number): Promise<void> {
    await asking('forget old messages', () =>
      this.#db.deleteFrom('deliveries').where('state', '=', 'dead').where('created_at', '<', before).execute(),
    );
  }
}

function toRow(delivery: Delivery): DeliveryRow {
  const { id, webhook, event, body, state, attempts, createdAt, nextAt, error } = delivery;
  return { id, webhook, event, body, state, attempts, created_at: createdAt, next_at: nextAt, error: orNull(error) };
}

function toDelivery(row: DeliveryRow): Delivery {
  const { id, webhook, event, body, state, attempts, created_at, next_at, error } = row;
  const kept = { id, webhook, event, body, state: state as Delivery['state'], attempts };
  return { ...kept, createdAt: created_at, nextAt: next_at, ...optional('error', error) };
}
