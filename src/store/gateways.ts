// The gateways of one store, and when each was last seen, by the store's clock: those of their machines may differ.
// Refuses to know: what is done about one that is silent.

import type { Clock } from '../core/clock.ts';
import type { Beat, GatewayRecord, GatewaySelf, GatewayStore } from '../session/fleet-store.ts';
import { asking, type Database } from './database.ts';

const KEEP_MS = 30 * 86_400_000;

export class Gateways implements GatewayStore {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #now: () => Promise<number>;

  /** `now`: the store's clock. */
  constructor(db: Database, clock: Clock, now: () => Promise<number>) {
    this.#db = db;
    this.#clock = clock;
    this.#now = now;
  }

  begin({ id, ...self }: GatewaySelf): Promise<Beat> {
    return asking('enter this gateway', async () => {
      const { now, skewMs } = await this.#time();
      const values = { ...self, started_at: now, seen_at: now, over_at: null };
      await this.#db
        .insertInto('gateways')
        .values({ id, ...values })
        .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
        .execute();
      await this.#db
        .deleteFrom('gateways')
        .where('seen_at', '<', now - KEEP_MS)
        .execute();
      return { mine: true, skewMs };
    });
  }

  beat({ id, instance, url }: GatewaySelf): Promise<Beat> {
    return asking('say that this gateway is alive', async () => {
      const { now, skewMs } = await this.#time();
      const { numUpdatedRows } = await this.#db
        .updateTable('gateways')
        .set({ seen_at: now, over_at: null, url })
        .where('id', '=', id)
        .where('instance', '=', instance)
        .executeTakeFirst();
      return { mine: numUpdatedRows > 0n, skewMs };
    });
  }

  list(): Promise<readonly GatewayRecord[]> {
    return asking('list the gateways', async () => {
      const now = await this.#now();
      const rows = await this.#db.selectFrom('gateways').selectAll().orderBy('id').execute();
      return rows.map(({ id, instance, host, url, version, started_at, seen_at, over_at }) => ({
        ...{ id, instance, host, url, version, startedAt: started_at, seenAt: seen_at },
        silentMs: Math.max(0, now - seen_at),
        over: over_at !== null,
      }));
    });
  }

  async over(id: string, instance: string): Promise<void> {
    await asking(`note that gateway "${id}" is over`, async () =>
      this.#db
        .updateTable('gateways')
        .set({ over_at: await this.#now() })
        .where('id', '=', id)
        .where('instance', '=', instance)
        .execute(),
    );
  }

  async #time(): Promise<{ now: number; skewMs: number }> {
    const before = this.#clock.now();
    const now = await this.#now();
    const after = this.#clock.now();
    const skew = now - (before + after) / 2;
    // It read its clock at some moment between the two: an answer that took long says less of it.
    const sure = Math.max(0, Math.abs(skew) - Math.abs(after - before) / 2);
    return { now, skewMs: Math.round(Math.sign(skew) * sure) };
  }
}
