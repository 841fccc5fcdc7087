// What looks after recordings when their sessions are over, made from the gateway's parts. Refuses to know: what it does.

import type { Clock } from '../../core/clock.ts';
import type { Limit } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import type { MerkleLog } from '../../session/log/log.ts';
import type { Store } from '../../store/index.ts';
import { Uploader } from '../../store/s3/uploader.ts';
import type { Configuration } from '../configuration.ts';
import { Shipper } from '../objects/shipper.ts';
import type { ObjectStorage } from '../objects/storage.ts';
import type { Search } from '../search/search.ts';
import type { Webhooks } from '../webhooks/webhooks.ts';
import { Custodian } from './custodian.ts';

export interface CustodyParts {
  readonly store: Store;
  readonly storage: ObjectStorage;
  /** The gateway's. */
  readonly id: string;
  readonly audit: MerkleLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly inForce: { readonly current: Configuration };
  readonly webhooks: Webhooks;
  readonly search: Search;
}

export function openCustody(
  { store, storage, id, audit, clock, log, inForce, webhooks, search }: CustodyParts,
  undo: AsyncDisposableStack,
): { readonly shipper: Shipper; readonly custodian: Custodian } {
  const common = {
    ...{ store: store.custody, gateway: id, audit, alerts: webhooks, clock, log },
    limit: (declared: Limit) => inForce.current.limit(declared),
  };
  const { shelf, recordings } = store;
  const shipper = new Shipper({ ...common, storage, uploader: new Uploader(), shelf, disk: () => recordings.health });
  undo.defer(() => shipper.stop());
  const custodian = new Custodian({
    ...common,
    places: { sink: recordings, shelf, storage, shipper, search },
    keep: store.keyValues,
    rules: () => inForce.current.retention,
    labels: (connection) => inForce.current.connections.get(connection)?.labels ?? {},
  });
  undo.defer(() => custodian.stop());
  return { shipper, custodian };
}
