// Everything that is kept, under one data directory: the database, the recordings, the log.
// Refuses to know: what is done with it; who may open it at the same time is lock.ts.

import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import type { Limit } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { DiskFiles } from '../session/recorder/files.ts';
import { nobodyElse } from './announcements.ts';
import { BudgetTable } from './budgets.ts';
import { Custody } from './custody.ts';
import { asking, openDatabase, pingDatabase, scrubDatabase, storeError } from './database.ts';
import { Deliveries } from './deliveries.ts';
import type { ObjectReader } from './elsewhere.ts';
import { privateDirectory } from './files.ts';
import { Gateways } from './gateways.ts';
import { GrantTable } from './grants.ts';
import { KeyValues } from './key-values.ts';
import { LogDirectory, SegmentDirectory } from './log-directory.ts';
import { OidcTable } from './oidc.ts';
import { LogOutbox } from './outbox.ts';
import type { OpenDatabase, PostgresOptions } from './postgres.ts';
import { RecordingDirectory } from './recordings.ts';
import { Reviews } from './reviews.ts';
import { RevocationTable } from './revocations.ts';
import { ServiceAccounts } from './service-accounts.ts';
import { Sessions } from './sessions.ts';
import { Shelf } from './shelf.ts';
import { SigningKeys } from './signing-keys.ts';
import { Users } from './users.ts';

export { type DirectoryLock, lockDirectory } from './lock.ts';

export interface StoreOptions {
  /** Made with mode 0700 where it is not there. */
  readonly directory: string;
  readonly clock: Clock;
  /** The id of the gateway whose data directory it is; undefined: none was ever started on it. */
  readonly gateway?: string | undefined;
  /** State in PostgreSQL, which other gateways may share; left out: DATA/store.db. */
  readonly postgres?: PostgresOptions;
  /** The file calls for recordings and the log; the real ones unless a test says otherwise. */
  readonly files?: DiskFiles;
  /** The limit in force; left out: the declared one. */
  readonly limit?: (bound: Limit) => Limit;
  /** Whether entries of the log survive a loss of power when they are taken; left out: no. */
  readonly logSynced?: () => boolean;
  /** Whether sealed recordings are compressed; left out: no. */
  readonly compress?: () => boolean;
  /** Reads recordings that are in object storage. */
  readonly objects?: ObjectReader;
  readonly log?: Log;
}

export type Store = Awaited<ReturnType<typeof openStore>>;

async function openEmbedded(path: string, clock: Clock): Promise<OpenDatabase & { scrub?: () => Promise<void> }> {
  const db = await openDatabase(path, clock.now());
  return {
    db,
    place: path,
    announcements: nobodyElse,
    now: async () => clock.now(),
    scrub: () => scrubDatabase(db),
    ping: () => pingDatabase(db),
  };
}

/** Opens DATA/store.db or PostgreSQL, DATA/recordings, DATA/log. Several processes may. Errors: `store_failed`. */
export async function openStore(options: StoreOptions) {
  const { directory, clock, files, postgres, gateway = '' } = options;
  try {
    privateDirectory(directory);
  } catch (thrown) {
    throw storeError(`make the data directory "${directory}"`, thrown);
  }
  const opened: Awaited<ReturnType<typeof openEmbedded>> =
    postgres === undefined
      ? await openEmbedded(join(directory, 'store.db'), clock)
      : await (await import('./postgres.ts')).openPostgres(postgres, clock.now());
  const { db, place, announcements, now, ping = async () => {}, scrub = async () => {} } = opened;
  const tell = announcements.tell.bind(announcements);
  const oidc = new OidcTable(db, clock);
  const revocations = new RevocationTable(db, tell);
  const signingKeys = new SigningKeys(db, gateway);
  const keyValues = new KeyValues(db, clock);
  const { limit, compress, log, objects } = options;
  const recordings = new RecordingDirectory(join(directory, 'recordings'), {
    ...(files === undefined ? {} : { files }),
    ...(limit === undefined ? {} : { limit }),
    ...(compress === undefined ? {} : { compress }),
    ...(objects === undefined ? {} : { objects }),
    unpacked: (session, problem) => log?.warn({ session }, `cannot compress the recording of ${session}: ${problem}`),
  });
  return {
    /** Whether other gateways may use it too. */
    shared: postgres !== undefined,
    /** Where it is, for people. */
    place,
    users: new Users(db, clock),
    serviceAccounts: new ServiceAccounts(db, clock),
    revocations,
    oidc,
    keyValues,
    reviews: new Reviews(db, clock, tell),
    grants: new GrantTable(db, tell),
    sessions: new Sessions(db, tell),
    custody: new Custody(db, scrub),
    budgets: new BudgetTable(db),
    gateways: new Gateways(db, clock, now),
    signingKeys,
    outbox: new LogOutbox(db, clock, gateway),
    deliveries: new Deliveries(db),
    recordings,
    shelf: new Shelf(join(directory, 'recordings')),
    log: new LogDirectory(join(directory, 'log'), files, options.logSynced),
    logSegments: new SegmentDirectory(join(directory, 'log')),
    /** Forgets what has expired, here and for every other gateway; call it now and then. */
    async purge(): Promise<void> {
      // Whatever this machine's clock says: for the others a revoked token may not have expired yet.
      const at = Math.min(clock.now(), await now());
      await oidc.purge(at);
      await revocations.purge(at);
      await signingKeys.purge(at);
      await keyValues.purge(at);
    },
    /** Whether it answers, and takes changes: for readiness. Errors: `store_failed`. */
    async ping(): Promise<void> {
      await keyValues.get('ping');
      await asking('see whether the store takes changes', ping);
    },
    /** Calls the listener when another gateway has changed something: look now. */
    listen: announcements.listen.bind(announcements),
    relay: announcements.relay,
    async close(): Promise<void> {
      await recordings.stop();
      await announcements.close();
      await db.destroy();
    },
  };
}
