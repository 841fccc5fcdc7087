// Removes recordings for good, wherever their content is kept, and leaves a signed tombstone. In this order, so that a kill at
// any moment leaves what the next start completes: the order in the store; that it begins, in the log and under a checkpoint;
// the content; the tombstone in the log; the order done. Refuses to know: files, which recordings are due.

import type { Clock } from '../../core/clock.ts';
import { asHoopctlError, type HoopctlError, userError } from '../../core/errors.ts';
import { type Limit, limit } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import type { AuditLog } from '../log/audit.ts';
import type { PurgeOrder, SessionRecord } from '../records.ts';
import { type CustodyStore, type Hold, holding } from './store.ts';

/** Where a recording's content may be. */
export interface Content {
  /** False: something is done with it now, it is to be tried again in a moment. */
  free(session: string): boolean;
  /** What was made of it, and is found by its words. Errors: it is not known whether that is gone. */
  forget(session: string): Promise<void>;
  /**
   * What can only be removed later, as a sentence, and when; undefined: all of it is gone. What is here goes at once, before
   * anybody else has a turn. Errors: it is not known.
   */
  remove(session: string): Promise<{ readonly why: string; readonly until: number | undefined } | undefined>;
  /** Whether its content is encrypted, by its own word. Errors: it cannot be read. */
  encrypted(session: string): Promise<boolean>;
  /** As `remove`, of the key alone. */
  removeKey(session: string): Promise<{ readonly why: string; readonly until: number | undefined } | undefined>;
  /** After one or several were removed: overwrites what is left of them where removing does not. */
  scrub(): Promise<void>;
}

export interface PurgeOptions {
  readonly store: CustodyStore;
  readonly content: Content;
  readonly audit: AuditLog & { readonly size: number; covered(size: number): Promise<void> };
  readonly clock: Clock;
  readonly log: Log;
  readonly gateway: string;
  readonly limit: (bound: Limit) => Limit;
}

interface Waits {
  readonly why: string;
  readonly at: number;
}

/** When a purge that something is in the way of is tried again. */
export const PURGE_RETRY_MS: Limit = limit('purge_retry_ms', 'ms', 60_000);
/** However long Object Lock is to last: somebody may lift it. */
const LONGEST_MS = 3_600_000;
/** In one turn. */
const TURN = 200;

export class Purger {
  readonly #options: PurgeOptions;
  readonly #waiting = new Map<string, Waits>();
  /** One after the other: two must not remove the same, nor a hold come between a look and what follows it. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: PurgeOptions) {
    this.#options = options;
  }

  /** From now on it is to go. Errors: `conflict` (it is held, open, gone already), `store_failed`. */
  async order(session: SessionRecord, order: Omit<PurgeOrder, 'at'>): Promise<void> {
    const { store, clock } = this.#options;
    if (session.state === 'open') {
      throw userError('conflict', `session "${session.id}" is open`, { fix: 'end it first: hoopctl sessions kill' });
    }
    if (session.purge !== undefined && (session.purge.state !== 'erased' || order.only === 'key')) {
      throw purgedError(session);
    }
    if (order.only === 'key' && !(await this.#options.content.encrypted(session.id))) {
      throw userError('conflict', `the recording of session "${session.id}" is not encrypted: it has no key to erase`, {
        fix: 'purge all of it',
      });
    }
    await this.#refuseHeld(session);
    const before = erasedBy(session);
    const written = { ...order, at: clock.now(), ...(before === undefined ? {} : { before }) };
    if (!(await store.orderPurge(session.id, written))) {
      throw userError('conflict', `the recording of session "${session.id}" is being purged, or was`);
    }
    // Who holds looks at the orders after holding: one of the two sees the other.
    try {
      await this.#refuseHeld(session);
    } catch (thrown) {
      await store.cancelPurge(session.id, before);
      throw thrown;
    }
  }

  /** Does what was ordered, as far as it can be done now. Errors: `store_failed`; others are told and tried again. */
  run(): Promise<void> {
    const run = this.#tail.then(() => this.#run());
    this.#tail = run.catch(() => {});
    return run;
  }

  /** Why it is not gone yet; undefined: nothing is known to be in the way. */
  waits(session: string): string | undefined {
    const busy = () =>
      this.#options.content.free(session) ? undefined : 'it is being compressed or uploaded just now';
    return this.#waiting.get(session)?.why ?? busy();
  }

  async #run(): Promise<void> {
    const { store, clock, gateway, content } = this.#options;
    const ordered = await store.ordered(gateway, TURN + this.#waiting.size);
    const known = new Set(ordered.map(({ id }) => id));
    for (const id of this.#waiting.keys()) if (!known.has(id)) this.#waiting.delete(id);
    const removed: SessionRecord[] = [];
    let touched = false;
    for (const session of ordered) {
      if ((this.#waiting.get(session.id)?.at ?? 0) > clock.now() || !content.free(session.id)) continue;
      touched = true;
      if (await this.#tried(session, () => this.#remove(session))) removed.push(session);
    }
    if (!touched) return;
    try {
      await content.scrub();
    } catch (thrown) {
      for (const session of removed) this.#wait(session, asHoopctlError(thrown).message, undefined);
      return;
    }
    for (const session of removed) {
      const keyOnly = session.purge!.only === 'key';
      this.#options.audit.append('purge', tombstone(session));
      await store.setPurged(session.id, keyOnly ? 'erased' : 'purged');
      this.#waiting.delete(session.id);
      this.#options.log.info(
        { session: session.id },
        `${keyOnly ? 'the key of ' : ''}the recording of ${session.id} was purged`,
      );
    }
  }

  /** What fails is told, and tried again. */
  async #tried(session: SessionRecord, work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await work();
    } catch (thrown) {
      this.#wait(session, asHoopctlError(thrown).message, undefined);
      return false;
    }
  }

  /** False: not all of it yet. */
  async #remove(session: SessionRecord): Promise<boolean> {
    const { store, content, audit } = this.#options;
    const { id, purge } = session;
    const held = async () => holding(await store.holds(false), session)[0];
    const hold = await held();
    if (hold !== undefined && purge!.state === 'ordered') return this.#cancelled(session, hold);
    if (hold !== undefined) {
      this.#wait(session, `it is under legal hold ${hold.id}`, undefined);
      return false;
    }
    if (purge!.state === 'ordered') {
      audit.append('purging', tombstone(session));
      await audit.covered(audit.size);
      // The checkpoint takes a second: who held it meanwhile was told that it stays.
      const late = await held();
      if (late !== undefined || !(await store.beginPurge(id))) return this.#cancelled(session, late);
    }
    await content.forget(id);
    // It may have been taken to be compressed or uploaded meanwhile, and would be put back.
    if (!content.free(id)) return false;
    const left = await (purge!.only === 'key' ? content.removeKey(id) : content.remove(id));
    if (left !== undefined) this.#wait(session, left.why, left.until);
    return left === undefined;
  }

  /** Nothing is removed. On record, so that a verifier does not take it for one that is on its way. `hold`: where it is known. */
  async #cancelled({ id, purge }: SessionRecord, hold: Hold | undefined): Promise<false> {
    this.#options.audit.append('admin', { what: 'purge cancelled', session: id, hold: hold?.id });
    await this.#options.store.cancelPurge(id, purge!.before);
    return false;
  }

  /** On record once for each thing that is in the way. */
  #wait({ id }: SessionRecord, why: string, until: number | undefined): void {
    const { clock, audit, log } = this.#options;
    const known = this.#waiting.get(id)?.why === why;
    const soon = clock.now() + this.#options.limit(PURGE_RETRY_MS).value;
    this.#waiting.set(id, { why, at: Math.max(soon, Math.min(until ?? 0, soon + LONGEST_MS)) });
    if (known) return;
    log.warn({ session: id, why }, `the recording of ${id} cannot be purged yet: ${why}`);
    try {
      audit.append('failure', { what: 'purge waits', session: id, why, until: isoOf(until) });
    } catch (thrown) {
      log.error({ session: id }, `cannot put on record that a purge waits: ${asHoopctlError(thrown).message}`);
    }
  }

  async #refuseHeld(session: SessionRecord): Promise<void> {
    const [held] = holding(await this.#options.store.holds(false), session);
    if (held === undefined) return;
    const { id, kind, value, by, reason } = held;
    throw userError(
      'conflict',
      `session "${session.id}" is under legal hold ${id} (${kind} "${value}", by ${by}: ${reason})`,
      { fix: `nothing of it is removed until that is lifted: hoopctl admin holds release ${id}` },
    );
  }
}

/** Who had the key erased of what is to go altogether now. */
function erasedBy({ purge }: SessionRecord): PurgeOrder | undefined {
  if (purge?.state !== 'erased') return undefined;
  const { state: _, ...order } = purge;
  return order;
}

/** What whoever asks for a recording is told that is gone, or about to be. */
export function purgedError({ id, purge }: SessionRecord): HoopctlError {
  const { state: is, at, by, reason } = purge!;
  const done = is === 'purged' || is === 'erased';
  const state = {
    ordered: 'is to be purged',
    begun: 'is being purged',
    erased: 'has no key any more',
    purged: 'was purged',
  }[is];
  const code = done ? 'not_found' : 'conflict';
  return userError(code, `the recording of session "${id}" ${state}, ordered at ${isoOf(at)} by ${by}: ${reason}`, {
    fix: 'the log keeps that it was sealed, its digest, and who had it purged: hoopctl audit verify',
  });
}

/** What whoever asks for the content of a recording is told whose key is gone. Times in words. */
export function keyErasedError(
  id: string,
  { at, by, reason }: { readonly at: string; readonly by: string; readonly reason: string },
): HoopctlError {
  const what = `the key of the recording of ${id} was erased, ordered at ${at} by ${by}: ${reason}`;
  return userError('key_erased', what, {
    fix: 'nobody can read what was said in it; what is left can be checked: hoopctl audit verify',
  });
}

/** What whoever asks for the content of a recording is told whose key is gone by nobody's order. */
export function keyMissingError(id: string): HoopctlError {
  const what = `the key of the recording of ${id} is not there, and nobody ordered that: nobody can read what was said in it`;
  return userError('key_missing', what, {
    fix: `what is left can be checked: hoopctl audit verify; the key (${id}.key.age) may be in a backup`,
  });
}

function tombstone({ id, connection, digest, purge }: SessionRecord): Record<string, unknown> {
  const { reason, by, at, only } = purge!;
  return {
    ...(only === undefined ? {} : { what: only }),
    session: id,
    connection,
    digest,
    reason,
    by,
    ordered: isoOf(at),
  };
}

function isoOf(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}
