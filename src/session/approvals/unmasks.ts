// Masks that reviews have lifted: for whom, where, until when. Kept in memory so that no decision waits; grants are where
// they come from. Refuses to know: what a mask does, how a review is decided, sessions.

import type { Clock } from '../../core/clock.ts';
import { asHoopctlError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Alerts } from '../alerts.ts';
import type { Principal } from '../identity/principal.ts';
import type { AuditLog } from '../log/audit.ts';
import type { Lifted } from '../policy/types.ts';
import type { Grant } from './types.ts';

/** The longest that a timer can be set for. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A mask that is lifted now. */
export interface Unmasked extends Lifted {
  readonly grant: string;
  /** Absolute. */
  readonly until: number;
}

/** What those who concern themselves are told: what is lifted from now on, and what made the difference. */
export interface UnmaskChange {
  readonly state: 'on' | 'off';
  readonly grant: Grant;
  /** Why it is over. */
  readonly why?: string;
}

export interface UnmasksOptions {
  readonly clock: Clock;
  readonly audit: AuditLog;
  readonly log: Log;
  readonly alerts: Alerts;
}

const NOTHING: readonly Unmasked[] = [];

export class Unmasks {
  readonly #options: UnmasksOptions;
  readonly #grants = new Map<string, { readonly grant: Grant; readonly timer: NodeJS.Timeout }>();
  readonly #listeners = new Map<string, Set<(change: UnmaskChange) => void>>();
  /** Revoked before their end, and that end: a look that began before does not know it yet. */
  readonly #revoked = new Map<string, number>();

  constructor(options: UnmasksOptions) {
    this.#options = options;
  }

  /** What is lifted now for a principal (with this actor, or none) on a connection. */
  of(principal: Principal, connection: string): readonly Unmasked[] {
    if (this.#grants.size === 0) return NOTHING;
    const key = keyOf(principal, connection);
    const now = this.#options.clock.now();
    return [...this.#grants.values()]
      .filter(({ grant }) => keyOf(grant, grant.connection) === key && grant.endsAt > now)
      .flatMap(({ grant: { id, endsAt, masks = [] } }) =>
        masks.map((lifted) => ({ ...lifted, grant: id, until: endsAt })),
      );
  }

  /** The grants that count. */
  grants(): readonly string[] {
    return [...this.#grants.keys()];
  }

  /** Calls the listener when something begins or ends for them; returns how to stop. */
  watch(principal: Principal, connection: string, listener: (change: UnmaskChange) => void): () => void {
    const key = keyOf(principal, connection);
    const all = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, all);
    all.add(listener);
    return () => {
      all.delete(listener);
      if (all.size === 0) this.#listeners.delete(key);
    };
  }

  /** A grant in force. On record before it counts: where that fails nothing is lifted. Told twice, it counts once. */
  start(grant: Grant): void {
    const { clock, audit, log } = this.#options;
    if (this.#grants.has(grant.id) || grant.endsAt <= clock.now() || grant.revokedAt !== undefined) return;
    if (this.#revoked.has(grant.id)) return;
    try {
      audit.append('grant', { ...fields(grant), action: 'unmask begins', until: new Date(grant.endsAt).toISOString() });
    } catch (thrown) {
      log.error({ grant: grant.id }, `masks stay as they are: ${asHoopctlError(thrown).message}`);
      return;
    }
    this.#grants.set(grant.id, { grant, timer: this.#arm(grant) });
    this.#tell({ state: 'on', grant });
  }

  /** As `end`, and for good. */
  revoke({ id, endsAt }: Grant, why: string): void {
    const now = this.#options.clock.now();
    for (const [other, until] of this.#revoked) if (until <= now) this.#revoked.delete(other);
    this.#revoked.set(id, endsAt);
    this.end(id, why);
  }

  /** It counts no more, whatever can be written of it. */
  end(id: string, why: string): void {
    const known = this.#grants.get(id);
    if (known === undefined) return;
    clearTimeout(known.timer);
    this.#grants.delete(id);
    const { grant } = known;
    this.#tell({ state: 'off', grant, why });
    try {
      this.#options.audit.append('grant', { ...fields(grant), action: 'unmask ends', why });
    } catch (thrown) {
      this.#options.log.error(
        { grant: id },
        `the end of an unmasking is not in the log: ${asHoopctlError(thrown).message}`,
      );
    }
  }

  stop(): void {
    for (const { timer } of this.#grants.values()) clearTimeout(timer);
    this.#grants.clear();
    this.#listeners.clear();
  }

  #arm(grant: Grant): NodeJS.Timeout {
    const left = Math.max(0, grant.endsAt - this.#options.clock.now());
    const due = () => {
      if (this.#options.clock.now() >= grant.endsAt) this.end(grant.id, 'its time is over');
      else this.#grants.set(grant.id, { grant, timer: this.#arm(grant) });
    };
    return setTimeout(due, Math.min(left, MAX_TIMER_MS)).unref();
  }

  #tell(change: UnmaskChange): void {
    const { grant, state, why } = change;
    for (const listener of this.#listeners.get(keyOf(grant, grant.connection)) ?? []) {
      try {
        listener(change);
      } catch (thrown) {
        this.#options.log.error(
          { grant: grant.id },
          `a session was not told of an unmasking: ${asHoopctlError(thrown).message}`,
        );
      }
    }
    const { grant: id, masks, requester, connection, review } = fields(grant);
    this.#options.alerts.raise({
      type: state === 'on' ? 'unmask.started' : 'unmask.ended',
      key: `${id} ${state}`,
      data: {
        grant: id,
        masks,
        requester,
        connection,
        review,
        until: new Date(grant.endsAt).toISOString(),
        outcome: why,
      },
    });
  }
}

function fields({ id, masks = [], principal, connection, review }: Grant) {
  return { grant: id, masks: masks.map(({ mask }) => mask), requester: principal, connection, review };
}

function keyOf({ issuer, subject, actor }: Pick<Grant, 'issuer' | 'subject' | 'actor'>, connection: string): string {
  return JSON.stringify([issuer, subject, actor ?? null, connection]);
}
