// What becomes of recordings after their sessions: purged when they are old enough or somebody says so, held where somebody
// forbids it. Brings together what decides (session/custody) and every place that has content. Refuses to know: HTTP.

import { basename } from 'node:path';
import { newHoldId } from '../../core/ids.ts';
import type { Limit } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import { type Content, type PurgeOptions, Purger } from '../../session/custody/purge.ts';
import { RETENTION_POLL_MS, Retention, type RetentionOptions } from '../../session/custody/retention.ts';
import { type CustodyStore, type Hold, type HoldKind, holding } from '../../session/custody/store.ts';
import { Outage } from '../../session/outage.ts';
import { readLines } from '../../session/recorder/reader.ts';
import { readRecording } from '../../session/recorder/stored.ts';
import type { PurgeOrder, SessionRecord } from '../../session/records.ts';
import type { Left } from '../../store/elsewhere.ts';
import type { RecordingDirectory } from '../../store/recordings.ts';
import type { Shelf } from '../../store/shelf.ts';
import type { Shipper } from '../objects/shipper.ts';
import { NotRemoved, type ObjectStorage } from '../objects/storage.ts';
import type { Search } from '../search/search.ts';

/** How often is looked for what was ordered, here and at other gateways. */
const LOOK_MS = 2000;

export interface Places {
  readonly sink: Pick<RecordingDirectory, 'compressing' | 'eraseKey' | 'files' | 'scrub'>;
  readonly shelf: Shelf;
  readonly storage: ObjectStorage;
  readonly shipper: Pick<Shipper, 'uploads'>;
  readonly search: Pick<Search, 'forget' | 'scrub'>;
}

export interface CustodianOptions
  extends Omit<PurgeOptions, 'content'>,
    Omit<RetentionOptions, 'order' | 'audit' | 'encrypted'> {
  readonly places: Places;
  readonly store: CustodyStore;
  readonly log: Log;
  readonly limit: (bound: Limit) => Limit;
}

export class Custodian {
  readonly #options: CustodianOptions;
  readonly #purger: Purger;
  readonly #retention: Retention;
  readonly #outage: Outage;
  #timers: NodeJS.Timeout[] = [];
  #retained: NodeJS.Timeout | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(options: CustodianOptions) {
    this.#options = options;
    const content = contentOf(options.places);
    this.#purger = new Purger({ ...options, content });
    this.#retention = new Retention({
      ...options,
      order: (session, order) => this.#purger.order(session, order),
      encrypted: (session) => content.encrypted(session),
    });
    this.#outage = new Outage(options.log, 'look after the recordings that are to be purged');
  }

  start(): void {
    this.#timers = [setInterval(() => this.#do(() => this.#purger.run()), LOOK_MS).unref()];
    this.#do(() => this.#purger.run());
    this.#retain(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#retained);
    await this.#running;
  }

  /** Ordered, and done as far as it can be now. Errors: `conflict`, `store_failed`. */
  async purge(session: SessionRecord, order: Omit<PurgeOrder, 'at'>): Promise<void> {
    await this.#purger.order(session, order);
    if (session.gateway === undefined || session.gateway === this.#options.gateway) await this.#purger.run();
  }

  /** Why what was ordered is not gone yet, as far as this gateway knows. */
  waits(session: string): string | undefined {
    return this.#purger.waits(session);
  }

  /** On record before it holds. `late`: recordings that are being removed already. Errors: `store_failed`, `recording_failed`. */
  async hold(hold: {
    kind: HoldKind;
    value: string;
    reason: string;
    by: string;
  }): Promise<{ hold: Hold; late: string[] }> {
    const { store, audit, clock } = this.#options;
    const made: Hold = { id: newHoldId(), ...hold, at: clock.now() };
    const { id, kind, value, reason, by } = made;
    audit.append('admin', { what: 'legal hold', hold: id, of: kind, value, reason, by });
    await store.addHold(made);
    // Of every gateway on the store: each removes its own, and the hold is for all.
    const under = async () =>
      (await store.ordered(undefined, 10_000)).filter((session) => holding([made], session).length > 0);
    for (const { id: session, purge } of await under()) {
      if (purge!.state === 'begun' || !(await store.cancelPurge(session, purge!.before))) continue;
      audit.append('admin', { what: 'purge cancelled', session, hold: id });
    }
    // Looked at again: one that was ordered a moment ago may have begun before it could be taken back.
    const late = (await under()).filter(({ purge }) => purge!.state === 'begun').map((one) => one.id);
    return { hold: made, late };
  }

  holds(released: boolean): Promise<readonly Hold[]> {
    return this.#options.store.holds(released);
  }

  /** Undefined: there is none of that id. On record when it resolves. Errors: `store_failed`, `recording_failed`. */
  async release(id: string, by: string): Promise<Hold | undefined> {
    const { store, audit, clock } = this.#options;
    const known = (await store.holds(false)).find((one) => one.id === id);
    if (known === undefined) return undefined;
    const { kind, value } = known;
    audit.append('admin', { what: 'legal hold released', hold: id, of: kind, value, by });
    return store.releaseHold(id, by, clock.now());
  }

  #retain(ms: number): void {
    if (this.#stopped) return;
    this.#retained = setTimeout(() => {
      this.#do(async () => {
        if ((await this.#retention.look()) > 0) await this.#purger.run();
      });
      this.#retain(this.#options.limit(RETENTION_POLL_MS).value);
    }, ms).unref();
  }

  #do(work: () => Promise<unknown>): void {
    this.#running = this.#running.then(async () => {
      if (this.#stopped) return;
      try {
        await work();
        this.#outage.worked();
      } catch (thrown) {
        this.#outage.failed(thrown);
      }
    });
  }
}

/** The index first, then the disk, then object storage: what is easiest read is gone soonest. */
function contentOf({ sink, shelf, storage, shipper, search }: Places): Content {
  /** Of objects, those that may be there by now. */
  const removeObjects = async (places: readonly Left[], wanted: (name: string) => boolean) => {
    try {
      for (const place of places) {
        const keys = place.keys.filter((key) => wanted(basename(key)));
        if (keys.length > 0) await storage.remove(place, keys);
      }
      return undefined;
    } catch (thrown) {
      if (thrown instanceof NotRemoved) return { why: thrown.message, until: thrown.until };
      throw thrown;
    }
  };
  return {
    free: (session) => !sink.compressing(session) && !shipper.uploads(session),
    async encrypted(session) {
      for await (const line of readLines(readRecording(sink, session))) return line.encryption !== undefined;
      return false;
    },
    async forget(session) {
      await search.forget(session);
    },
    async remove(session) {
      const places = shelf.everywhere(session);
      shelf.erase(session);
      for (const { upload, ...place } of places)
        if (upload !== undefined) await storage.dropParts(place, upload.key, upload.id);
      const left = await removeObjects(places, () => true);
      if (left === undefined) shelf.forget(session);
      return left;
    },
    async removeKey(session) {
      const places = shelf.everywhere(session);
      await sink.eraseKey(session);
      const left = await removeObjects(places, (name) => name === shelf.keyName(session));
      if (left === undefined) shelf.forgetKey(session);
      return left;
    },
    async scrub() {
      await sink.scrub();
      await search.scrub();
    },
  };
}
