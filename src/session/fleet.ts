// This gateway among those of its store: says that it lives, ends sessions that others ask it to end, and closes what a
// gateway left that lives no more. Refuses to know: SQL, listeners, what a session is made of.

import type { Clock } from '../core/clock.ts';
import { userError } from '../core/errors.ts';
import { type Limit, limit } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { Approvals } from './approvals/approvals.ts';
import type { GatewayRecord, GatewaySelf, GatewayStore, KillRequest } from './fleet-store.ts';
import type { AuditLog } from './log/audit.ts';
import { Outage } from './outage.ts';
import type { SessionRecord, SessionStore } from './records.ts';
import type { SessionRegistry } from './registry.ts';

/** A gateway that was silent for this long is dead: others close its sessions and reviews. */
export const GATEWAY_DEAD_MS: Limit = limit('gateway_dead_ms', 'ms', 30_000, 1);
/** How far this machine's clock may be from the store's: every moment of a grant or review is meant by it. */
export const STORE_SKEW_MS: Limit = limit('store_skew_ms', 'ms', 2000);

const LOOK_MS = 1000;

export interface FleetOptions {
  /** `url` is filled in by `start`. */
  readonly self: Omit<GatewaySelf, 'url'>;
  readonly store: GatewayStore;
  readonly sessions: SessionStore;
  readonly live: SessionRegistry;
  readonly approvals: Approvals;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether other gateways may have the same store. */
  readonly shared: boolean;
  readonly limit: (declared: Limit) => Limit;
  readonly lookMs?: number;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #beats: Outage;
  readonly #looks: Outage;
  #self: GatewaySelf;
  #timers: NodeJS.Timeout[] = [];
  #beatAt = 0;
  /** Since when it has said so without a gap: only then is the silence of others their own. */
  #steadySince = 0;
  #skewed = false;
  #lost = false;
  #beating = false;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#self = { ...options.self, url: '' };
    this.#beats = new Outage(options.log, 'say to the store that this gateway is alive');
    this.#looks = new Outage(options.log, 'look for sessions to end');
  }

  get id(): string {
    return this.#self.id;
  }

  /** Before anything else of it is in the store. Errors: `store_failed`, `config_invalid` (the clock). */
  async begin(): Promise<void> {
    const { store, clock, shared } = this.#options;
    const { skewMs } = await store.begin(this.#self);
    this.#beatAt = clock.now();
    this.#steadySince = this.#beatAt;
    const problem = shared ? this.#skewProblem(skewMs) : undefined;
    if (problem === undefined) return;
    await store.over(this.#self.id, this.#self.instance);
    throw userError('config_invalid', problem, {
      fix: `set the clocks, best by NTP; the limit is ${STORE_SKEW_MS.name}`,
    });
  }

  /** It can be reached, and says so from now on, until `stop`. */
  start(url: string): void {
    const { shared, limit: inForce, lookMs = LOOK_MS } = this.#options;
    this.#self = { ...this.#self, url };
    void this.beat();
    if (!shared) return;
    const pause = Math.min(5000, Math.max(200, inForce(GATEWAY_DEAD_MS).value / 6));
    this.#timers = [setInterval(() => void this.beat(), pause), setInterval(() => void this.look(), lookMs)];
    for (const timer of this.#timers) timer.unref();
  }

  /** Says that nothing of it is open any more. Never rejects. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    await this.#options.store.over(this.#self.id, this.#self.instance).catch((thrown) => this.#beats.failed(thrown));
  }

  /** Every gateway of the store. Errors: `store_failed`. */
  async all(): Promise<readonly (GatewayRecord & { readonly state: 'this' | 'alive' | 'silent' | 'over' })[]> {
    const { store, shared, limit: inForce } = this.#options;
    const deadMs = inForce(GATEWAY_DEAD_MS).value;
    return (await store.list()).map((one) => {
      if (one.id === this.#self.id) return { ...one, state: 'this' };
      // A file has one gateway: the others had it before.
      if (one.over || !shared) return { ...one, state: 'over' };
      return { ...one, state: one.silentMs < deadMs ? 'alive' : 'silent' };
    });
  }

  /** The other gateways that are not over. Errors: `store_failed`. */
  async others(): Promise<readonly (GatewayRecord & { readonly alive: boolean })[]> {
    return (await this.all())
      .filter(({ state }) => state === 'alive' || state === 'silent')
      .map((one) => ({ ...one, alive: one.state === 'alive' }));
  }

  /**
   * Refuses what only the gateway has that a session lives or lived at: its recording, its events. Errors: `conflict`,
   * which names that gateway; `store_failed`.
   */
  async requireHere(session: SessionRecord, what: string): Promise<void> {
    const { gateway: id } = session;
    if (id === undefined || id === this.#self.id) return;
    const there = (await this.#options.store.list()).find((one) => one.id === id);
    const where = there === undefined ? '' : ` (${there.url} on ${there.host})`;
    throw userError('conflict', `${what} of session "${session.id}" is at gateway "${id}"${where}, not at this one`, {
      fix: there === undefined ? 'ask that one' : `ask that one: --gateway ${there.url}`,
    });
  }

  /** Says that it is alive, and closes what others left. Never rejects; one at a time. */
  async beat(): Promise<void> {
    if (this.#beating) return;
    this.#beating = true;
    try {
      await this.#beat();
      this.#beats.worked();
    } catch (thrown) {
      this.#beats.failed(thrown);
    } finally {
      this.#beating = false;
    }
  }

  /** Ends what others asked this gateway to end. Never rejects. */
  async look(): Promise<void> {
    const { live, sessions } = this.#options;
    if (live.size === 0) return;
    try {
      for (const { session, by, reason } of await sessions.killRequests(this.#self.id)) live.kill(session, by, reason);
      this.#looks.worked();
    } catch (thrown) {
      this.#looks.failed(thrown);
    }
  }

  /**
   * Ends a session wherever it lives: here at once; elsewhere when its gateway looks, which is waited for. False when it
   * is over already. Errors: `store_failed`, `conflict` (its gateway does not answer).
   */
  async kill(request: KillRequest, waitMs = 5000): Promise<boolean> {
    const { live, sessions } = this.#options;
    const { session, by, reason } = request;
    if (live.kill(session, by, reason)) return true;
    if (!(await sessions.requestKill(request))) return false;
    for (const until = performance.now() + waitMs; performance.now() < until; ) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      if ((await sessions.get(session))?.state !== 'open') return true;
    }
    throw userError('conflict', `session "${session}" lives at another gateway, which has not ended it yet`, {
      fix: 'it is asked to; "hoopctl sessions show" tells when it has',
    });
  }

  async #beat(): Promise<void> {
    const { store, shared, clock, log, limit: inForce, live, sessions } = this.#options;
    const { mine, skewMs } = await store.beat(this.#self);
    const deadMs = inForce(GATEWAY_DEAD_MS).value;
    const now = clock.now();
    const silent = now - this.#beatAt;
    this.#beatAt = now;
    // Where this one could not say it either, the others may be as alive as it is.
    if (silent > deadMs / 2) this.#steadySince = now;
    const again = !mine && (await this.#again(deadMs));
    if (!mine && !again && !this.#lost) {
      log.error({ gateway: this.#self.id }, 'another process has this gateway’s id: was its data directory copied?');
    }
    this.#lost = !mine && !again;
    if (!shared) return;
    const problem = this.#skewProblem(skewMs);
    if (problem !== undefined && !this.#skewed) log.error({ skewMs }, problem);
    this.#skewed = problem !== undefined;
    // Others may have taken it for dead meanwhile.
    if (again || silent > deadMs) await sessions.reopen(live.list().map(({ id }) => id));
    if (now - this.#steadySince < deadMs) return;
    for (const other of await this.others()) if (!other.alive) await this.#bury(other);
  }

  /**
   * Enters this gateway again where the store does not have it as it is, and nobody speaks for what it has instead: it was
   * set back to an earlier state. Another process that has its id would.
   */
  async #again(deadMs: number): Promise<boolean> {
    const { store, log } = this.#options;
    const there = (await store.list()).find(({ id }) => id === this.#self.id);
    if (there !== undefined && !there.over && there.silentMs < deadMs) return false;
    await store.begin(this.#self);
    log.warn({ gateway: this.#self.id }, 'the store does not know this gateway as it is: entered again');
    return true;
  }

  /** Two may do so at once: each change is made by one of them, and both have it on record. */
  async #bury({ id, instance, host, silentMs, seenAt }: GatewayRecord): Promise<void> {
    const { approvals, audit, clock, log, sessions, store } = this.#options;
    const seconds = Math.round(silentMs / 1000);
    log.error({ gateway: id, host, silentMs }, `gateway "${id}" is dead: what it left is closed`);
    const why = `gateway "${id}" went away`;
    // It may be starting again at this very moment: what is newer is not of the dead one.
    const until = seenAt + this.#options.limit(GATEWAY_DEAD_MS).value;
    const reviews = await approvals.closeOrphans({ gateway: id, until, why: `${why} while it was held` });
    const left = (await sessions.list({ state: 'open', gateway: id, limit: 1_000_000 })).filter(
      ({ gateway, startedAt }) => gateway === id && startedAt <= until,
    );
    for (const session of left) {
      const endMessage = `${why}: its recording is there, and is sealed when it starts again`;
      await sessions.update(session.id, {
        state: 'interrupted',
        endedAt: clock.now(),
        endCode: 'internal',
        endMessage,
      });
    }
    audit.append('failure', { what: 'gateway went away', gateway: id, host, seconds, sessions: left.length, reviews });
    await store.over(id, instance);
  }

  #skewProblem(skewMs: number): string | undefined {
    const bound = this.#options.limit(STORE_SKEW_MS).value;
    if (Math.abs(skewMs) <= bound) return undefined;
    const how = skewMs > 0 ? 'behind' : 'ahead of';
    return `this machine's clock is ${Math.abs(skewMs)} ms ${how} the store's, over ${bound} ms (${STORE_SKEW_MS.name})`;
  }
}
