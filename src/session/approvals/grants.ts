// Grants in force: who may reach what, or has masks lifted there, until when. Refuses to know: how one is asked for (approvals.ts), live sessions.

import type { Clock } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { oneAtATime } from '../../core/one-at-a-time.ts';
import type { Alerts } from '../alerts.ts';
import { displayName, type Principal } from '../identity/principal.ts';
import type { AuditLog } from '../log/audit.ts';
import { Outage } from '../outage.ts';
import type { Grant, GrantFilter, GrantStore } from './types.ts';
import type { Unmasks } from './unmasks.ts';

const POLL_MS = 1000;
/** What was looked at longer ago than this is not known any more. */
const STALE_MS = 5000;

export interface GrantsOptions {
  readonly grants: GrantStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts?: Alerts;
  readonly pollMs?: number;
  /** Cuts the live sessions that run on it: told when it is revoked, here or by another process. */
  readonly revoked: (grant: Grant) => void;
  /** Masks that grants lift. */
  readonly unmasks?: Unmasks;
  /** Whether other gateways have the same store. */
  readonly shared?: boolean;
  /** The grants that live sessions run on. */
  readonly inUse: () => readonly string[];
}

export class Grants {
  readonly #options: GrantsOptions;
  readonly #outage: Outage;
  #freshAt: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GrantsOptions) {
    this.#options = options;
    this.#outage = new Outage(options.log, 'look for revoked grants');
    this.#freshAt = options.clock.now();
  }

  /** Looks every second for what other processes revoked, until `stop`. */
  start(): void {
    this.#timer ??= setInterval(() => void this.poll(), this.#options.pollMs ?? POLL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** At start: masks that were lifted before still are. */
  async restore(): Promise<void> {
    const { grants, clock, unmasks } = this.#options;
    for (const grant of await grants.list({ activeAt: clock.now() }))
      if (grant.masks !== undefined) unmasks?.start(grant);
  }

  /**
   * The grant in force that ends last; undefined when there is none. One for an agent is not one for its person, nor the
   * other way round. Its end is absolute: connecting again does not move it.
   */
  async active(principal: Principal, connection: string): Promise<Grant | undefined> {
    const { issuer, subject } = principal;
    const activeAt = this.#options.clock.now();
    const grants = await this.#options.grants.list({ issuer, subject, connection, activeAt });
    return grants
      .filter((grant) => grant.actor === principal.actor && grant.masks === undefined)
      .reduce<Grant | undefined>(
        (best, one) => (best === undefined || one.endsAt > best.endsAt ? one : best),
        undefined,
      );
  }

  get(id: string): Promise<Grant | undefined> {
    return this.#options.grants.get(id);
  }

  list(filter?: GrantFilter): Promise<readonly Grant[]> {
    return this.#options.grants.list(filter);
  }

  /** Ends it now and cuts its sessions. Errors: `not_found`, `conflict` (over already), `recording_failed`. */
  async revoke(id: string, by: Principal, reason?: string): Promise<Grant> {
    const { grants, audit, clock } = this.#options;
    audit.append('grant', { grant: id, action: 'revoke', by: displayName(by), reviewer: by, reason });
    const revoked = await grants.revoke(id, displayName(by), reason, clock.now());
    const grant = await grants.get(id);
    if (!revoked || grant === undefined) {
      throw userError('conflict', `cannot revoke grant "${id}": it is over already`);
    }
    this.#revoked(grant);
    const { principal: requester, connection } = grant;
    this.#options.alerts?.raise({
      type: 'grant.revoked',
      key: id,
      data: { grant: id, requester, connection, by: displayName(by), reason, masks: namesOf(grant) },
    });
    return grant;
  }

  /** A look at the grants that are in use. Never rejects. */
  poll(): Promise<void> {
    // Asked first: a look at a store that does not answer is over only when that has taken its time.
    this.#doubtIfStale();
    return this.#look();
  }

  readonly #look = oneAtATime(() => this.#poll());

  async #poll(): Promise<void> {
    const { grants, inUse, unmasks, clock } = this.#options;
    const at = clock.now();
    try {
      if (unmasks !== undefined) {
        for (const grant of await grants.list({ activeAt: at, unmasking: true })) unmasks.start(grant);
      }
      const among = [...new Set([...inUse(), ...(unmasks?.grants() ?? [])])];
      if (among.length > 0) for (const grant of await grants.list({ revokedAmong: among })) this.#revoked(grant);
      this.#freshAt = at;
      this.#outage.worked();
    } catch (thrown) {
      this.#outage.failed(thrown);
      this.#doubtIfStale();
    }
  }

  /** Somebody may have revoked one elsewhere: masks are as they were until the store says that they are still lifted. */
  #doubtIfStale(): void {
    const { unmasks, clock, shared } = this.#options;
    const age = clock.now() - this.#freshAt;
    // Before it: the clock was set back, and nobody knows how long ago it was.
    if (shared !== true || (age >= 0 && age <= STALE_MS)) return;
    for (const id of unmasks?.grants() ?? []) unmasks?.end(id, 'the store cannot be asked whether it still counts');
  }

  #revoked(grant: Grant): void {
    if (grant.masks === undefined) this.#options.revoked(grant);
    else this.#options.unmasks?.revoke(grant, `revoked by ${grant.revokedBy ?? 'somebody'}`);
  }
}

function namesOf({ masks }: Grant): readonly string[] | undefined {
  return masks?.map(({ mask }) => mask);
}
