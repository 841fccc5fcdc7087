// What is kept of where a recording is, how long it stays, and who forbade to remove it, as an interface.
// Refuses to know: SQL, files. Times are milliseconds since the epoch.

import type { PurgeOrder, SessionRecord, Stored } from '../records.ts';

/** Sessions that are alike as far as retention goes. */
export interface Alike {
  readonly connection: string;
  /** As they were when it was recorded; undefined: nobody noted them. */
  readonly labels: Readonly<Record<string, string>> | undefined;
}

export type HoldKind = 'session' | 'connection' | 'principal';

/** Recordings that must not be removed. */
export interface Hold {
  readonly id: string;
  readonly kind: HoldKind;
  /** A session's id, a connection's name, a principal's subject or e-mail address. */
  readonly value: string;
  readonly reason: string;
  readonly by: string;
  readonly at: number;
  readonly releasedAt?: number;
  readonly releasedBy?: string;
}

/** Errors of all: `store_failed`. `gateway`: only what is that gateway's. */
export interface CustodyStore {
  /** Sealed, over, in the directory alone; the longest over first. */
  unstored(gateway: string, limit: number): Promise<readonly SessionRecord[]>;
  /** Whether it is there, by now, and nobody has ordered that it goes. Undefined: in the directory alone. */
  stays(gateway: string, session: string, where: Stored | undefined): Promise<boolean>;
  /** How many those are, and when the first of them ended. */
  waiting(gateway: string): Promise<{ readonly count: number; readonly since: number | undefined }>;
  /** In both places, and over since before that moment. */
  inBoth(gateway: string, before: number, limit: number): Promise<readonly SessionRecord[]>;
  /** Undefined: in the directory alone. */
  setStored(session: string, where: Stored | undefined): Promise<void>;

  alike(gateway: string): Promise<readonly Alike[]>;
  /** Over since before that moment, not removed, nor about to be; the longest over first. */
  aged(gateway: string, alike: Alike, before: number, limit: number): Promise<readonly SessionRecord[]>;
  /** False where it is being written, or was ordered before: then that stays. Of one whose key is erased: `order.before` says so. */
  orderPurge(session: string, order: PurgeOrder): Promise<boolean>;
  /**
   * It cannot be taken back. What else is kept of its content (statements that were held for review) goes with this.
   * False: the order was taken back meanwhile, and nothing is done.
   */
  beginPurge(session: string): Promise<boolean>;
  /** Ordered or begun, the longest over first; `undefined`: of every gateway. */
  ordered(gateway: string | undefined, limit: number): Promise<readonly SessionRecord[]>;
  /** Takes an order back that nothing was done by yet; `before`: of the order. False: there is none, or it has begun. */
  cancelPurge(session: string, before: PurgeOrder | undefined): Promise<boolean>;
  setPurged(session: string, state: 'erased' | 'purged'): Promise<void>;

  addHold(hold: Hold): Promise<void>;
  /** Newest first; those that were released too where asked for. */
  holds(released: boolean): Promise<readonly Hold[]>;
  /** Undefined: there is none of that id that holds. */
  releaseHold(id: string, by: string, at: number): Promise<Hold | undefined>;
}

/** The holds that a recording is under. */
export function holding(
  holds: readonly Hold[],
  session: Pick<SessionRecord, 'id' | 'connection' | 'principal'>,
): Hold[] {
  const { id, connection, principal } = session;
  const named: Record<HoldKind, readonly (string | undefined)[]> = {
    session: [id],
    connection: [connection],
    principal: [principal.subject, principal.email, principal.actor],
  };
  // An address is the same however it is written: a capital must not let evidence go.
  const email = principal.email?.toLowerCase();
  return holds.filter(
    ({ kind, value, releasedAt }) =>
      releasedAt === undefined &&
      (named[kind].includes(value) || (kind === 'principal' && value.toLowerCase() === email)),
  );
}
