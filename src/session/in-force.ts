// The policy in force for one session: asked for each operation, adopted when it was reloaded.
// Refuses to know: rules. Throws what the policy throws; the session makes a refusal of it.

import type { OperationId } from '../protocol/contract.ts';
import type { Principal } from './identity/principal.ts';
import type { ConnectionRef, Exemption, Lifted, Policy, SessionPolicy } from './policy/types.ts';

/** Policies that are remembered of those that were in force: nothing is under way for longer than so many reloads. */
const KEPT = 100;

export interface PolicyInForceOptions {
  readonly policy: () => Policy;
  readonly principal: Principal;
  readonly connection: ConnectionRef;
  readonly reason?: string;
  /** Whether the session runs on a grant. */
  readonly granted: boolean;
  /** Masks that reviews lift now: the same array as long as nothing changes. */
  readonly lifted: () => readonly Lifted[];
  /** Another version counts from now on. */
  readonly changed: (version: string, exempt: readonly Exemption[] | undefined) => void;
}

export class PolicyInForce {
  readonly #options: PolicyInForceOptions;
  #policy: Policy | undefined;
  #lifted: readonly Lifted[] | undefined;
  #session: SessionPolicy | undefined;
  #decided: OperationId = 0;
  /** What was in force before, each with the last operation that it decided. */
  readonly #before: { readonly last: OperationId; readonly session: SessionPolicy }[] = [];
  /** Why the policy in force gives no access any more; undefined while it does. */
  accessGone: string | undefined;

  /** Throws when the policy cannot answer. */
  constructor(options: PolicyInForceOptions) {
    this.#options = options;
    this.#adopt(options.policy(), options.lifted());
  }

  current(): SessionPolicy {
    const policy = this.#options.policy();
    const lifted = this.#options.lifted();
    if (policy !== this.#policy || lifted !== this.#lifted) {
      const before = this.#policy;
      const session = this.#session!;
      this.#adopt(policy, lifted);
      if (before?.version === policy.version) return this.#session!;
      if (this.#decided > (this.#before.at(-1)?.last ?? 0)) this.#before.push({ last: this.#decided, session });
      if (this.#before.length > KEPT) this.#before.shift();
      this.#options.changed(policy.version, this.#session?.exempt);
    }
    return this.#session!;
  }

  /** An operation was decided by what `current` said last. */
  decided(id: OperationId): void {
    this.#decided = Math.max(this.#decided, id);
  }

  /** The policy that decided an operation, where that is not the one in force. */
  before(id: OperationId): SessionPolicy | undefined {
    return this.#before.find(({ last }) => id <= last)?.session;
  }

  /** Of the policy in force at this moment, adopted or not. */
  get version(): string {
    return this.#options.policy().version;
  }

  #adopt(policy: Policy, lifted: readonly Lifted[]): void {
    const { principal, connection, reason, granted } = this.#options;
    const { access } = policy.access(principal, connection);
    const session = policy.session(principal, connection, { ...(reason === undefined ? {} : { reason }), lifted });
    this.accessGone =
      access === 'open' || (access === 'grant' && granted)
        ? undefined
        : `the policy in force now gives you no access to "${connection.name}"`;
    this.#session = session;
    this.#policy = policy;
    this.#lifted = lifted;
  }
}
