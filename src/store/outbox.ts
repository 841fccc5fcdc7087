// Entries for the gateway's log from processes that do not own it (`hoopctl admin --data` while `serve` runs): kept here
// until the owner takes them over. Refuses to know: the log's format.

import { randomUUID } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { AuditKind, AuditLog } from '../session/log/audit.ts';
import { asking, type Database } from './database.ts';

export class LogOutbox {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #gateway: string;

  /** `gateway`: the one whose data directory it is; its log alone gets the entries. */
  constructor(db: Database, clock: Clock, gateway: string) {
    this.#db = db;
    this.#clock = clock;
    this.#gateway = gateway;
  }

  async push(kind: AuditKind, fields: Readonly<Record<string, unknown>>): Promise<void> {
    const row = {
      id: randomUUID(),
      at: this.#clock.now(),
      kind,
      fields: JSON.stringify(fields),
      gateway: this.#gateway,
    };
    await asking('leave an entry for the log', () => this.#db.insertInto('log_outbox').values(row).execute());
  }

  /**
   * Moves what is there into the log, oldest first; returns how many. A kill between the two steps repeats an entry; its
   * `entry` id tells. Call it at start and every second.
   */
  async drain(log: AuditLog): Promise<number> {
    const rows = await asking('read the entries for the log', () =>
      this.#db
        .selectFrom('log_outbox')
        .selectAll()
        .where(({ or, eb }) => or([eb('gateway', 'in', [this.#gateway, '']), eb('gateway', 'is', null)]))
        .orderBy('at')
        .orderBy('id')
        .limit(1000)
        .execute(),
    );
    for (const { id, at, kind, fields } of rows) {
      const noted = new Date(at).toISOString();
      log.append(kind as AuditKind, { ...(JSON.parse(fields) as Record<string, unknown>), entry: id, noted });
      await asking('remove a taken entry', () => this.#db.deleteFrom('log_outbox').where('id', '=', id).execute());
    }
    return rows.length;
  }
}
