// What is revoked, at hand: every request asks, so the store is read at start, at each change and now and then.

import type { Clock } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { type Principal, principalKey } from './principal.ts';
import type { Revocation, RevocationStore } from './stores.ts';

export class Revoked {
  readonly #store: RevocationStore;
  readonly #clock: Clock;
  #principals = new Map<string, Revocation>();
  #tokens = new Set<string>();

  private constructor(store: RevocationStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Errors: store_failed. */
  static async load(store: RevocationStore, clock: Clock): Promise<Revoked> {
    const revoked = new Revoked(store, clock);
    await revoked.refresh();
    return revoked;
  }

  /** Reads the store again; another process may have written to it. Returns the principals revoked since. */
  async refresh(): Promise<readonly Revocation[]> {
    const [principals, tokens] = await Promise.all([this.#store.list(), this.#store.revokedTokens(this.#clock.now())]);
    const before = this.#principals;
    this.#principals = new Map(principals.map((one) => [`${one.issuer}|${one.subject}`, one]));
    this.#tokens = new Set(tokens);
    return principals.filter((one) => !before.has(`${one.issuer}|${one.subject}`));
  }

  async add(revocation: Revocation): Promise<void> {
    // In force before it is written: a slow disk must not give the principal more time.
    this.#principals.set(`${revocation.issuer}|${revocation.subject}`, revocation);
    await this.#store.add(revocation);
  }

  async remove(issuer: string, subject: string): Promise<boolean> {
    const removed = await this.#store.remove(issuer, subject);
    this.#principals.delete(`${issuer}|${subject}`);
    return removed;
  }

  list(): Promise<readonly Revocation[]> {
    return this.#store.list();
  }

  async revokeToken(jti: string, expiresAt: number): Promise<void> {
    this.#tokens.add(jti);
    await this.#store.revokeToken(jti, expiresAt);
  }

  /** Errors: principal_revoked, token_invalid. */
  check(principal: Principal, jti: string | undefined): void {
    if (jti !== undefined && this.#tokens.has(jti)) {
      throw userError('token_invalid', 'token refused: it was revoked', { fix: 'log in again with "hoopctl login"' });
    }
    const revocation = this.#principals.get(principalKey(principal));
    if (revocation === undefined) return;
    const reason = revocation.reason === undefined ? '' : `: ${revocation.reason}`;
    throw userError(
      'principal_revoked',
      `"${principal.subject}" of issuer "${principal.issuer}" was revoked${reason}`,
      {
        fix: "ask the gateway's administrator",
      },
    );
  }
}
