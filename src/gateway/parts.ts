// What the gateway consists of once it runs: what its API, listeners and visitors share. Made by start.ts.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Approvals } from '../session/approvals/approvals.ts';
import type { Grants } from '../session/approvals/grants.ts';
import type { DeliveryStore } from '../session/deliveries.ts';
import type { SessionEvents } from '../session/events.ts';
import type { FirstSeen } from '../session/first-seen.ts';
import type { Authenticator } from '../session/identity/authenticator.ts';
import type { Principal } from '../session/identity/principal.ts';
import type { OidcStore, ServiceAccountStore, UserStore } from '../session/identity/stores.ts';
import type { GatewayTokens } from '../session/identity/tokens.ts';
import type { AuditLog } from '../session/recorder/log.ts';
import type { Recorder } from '../session/recorder/recorder.ts';
import type { RecordingSink } from '../session/recorder/sink.ts';
import type { SessionStore } from '../session/records.ts';
import type { SessionRegistry } from '../session/registry.ts';
import type { Revocations } from '../session/revocations.ts';
import type { CredentialResolver } from '../target/credentials.ts';
import type { Role } from './api/route.ts';
import type { Configuration } from './configuration.ts';
import type { Metrics } from './metrics.ts';
import type { RefusalLog } from './refusals.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

export interface Stores {
  readonly users: UserStore;
  readonly serviceAccounts: ServiceAccountStore;
  readonly oidc: OidcStore;
  readonly sessions: SessionStore;
  readonly deliveries: DeliveryStore;
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
  readonly audit: AuditLog;
  /** For what is refused to whoever may try without end. */
  readonly refusals: RefusalLog;
  readonly metrics: Metrics;
  /** The one in force; never kept across a wait. */
  configuration(): Configuration;
  issuers(): IssuerHint[];
  /** Protocol → host:port to tell clients. */
  native(): Record<string, string>;
  readonly tokens: GatewayTokens;
  readonly authenticator: Authenticator;
  readonly revocations: Revocations;
  roles(principal: Principal): readonly Role[];
  readonly stores: Stores;
  readonly sink: RecordingSink;
  readonly approvals: Approvals;
  readonly grants: Grants;
  readonly events: SessionEvents;
  readonly live: SessionRegistry;
  readonly recorder: Recorder;
  readonly credentials: CredentialResolver;
  readonly webhooks: Webhooks;
  readonly firstSeen: FirstSeen;
}
