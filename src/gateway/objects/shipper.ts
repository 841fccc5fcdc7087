// Puts sealed recordings into object storage, off the data path, and removes them from the disk when they have been in both
// places for long enough. The storage may be away for as long as the disk has room: nobody waits for it.
// Refuses to know: how a file gets there (store/s3), what is in it.

import type { Clock } from '../../core/clock.ts';
import { asHoopctlError } from '../../core/errors.ts';
import { type Limit, limit } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import type { Alerts } from '../../session/alerts.ts';
import type { CustodyStore } from '../../session/custody/store.ts';
import type { AuditLog } from '../../session/log/audit.ts';
import type { DiskHealth } from '../../session/recorder/sink.ts';
import type { SessionRecord } from '../../session/records.ts';
import { addressOf, type Elsewhere } from '../../store/elsewhere.ts';
import { UploadError, type Uploader } from '../../store/s3/uploader.ts';
import type { Shelf } from '../../store/shelf.ts';
import type { S3Configuration } from './schema.ts';
import { OBJECTS_MS, type ObjectStorage, placeOf } from './storage.ts';

/** Larger files of recordings are uploaded in parts of this size, one after the other; S3 wants 5 MiB at least. */
export const PART_BYTES: Limit = limit('recording_upload_part_bytes', 'bytes', 8 * 1024 * 1024);
/** Recordings that are uploaded at once. */
export const UPLOADS: Limit = limit('recording_uploads', 'count', 4);
/** How often is looked for recordings to upload, and to remove from the disk. */
export const UPLOAD_POLL_MS: Limit = limit('recording_upload_poll_ms', 'ms', 2000);
/** The pause after the first failure; each next one is twice as long, up to a minute. */
export const UPLOAD_RETRY_MS: Limit = limit('recording_upload_retry_ms', 'ms', 1000);
/** How long the storage takes nothing before that is told as an alert. */
export const UPLOAD_ALERT_MS: Limit = limit('recording_upload_alert_ms', 'ms', 60_000);

const MAX_PAUSE_MS = 60_000;
/** Looked at in one turn. */
const TURN = 200;

export interface ShipperOptions {
  readonly storage: ObjectStorage;
  readonly uploader: Uploader;
  readonly store: CustodyStore;
  readonly shelf: Shelf;
  readonly disk: () => DiskHealth;
  readonly gateway: string;
  readonly audit: AuditLog;
  readonly alerts: Alerts;
  readonly clock: Clock;
  readonly log: Log;
  readonly limit: (bound: Limit) => Limit;
}

export interface ShipperState {
  readonly state: 'idle' | 'sending' | 'failing';
  /** `s3://bucket/prefix`. */
  readonly to: string;
  /** Recordings that are on the disk alone. */
  readonly waiting: number;
  /** How long the oldest of them has been over, in ms. */
  readonly lagMs: number;
  /** Since the start. */
  readonly uploaded: number;
  readonly error: string | undefined;
  /** Milliseconds since the epoch. */
  readonly failingSince: number | undefined;
}

export class Shipper {
  readonly #options: ShipperOptions;
  readonly #busy = new Set<string>();
  /** Whose files are the trouble: left alone until the next start. */
  readonly #bad = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  #waiting: { count: number; since: number | undefined } = { count: 0, since: undefined };
  #uploaded = 0;
  #attempts = 0;
  #failingSince: number | undefined;
  #error: string | undefined;
  #told = false;

  constructor(options: ShipperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule(0);
  }

  /** What is on its way is left as it is: the next start goes on with it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#options.uploader.stop();
    await this.#running;
  }

  /** Whether something is done with its files now. */
  uploads(session: string): boolean {
    return this.#busy.has(session);
  }

  /** Undefined: no object storage is configured. */
  get state(): ShipperState | undefined {
    const { storage, clock } = this.#options;
    const { configured } = storage;
    if (configured === undefined) return undefined;
    const { count, since } = this.#waiting;
    return {
      state: this.#failingSince !== undefined ? 'failing' : count > 0 ? 'sending' : 'idle',
      to: nameOf(configured),
      waiting: count,
      lagMs: since === undefined ? 0 : Math.max(0, clock.now() - since),
      uploaded: this.#uploaded,
      error: this.#error,
      failingSince: this.#failingSince,
    };
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#turn().then((pause) => this.#schedule(pause));
    }, ms).unref();
  }

  /** How long until the next. Never rejects. */
  async #turn(): Promise<number> {
    const { storage, store, gateway } = this.#options;
    const poll = this.#value(UPLOAD_POLL_MS);
    const { configured } = storage;
    if (configured === undefined) return poll;
    try {
      await this.#uploadAll(configured);
      await this.#removeLocal(configured);
      this.#waiting = await store.waiting(gateway);
      this.#worked();
      return poll;
    } catch (thrown) {
      this.#waiting = await store.waiting(gateway).catch(() => this.#waiting);
      return this.#stopped ? 0 : this.#failed(thrown);
    }
  }

  /** Several at once; the first that the storage does not take ends the turn. */
  async #uploadAll(configured: S3Configuration): Promise<void> {
    const { store, shelf, gateway, storage } = this.#options;
    for (;;) {
      const found = await store.unstored(gateway, TURN + this.#bad.size);
      const due = found.filter(({ id }) => !this.#bad.has(id) && !shelf.unsettled(id));
      if (due.length === 0 || this.#stopped) return;
      const credentials = await storage.credentials();
      let failure: { thrown: unknown } | undefined;
      const next = due.values();
      const one = async () => {
        for (const session of next) {
          if (failure !== undefined || this.#stopped) return;
          try {
            await this.#upload(session, configured, credentials);
          } catch (thrown) {
            failure ??= { thrown };
          }
        }
      };
      await Promise.all(Array.from({ length: Math.max(1, this.#value(UPLOADS)) }, one));
      if (failure !== undefined) throw failure.thrown;
      if (found.length < TURN) return;
    }
  }

  async #upload(
    session: SessionRecord,
    configured: S3Configuration,
    credentials: Awaited<ReturnType<ObjectStorage['credentials']>>,
  ): Promise<void> {
    const { shelf, store, uploader, clock, gateway } = this.#options;
    const { id } = session;
    this.#busy.add(id);
    try {
      // It is to be purged since it was looked for: whoever purges looks whether it is on its way.
      if (!(await store.stays(gateway, id, undefined))) return;
      const { folder, ...files } = shelf.upload(id);
      if (files.files.length === 0 && shelf.elsewhere(id) === undefined) {
        throw new UploadError('it has no files', true);
      }
      const done =
        shelf.elsewhere(id) ??
        (await uploader.upload({
          job: { ...{ session: id, ...files }, ...jobOf(configured, folder, clock.now(), this.#value(PART_BYTES)) },
          ...{ place: placeOf(configured), credentials, timeoutMs: this.#value(OBJECTS_MS) },
        }));
      this.#append('recording', { what: 'stored', session: id, ...shown(done) });
      await store.setStored(id, 'both');
      this.#uploaded += 1;
      this.#worked();
    } catch (thrown) {
      if (!isItsOwn(thrown) || this.#stopped) throw thrown;
      this.#leave(id, 'recording cannot be uploaded', thrown.message);
    } finally {
      this.#busy.delete(id);
    }
  }

  async #removeLocal({ keepLocal }: S3Configuration): Promise<void> {
    const { store, gateway, clock, disk } = this.#options;
    // What is elsewhere too makes room for what is not.
    const keep = ['low', 'critical'].includes(disk().state) ? 0 : keepLocal;
    for (;;) {
      const found = await store.inBoth(gateway, clock.now() - keep, TURN + this.#bad.size);
      for (const { id } of found) {
        if (this.#stopped) return;
        if (this.#bad.has(id)) continue;
        this.#busy.add(id);
        try {
          if (await store.stays(gateway, id, 'both')) await this.#removeOne(id);
        } catch (thrown) {
          if (!isItsOwn(thrown)) throw thrown;
          this.#leave(id, 'recording cannot leave the disk', thrown.message);
        } finally {
          this.#busy.delete(id);
        }
      }
      if (found.length < TURN) return;
    }
  }

  /** When the storage has said once more that it has it: what is here may be the last copy by now. */
  async #removeOne(id: string): Promise<void> {
    const { store, shelf, storage, log } = this.#options;
    const copies = shelf.copies(id);
    if (copies === undefined) throw new UploadError('it is not in object storage as it is here', true);
    const { there, files } = copies;
    const lost = await storage.lost(there, files);
    if (lost === undefined) {
      shelf.drop(id);
      await store.setStored(id, 'object');
      return;
    }
    const object = addressOf(there, lost);
    log.error({ session: id, object }, `the recording of ${id} is gone from object storage, and goes there again`);
    if (!this.#append('failure', { what: 'recording is gone from object storage', session: id, object })) return;
    // In this order: a kill between the two is found out once more.
    await store.setStored(id, undefined);
    shelf.again(id);
  }

  /** Until the next start: it must not hold up the others. */
  #leave(id: string, what: string, error: string): void {
    this.#bad.add(id);
    this.#options.log.error({ session: id, error }, `${what}: ${id}: ${error}`);
    this.#append('failure', { what, session: id, error });
  }

  #worked(): void {
    this.#attempts = 0;
    this.#error = undefined;
    if (this.#failingSince === undefined) return;
    const { clock, log } = this.#options;
    const afterMs = clock.now() - this.#failingSince;
    this.#failingSince = undefined;
    log.info({ afterMs }, 'the object storage takes recordings again');
    if (!this.#told) return;
    this.#told = false;
    this.#append('recording', { what: 'object storage takes recordings again', afterMs });
  }

  /** How long until the next attempt. Told as an alert once for each time that it fails for long. */
  #failed(thrown: unknown): number {
    const { clock, log, alerts, storage } = this.#options;
    const now = clock.now();
    this.#error = thrown instanceof UploadError ? thrown.message : asHoopctlError(thrown).message;
    this.#failingSince ??= now;
    const forMs = now - this.#failingSince;
    const fields = { error: this.#error, forMs, waiting: this.#waiting.count };
    log.warn(fields, 'the object storage takes no recordings: they stay on the disk');
    if (!this.#told && forMs >= this.#value(UPLOAD_ALERT_MS)) {
      const to = storage.configured === undefined ? undefined : nameOf(storage.configured);
      alerts.raise({ type: 'recording.store', data: { to, ...fields } });
      this.#told = this.#append('failure', { what: 'object storage takes no recordings', to, ...fields });
    }
    const full = Math.min(this.#value(UPLOAD_RETRY_MS) * 2 ** this.#attempts, MAX_PAUSE_MS);
    this.#attempts += 1;
    return Math.round(full / 2 + (full / 2) * Math.random());
  }

  #append(kind: 'recording' | 'failure', fields: Readonly<Record<string, unknown>>): boolean {
    try {
      this.#options.audit.append(kind, fields);
      return true;
    } catch (thrown) {
      this.#options.log.error({}, `cannot put an upload on record: ${asHoopctlError(thrown).message}`);
      return false;
    }
  }

  #value(bound: Limit): number {
    return this.#options.limit(bound).value;
  }
}

/** Whether it is about the one recording: its files, or what is known of its objects. */
function isItsOwn(thrown: unknown): thrown is Error {
  return thrown instanceof UploadError ? thrown.local : asHoopctlError(thrown).code === 'recording_invalid';
}

function nameOf({ bucket, prefix }: S3Configuration): string {
  return `s3://${bucket}/${prefix}`;
}

function jobOf(configured: S3Configuration, folder: string, now: number, partBytes: number) {
  const { endpoint, bucket, prefix, sse, kmsKey, objectLock } = configured;
  const until = objectLock && new Date(now + objectLock.keep).toISOString();
  return {
    ...{ endpoint, bucket, partBytes, keys: prefix + folder },
    headers: {
      ...(sse === undefined ? {} : { 'x-amz-server-side-encryption': sse }),
      ...(kmsKey === undefined ? {} : { 'x-amz-server-side-encryption-aws-kms-key-id': kmsKey }),
    },
    ...(objectLock === undefined ? {} : { lock: { mode: objectLock.mode.toUpperCase(), until: until! } }),
  };
}

function shown({ endpoint, bucket, retainUntil, files }: Elsewhere): Record<string, unknown> {
  const objects = files.map(({ key, bytes, sha256, version }) => ({ key, bytes, sha256, version }));
  return { endpoint, bucket, retainUntil, objects };
}
