// The sessions that live in this process: found, listed, ended from outside, and their counters saved now and then.
// Refuses to know: what happens inside a session.

import { asHoopctlError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { SessionEnd } from '../protocol/contract.ts';
import type { Principal } from './identity/principal.ts';
import type { SessionChange, SessionRecord, SessionStore } from './records.ts';

/** A live session, as those outside it see it. */
export interface LiveSession {
  readonly id: string;
  readonly who: Principal;
  readonly connection: string;
  readonly grant: string | undefined;
  /** As it stands now. */
  record(): SessionRecord;
  /** Aborts it; what it is told is `reason`. Idempotent. */
  kill(reason: SessionEnd): void;
  /** Resolves when its recording is sealed and the store knows; never rejects. */
  readonly closed: Promise<void>;
}

const SAVE_MS = 5000;

export class SessionRegistry {
  readonly #sessions = new Map<string, LiveSession>();
  readonly #saved = new Map<string, string>();
  /** Sessions that have ended without the store knowing. */
  readonly #unsettled = new Map<string, SessionChange>();
  readonly #store: SessionStore;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { readonly store: SessionStore; readonly log: Log }) {
    this.#store = options.store;
    this.#log = options.log;
  }

  /** Keeps it until it is closed. */
  add(session: LiveSession): void {
    this.#sessions.set(session.id, session);
    this.#timer ??= setInterval(() => void this.save(), SAVE_MS).unref();
    void session.closed.then(() => {
      this.#sessions.delete(session.id);
      this.#saved.delete(session.id);
    });
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(id: string): LiveSession | undefined {
    return this.#sessions.get(id);
  }

  list(): readonly LiveSession[] {
    return [...this.#sessions.values()];
  }

  /** The grants that sessions run on. */
  grants(): readonly string[] {
    return this.list().flatMap(({ grant }) => grant ?? []);
  }

  /** False when no such session lives here. */
  kill(id: string, by: string, reason?: string): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    const why = reason === undefined ? '' : `: ${reason}`;
    session.kill({ code: 'session_killed', message: `the session was ended by ${by}${why}` });
    return true;
  }

  /** Every session of a principal, also those of agents acting for it. Returns how many. */
  killPrincipal(issuer: string, subject: string, reason: string): number {
    return this.#killWhere(({ who }) => who.issuer === issuer && who.subject === subject, {
      code: 'principal_revoked',
      message: reason,
    });
  }

  killGrant(grant: string, reason: string): number {
    return this.#killWhere((session) => session.grant === grant, { code: 'grant_ended', message: reason });
  }

  /** Ends all, and waits until their recordings are sealed. */
  async endAll(reason: SessionEnd): Promise<void> {
    const all = this.list();
    for (const session of all) session.kill(reason);
    await Promise.all(all.map((session) => session.closed));
  }

  /** What is to be known of an ended session; kept until the store takes it. Never rejects. */
  async settle(id: string, change: SessionChange): Promise<void> {
    try {
      await this.#store.update(id, change);
    } catch (thrown) {
      this.#unsettled.set(id, change);
      this.#log.error({ session: id }, `cannot store the end of a session yet: ${asHoopctlError(thrown).message}`);
    }
  }

  /** Writes what the store has not taken yet, and the counters of those that changed since. */
  async save(): Promise<void> {
    for (const [id, change] of this.#unsettled) {
      try {
        await this.#store.update(id, change);
        this.#unsettled.delete(id);
      } catch {
        // Told when it was the first time.
        return;
      }
    }
    for (const session of this.#sessions.values()) {
      const { id, operations, denied, fromClient, toClient, bytes, exempt, state } = session.record();
      const counters = { operations, denied, fromClient, toClient, bytes, exempt };
      const mark = JSON.stringify(counters);
      if (state !== 'open' || this.#saved.get(id) === mark) continue;
      try {
        await this.#store.update(id, counters);
        this.#saved.set(id, mark);
      } catch (thrown) {
        this.#log.warn({ session: id }, `cannot save the counters of a session: ${asHoopctlError(thrown).message}`);
        return;
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #killWhere(match: (session: LiveSession) => boolean, reason: SessionEnd): number {
    const found = this.list().filter(match);
    for (const session of found) session.kill(reason);
    return found.length;
  }
}
