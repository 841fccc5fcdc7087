// What the gateway consists of once it runs: what its API, listeners and visitors share. Made by start.ts.

import type { Path } from '../config/problem.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Approvals } from '../session/approvals/approvals.ts';
import type { Grants } from '../session/approvals/grants.ts';
import type { Unmasks } from '../session/approvals/unmasks.ts';
import type { Budgets } from '../session/budgets.ts';
import type { DeliveryStore } from '../session/deliveries.ts';
import type { SessionEvents } from '../session/events.ts';
import type { FirstSeen } from '../session/first-seen.ts';
import type { Fleet } from '../session/fleet.ts';
import type { Authenticator } from '../session/identity/authenticator.ts';
import type { Principal } from '../session/identity/principal.ts';
import type { KeyValue, OidcStore, ServiceAccountStore, UserStore } from '../session/identity/stores.ts';
import type { GatewayTokens } from '../session/identity/tokens.ts';
import type { MerkleLog } from '../session/log/log.ts';
import type { Recorder } from '../session/recorder/recorder.ts';
import type { RecordingSink } from '../session/recorder/sink.ts';
import type { SessionStore } from '../session/records.ts';
import type { SessionRegistry } from '../session/registry.ts';
import type { EventRelay } from '../session/relay.ts';
import type { Revocations } from '../session/revocations.ts';
import type { CredentialResolver } from '../target/credentials.ts';
import type { Role } from './api/route.ts';
import type { Configuration } from './configuration.ts';
import type { Custodian } from './custody/custodian.ts';
import type { Exports } from './exports/exports.ts';
import type { Metrics } from './metrics.ts';
import type { Newcomers } from './newcomers.ts';
import type { Shipper } from './objects/shipper.ts';
import type { RefusalLog } from './refusals.ts';
import type { Reports } from './report/reports.ts';
import type { Roles } from './roles.ts';
import type { Search } from './search/search.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

export interface Stores {
  readonly users: UserStore;
  readonly serviceAccounts: ServiceAccountStore;
  readonly oidc: OidcStore;
  readonly sessions: SessionStore;
  readonly deliveries: DeliveryStore;
  readonly keyValues: Pick<KeyValue, 'get' | 'set' | 'list'>;
}

/** An issuer elsewhere whose tokens cannot be checked. */
export interface Unanswered {
  readonly name: string;
  /** Where in the document it is written. */
  readonly path: Path;
  readonly error: string;
  readonly fix: string;
}

/** How a client logs in with one issuer; `/.well-known/hoopctl`. */
export interface IssuerHint {
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes: string[];
  readonly audience?: string;
}

export interface Parts {
  readonly version: string;
  /** `https://host:port`. */
  readonly publicUrl: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: MerkleLog;
  /** For what is refused to whoever may try without end. */
  readonly refusals: RefusalLog;
  readonly metrics: Metrics;
  /** Clients at the HTTPS listener of whom it is not known who they are. */
  readonly newcomers: Newcomers;
  /** The one in force; never kept across a wait. */
  configuration(): Configuration;
  issuers(): IssuerHint[];
  /** Those that do not answer as what they are configured as; `tell` as soon as it is known. Never rejects. */
  unansweredIssuers(tell?: (one: Unanswered) => void): Promise<readonly Unanswered[]>;
  /** Protocol → host:port to tell clients. */
  native(): Record<string, string>;
  readonly tokens: GatewayTokens;
  readonly authenticator: Authenticator;
  readonly revocations: Revocations;
  roles(principal: Principal): readonly Role[];
  /** What somebody may read of what others did: at a connection, or everywhere. */
  reads: Roles['reads'];
  readonly stores: Stores;
  readonly sink: RecordingSink;
  /** 32 secret random bytes by name, made at first use. */
  key(name: string): Uint8Array;
  readonly approvals: Approvals;
  readonly grants: Grants;
  readonly unmasks: Unmasks;
  readonly budgets: Budgets;
  readonly events: SessionEvents;
  /** For those who watch here what happens at another gateway of the store. */
  readonly relay: EventRelay;
  readonly live: SessionRegistry;
  readonly fleet: Fleet;
  readonly recorder: Recorder;
  readonly credentials: CredentialResolver;
  readonly webhooks: Webhooks;
  readonly exports: Exports;
  readonly reports: Reports;
  readonly search: Search;
  readonly shipper: Shipper;
  readonly custodian: Custodian;
  readonly firstSeen: FirstSeen;
}
