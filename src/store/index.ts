// Everything that is kept, under one data directory: the database, the recordings, the log.
// Refuses to know: what is done with it; who may open it at the same time is lock.ts.

import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import type { RecorderFiles } from '../session/recorder/files.ts';
import { openDatabase, storeError } from './database.ts';
import { Deliveries } from './deliveries.ts';
import { privateDirectory } from './files.ts';
import { GrantTable } from './grants.ts';
import { KeyValues } from './key-values.ts';
import { LogDirectory } from './log-segments.ts';
import { OidcTable } from './oidc.ts';
import { LogOutbox } from './outbox.ts';
import { RecordingDirectory } from './recordings.ts';
import { Reviews } from './reviews.ts';
import { RevocationTable } from './revocations.ts';
import { ServiceAccounts } from './service-accounts.ts';
import { Sessions } from './sessions.ts';
import { Users } from './users.ts';

export { type DirectoryLock, lockDirectory } from './lock.ts';

export interface StoreOptions {
  /** Made with mode 0700 where it is not there. */
  readonly directory: string;
  readonly clock: Clock;
  /** The file calls for recordings and the log; the real ones unless a test says otherwise. */
  readonly files?: RecorderFiles;
}

export type Store = Awaited<ReturnType<typeof openStore>>;

/** Opens DATA/store.db, DATA/recordings, DATA/log. Several processes may. Errors: `store_failed`. */
export async function openStore(options: StoreOptions) {
  const { directory, clock, files } = options;
  try {
    privateDirectory(directory);
  } catch (thrown) {
    throw storeError(`make the data directory "${directory}"`, thrown);
  }
  const db = await openDatabase(join(directory, 'store.db'), clock.now());
  const oidc = new OidcTable(db, clock);
  const revocations = new RevocationTable(db);
  const keyValues = new KeyValues(db, clock);
  return {
    users: new Users(db, clock),
    serviceAccounts: new ServiceAccounts(db, clock),
    revocations,
    oidc,
    keyValues,
    reviews: new Reviews(db, clock),
    grants: new GrantTable(db),
    sessions: new Sessions(db),
    outbox: new LogOutbox(db, clock),
    deliveries: new Deliveries(db),
    recordings: new RecordingDirectory(join(directory, 'recordings'), files),
    logSegments: new LogDirectory(join(directory, 'log'), files),
    /** Forgets what has expired; call it now and then. */
    async purge(): Promise<void> {
      await oidc.purge();
      await revocations.purge(clock.now());
      await keyValues.purge();
    },
    /** Whether it answers: for readiness. Errors: `store_failed`. */
    async ping(): Promise<void> {
      await keyValues.get('ping');
    },
    close: (): Promise<void> => db.destroy(),
  };
}
