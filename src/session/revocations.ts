// Principals and tokens that may do nothing any more, known in memory so that every operation can ask, and read again
// from the store every second because other processes write it too. Refuses to know: what a token looks like, SQL.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { oneAtATime } from '../core/one-at-a-time.ts';
import { displayName, type Principal } from './identity/principal.ts';
import type { Lifted, Revocation, RevocationStore } from './identity/stores.ts';
import type { AuditLog } from './log/audit.ts';
import { Outage } from './outage.ts';

const POLL_MS = 1000;

export interface RevocationsOptions {
  readonly store: RevocationStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  /** Cuts the live sessions of a principal that is revoked now. */
  readonly cut: (issuer: string, subject: string, reason: string) => void;
  readonly pollMs?: number;
}

export class Revocations {
  readonly #options: RevocationsOptions;
  readonly #outage: Outage;
  #principals = new Map<string, Revocation>();
  #tokens = new Set<string>();
  /** When somebody was revoked who is so no more. */
  #lifted = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  /** How often something was changed here. */
  #words = 0;

  private constructor(options: RevocationsOptions) {
    this.#options = options;
    this.#outage = new Outage(options.log, 'read the revocations');
  }

  /** Loaded, and kept up to date until `stop`. Errors: `store_failed`. */
  static async open(options: RevocationsOptions): Promise<Revocations> {
    const made = new Revocations(options);
    await made.refresh();
    made.#timer = setInterval(() => void made.poll(), options.pollMs ?? POLL_MS);
    made.#timer.unref();
    return made;
  }

  revoked(issuer: string, subject: string): boolean {
    return this.#principals.size > 0 && this.#principals.has(keyOf(issuer, subject));
  }

  tokenRevoked(jti: string): boolean {
    return this.#tokens.has(jti);
  }

  /**
   * Whether it was issued before its principal was revoked, which was taken back: whom the token was taken from is not
   * whom the new word is for.
   */
  outdated(issuer: string, subject: string, issuedAt: number): boolean {
    const at = this.#lifted.get(keyOf(issuer, subject));
    return at !== undefined && issuedAt < at;
  }

  list(): readonly Revocation[] {
    return [...this.#principals.values()];
  }

  /** From now on nothing of this principal is accepted, and what is live is cut. On record first. */
  async add(revoke: { issuer: string; subject: string; reason?: string; by: Principal }): Promise<Revocation> {
    const by = displayName(revoke.by);
    const { issuer, subject, reason } = revoke;
    this.#options.audit.append('admin', { action: 'revoke', issuer, subject, reason, by, reviewer: revoke.by });
    const revocation: Revocation = { issuer, subject, reason, by, at: this.#options.clock.now() };
    await this.#options.store.add(revocation);
    this.#words += 1;
    this.#adopt(revocation);
    return revocation;
  }

  /** False when there was none. */
  async remove(issuer: string, subject: string, by: Principal): Promise<boolean> {
    this.#options.audit.append('admin', { action: 'unrevoke', issuer, subject, by: displayName(by), reviewer: by });
    const at = await this.#options.store.remove(issuer, subject);
    this.#words += 1;
    if (at !== undefined) this.#lifted.set(keyOf(issuer, subject), at);
    this.#principals.delete(keyOf(issuer, subject));
    return at !== undefined;
  }

  /** One of the gateway's own tokens (a logout). Live sessions go on: they were let in when it was good. */
  async revokeToken(jti: string, expiresAt: number): Promise<void> {
    this.#tokens.add(jti);
    await this.#options.store.revokeToken(jti, expiresAt);
    this.#words += 1;
    // A look that began before it was stored may have forgotten it.
    this.#tokens.add(jti);
  }

  /** A look. Never rejects. One at a time: what an earlier one found may not come behind what a later one did. */
  readonly poll = oneAtATime(async () => {
    try {
      await this.refresh();
      this.#outage.worked();
    } catch (thrown) {
      this.#outage.failed(thrown);
    }
  });

  async refresh(): Promise<void> {
    const { store, clock } = this.#options;
    let words: number;
    let principals: readonly Revocation[];
    let tokens: readonly string[];
    let lifted: readonly Lifted[];
    do {
      words = this.#words;
      [principals, tokens] = [await store.list(), await store.revokedTokens(clock.now())];
      // Last: one that is taken back meanwhile is in one of the lists.
      lifted = await store.lifted(clock.now());
      // What was said here meanwhile may not be in it.
    } while (words !== this.#words);
    const before = this.#principals;
    this.#principals = new Map(principals.map((one) => [keyOf(one.issuer, one.subject), one]));
    this.#tokens = new Set(tokens);
    this.#lifted = new Map();
    for (const { issuer, subject, at } of lifted) {
      const key = keyOf(issuer, subject);
      this.#lifted.set(key, Math.max(at, this.#lifted.get(key) ?? 0));
    }
    for (const [key, revocation] of this.#principals)
      if (before.get(key)?.at !== revocation.at) this.#adopt(revocation);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #adopt(revocation: Revocation): void {
    const { issuer, subject, reason } = revocation;
    this.#principals.set(keyOf(issuer, subject), revocation);
    this.#options.cut(issuer, subject, reason === undefined ? 'access was revoked' : `access was revoked: ${reason}`);
  }
}

function keyOf(issuer: string, subject: string): string {
  return `${issuer}|${subject}`;
}
