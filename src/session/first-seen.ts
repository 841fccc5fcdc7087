// What a principal touches for the first time, where a rule asks for it: remembered for good per principal (an agent apart
// from its person), connection and relation, from the moment on at which such a rule is in force. Nobody waits for it.
// Refuses to know: what a rule is, where it is kept.

import type { Log } from '../core/log.ts';
import type { Facts } from '../protocol/contract.ts';
import type { Alerts } from './alerts.ts';
import { displayName, type Principal, principalKey } from './identity/principal.ts';
import type { KeyValue } from './identity/stores.ts';
import type { AuditLog } from './log/audit.ts';

/** Known ones that this process remembers, so that the store is asked once for each. */
const REMEMBERED = 50_000;

export interface FirstSeenOptions {
  readonly store: Pick<KeyValue, 'setIfAbsent'>;
  readonly alerts: Alerts;
  readonly audit: AuditLog;
  readonly log: Log;
}

export interface Touch {
  readonly session: string;
  readonly principal: Principal;
  readonly connection: string;
  /** That asked for it. */
  readonly rule: string;
  readonly operation: number;
  readonly parts: readonly Facts[];
}

export class FirstSeen {
  readonly #options: FirstSeenOptions;
  readonly #known = new Set<string>();

  constructor(options: FirstSeenOptions) {
    this.#options = options;
  }

  /** Never throws; what is new is told once it is known to be. */
  touch(touch: Touch): void {
    const { principal, connection } = touch;
    const who = JSON.stringify([principalKey(principal), principal.actor ?? null, connection]);
    const fresh = new Map<string, string>();
    for (const part of touch.parts) {
      for (const { schema, name } of part.relations) {
        const relation = schema === undefined ? name : `${schema}.${name}`;
        const key = `seen ${who} ${relation}`;
        if (!this.#known.has(key)) fresh.set(key, relation);
      }
    }
    if (fresh.size === 0) return;
    if (this.#known.size + fresh.size > REMEMBERED) this.#known.clear();
    for (const key of fresh.keys()) this.#known.add(key);
    this.#tell(touch, fresh).catch((thrown: unknown) => {
      for (const key of fresh.keys()) this.#known.delete(key);
      this.#options.log.error({ session: touch.session }, `cannot tell what is seen for the first time: ${thrown}`);
    });
  }

  async #tell({ session, principal, connection, rule, operation }: Touch, fresh: Map<string, string>): Promise<void> {
    const { store, alerts, audit } = this.#options;
    const mine = `${session} ${operation}`;
    const relations: string[] = [];
    for (const [key, relation] of fresh) if ((await store.setIfAbsent(key, mine)) === mine) relations.push(relation);
    if (relations.length === 0) return;
    audit.append('access', { what: 'first seen', session, operation, principal, connection, rule, relations });
    alerts.raise({
      type: 'first-seen',
      key: `${mine} ${relations.join()}`,
      data: { session, operation, requester: displayName(principal), connection, rule, relations },
    });
  }
}
