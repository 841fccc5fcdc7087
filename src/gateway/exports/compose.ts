// The exports of a gateway, made from its parts. Refuses to know: what any of them does with an event.

import type { Log } from '../../core/log.ts';
import type { Protocol } from '../../protocol/contract.ts';
import { loadProtocol, protocolNames } from '../../protocol/index.ts';
import type { MerkleLog } from '../../session/log/log.ts';
import { followSource } from '../../session/recorder/follow-source.ts';
import type { SessionRegistry } from '../../session/registry.ts';
import type { Store } from '../../store/index.ts';
import type { PieceReader } from '../../store/object-port.ts';
import type { CredentialResolver } from '../../target/credentials.ts';
import type { Configuration } from '../configuration.ts';
import { ownOpeners } from '../recording-identity.ts';
import type { Webhooks } from '../webhooks/webhooks.ts';
import { Exports } from './exports.ts';

export interface ExportParts {
  readonly version: string;
  /** The data directory. */
  readonly data: string;
  readonly protocols?: readonly Protocol[];
  readonly configuration: () => Configuration;
  readonly store: Store;
  readonly gateway: string;
  readonly log: Log;
  readonly audit: MerkleLog;
  readonly live: SessionRegistry;
  readonly credentials: CredentialResolver;
  readonly webhooks: Webhooks;
  readonly storage: PieceReader;
}

export async function openExports(parts: ExportParts): Promise<Exports> {
  const { version, data, store, live, log, audit, credentials, webhooks, gateway, configuration } = parts;
  return new Exports({
    ...{ log, audit, alerts: webhooks, gateway, shared: store.shared, keep: store.keyValues },
    worker: { data, version, datastores: await datastores(parts.protocols), objects: parts.storage },
    source: followSource({ log: audit, sink: store.recordings, openerFor: ownOpeners(data, parts.storage) }),
    configured: () => configuration().exports,
    now: () => ({ log: audit.origin, index: audit.size, open: live.list().map(({ id }) => id) }),
    read: credentials.read.bind(credentials),
    limit: (bound) => configuration().limit(bound),
  });
}

/** The protocols that speak to databases. */
export async function datastores(protocols?: readonly Protocol[]): Promise<readonly string[]> {
  const all = protocols ?? (await Promise.all(protocolNames().map(loadProtocol)));
  return all.flatMap((one) => (one?.datastore === true ? [one.name] : []));
}
