// Grants in force: who may reach what until when. Refuses to know: how one is asked for (approvals.ts), live sessions.

import type { Clock } from '../../core/clock.ts';
import { asHoopctlError, userError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Alerts } from '../alerts.ts';
import { displayName, type Principal } from '../identity/principal.ts';
import type { AuditLog } from '../recorder/log.ts';
import type { Grant, GrantFilter, GrantStore } from './types.ts';

const POLL_MS = 1000;

export interface GrantsOptions {
  readonly grants: GrantStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts?: Alerts;
  readonly pollMs?: number;
  /** Cuts the live sessions that run on it: told when it is revoked, here or by another process. */
  readonly revoked: (grant: Grant) => void;
}

export class Grants {
  readonly #options: GrantsOptions;
  #polledAt: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GrantsOptions) {
    this.#options = options;
    this.#polledAt = options.clock.now();
  }

  /** Looks every second for what other processes revoked, until `stop`. */
  start(): void {
    this.#timer ??= setInterval(() => {
      this.poll().catch((thrown: unknown) => {
        this.#options.log.error({}, `cannot look for revoked grants: ${asHoopctlError(thrown).message}`);
      });
    }, this.#options.pollMs ?? POLL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
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
      .filter((grant) => grant.actor === principal.actor)
      .reduce<Grant | undefined>(
        (best, one) => (best === undefined || one.endsAt > best.endsAt ? one : best),
        undefined,
      );
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
    this.#options.revoked(grant);
    const { principal: requester, connection } = grant;
    this.#options.alerts?.raise({
      type: 'grant.revoked',
      key: id,
      data: { grant: id, requester, connection, by: displayName(by), reason },
    });
    return grant;
  }

  /** One look. A revocation is told twice at times: overlapping, so that none is missed. */
  async poll(): Promise<void> {
    const since = this.#polledAt - 1000;
    this.#polledAt = this.#options.clock.now();
    for (const grant of await this.#options.grants.list({ revokedAfter: since })) this.#options.revoked(grant);
  }
}
