// The first steps of a start: data directory, configuration, store, log, what is kept of sessions, and identity.

import { dirname, join } from 'node:path';
import { type Clock, systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Protocol } from '../protocol/contract.ts';
import { Approvals } from '../session/approvals/approvals.ts';
import { Grants } from '../session/approvals/grants.ts';
import { SessionEvents } from '../session/events.ts';
import { FirstSeen } from '../session/first-seen.ts';
import { Authenticator, LOCAL_ISSUER } from '../session/identity/authenticator.ts';
import { GatewayTokens } from '../session/identity/tokens.ts';
import { ChainedLog } from '../session/recorder/log.ts';
import { Recorder } from '../session/recorder/recorder.ts';
import { recover } from '../session/recovery.ts';
import { SessionRegistry } from '../session/registry.ts';
import { Revocations } from '../session/revocations.ts';
import { lockDirectory, openStore, type Store } from '../store/index.ts';
import { CredentialResolver } from '../target/credentials.ts';
import { privateDirectory } from './files.ts';
import type { EmbeddedIssuer } from './issuer/issuer.ts';
import { cookieSecrets, KeyFile, maskKey } from './keys.ts';
import type { Metrics } from './metrics.ts';
import type { Parts } from './parts.ts';
import type { RefusalLog } from './refusals.ts';
import { ConfigurationInForce } from './reload.ts';
import { rolesOf } from './roles.ts';
import { TrustInForce } from './trust.ts';
import { post } from './webhooks/post.ts';
import { Webhooks } from './webhooks/webhooks.ts';

export interface GatewayOptions {
  /** Path of the configuration; undefined: everything at its default. */
  readonly config?: string;
  /** The data directory; made where there is none. */
  readonly data: string;
  /** `host:port` in place of the configuration's listen.gateway. */
  readonly listen?: string;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly clock?: Clock;
  /** Aborted: the gateway stops, as `close` does. */
  readonly signal?: AbortSignal;
  /** For tests: in place of the registry's. */
  readonly protocols?: readonly Protocol[];
  /** For tests: seconds between two polls of a device login. */
  readonly loginInterval?: number;
  /** For tests: how the configuration's file is watched. */
  readonly watch?: { readonly debounceMs?: number; readonly pollMs?: number };
}

/** What everything stands on: the data directory, the configuration, the store, the log. */
export interface Ground {
  readonly clock: Clock;
  readonly log: Log;
  readonly keys: string;
  readonly tls: string;
  readonly inForce: ConfigurationInForce;
  readonly store: Store;
  readonly audit: ChainedLog;
}

/** Errors: conflict (another gateway has the data), config_invalid, config_unreadable, store_failed. */
export async function openGround(options: GatewayOptions, undo: AsyncDisposableStack): Promise<Ground> {
  const { log, data } = options;
  const clock = options.clock ?? systemClock;
  const lock = lockDirectory(data);
  undo.defer(() => lock.release());
  const [keys, tls] = [join(data, 'keys'), join(data, 'tls')];
  privateDirectory(keys);
  privateDirectory(tls);
  const inForce = await ConfigurationInForce.load({
    file: options.config,
    maskKey: maskKey(keys),
    clock,
    log,
    ...(options.protocols === undefined ? {} : { protocols: options.protocols }),
    ...(options.watch === undefined ? {} : { watch: options.watch }),
  });
  undo.defer(() => inForce.stop());
  const store = await openStore({ directory: data, clock });
  undo.defer(() => store.close());
  const audit = await ChainedLog.open({ segments: store.logSegments, now: () => clock.now(), log });
  undo.defer(() => audit.close());
  return { clock, log, keys, tls, inForce, store, audit };
}

export type State = Pick<
  Parts,
  'live' | 'approvals' | 'revocations' | 'grants' | 'events' | 'recorder' | 'credentials' | 'webhooks' | 'firstSeen'
>;

function openWebhooks(
  { version }: GatewayOptions,
  { store, clock, log, audit, inForce }: Ground,
  credentials: CredentialResolver,
): Webhooks {
  const read = { read: credentials.read.bind(credentials), clock, version };
  return new Webhooks({
    webhooks: () => inForce.current.webhooks,
    store: store.deliveries,
    clock,
    log,
    audit,
    limit: (bound) => inForce.current.limit(bound),
    post: (webhook, delivery, signal) => post(read, webhook, delivery, signal),
  });
}

/** What sessions are made with. What the last process left open is recovered first. */
export async function openState(options: GatewayOptions, ground: Ground, undo: AsyncDisposableStack): Promise<State> {
  const { store, audit, clock, log } = ground;
  const live = new SessionRegistry({ store: store.sessions, log });
  undo.defer(() => live.stop());
  const credentials = new CredentialResolver({
    environment: options.env,
    log,
    clock,
    ...(options.config === undefined ? {} : { directory: dirname(options.config) }),
  });
  const webhooks = openWebhooks(options, ground, credentials);
  undo.defer(() => webhooks.stop());
  const approvals = new Approvals({ reviews: store.reviews, audit, clock, log, alerts: webhooks });
  undo.defer(() => approvals.stop());
  await approvals.restore();
  await recover({ sink: store.recordings, store: store.sessions, approvals, audit, clock, log });
  const revocations = await Revocations.open({
    store: store.revocations,
    audit,
    clock,
    log,
    cut: (issuer, subject, reason) => void live.killPrincipal(issuer, subject, reason),
  });
  undo.defer(() => revocations.stop());
  const revoked = (grant: { id: string }) => void live.killGrant(grant.id, 'the grant was revoked');
  return {
    live,
    approvals,
    revocations,
    grants: new Grants({ grants: store.grants, audit, clock, log, alerts: webhooks, revoked }),
    events: new SessionEvents(),
    recorder: new Recorder({ sink: store.recordings, now: () => clock.now(), version: options.version }),
    credentials,
    webhooks,
    firstSeen: new FirstSeen({ store: store.keyValues, alerts: webhooks, audit, log }),
  };
}

export async function identityParts(
  { inForce, keys, store, clock }: Ground,
  { revocations }: State,
  publicUrl: string,
  issuer: EmbeddedIssuer | undefined,
): Promise<Pick<Parts, 'tokens' | 'authenticator' | 'issuers' | 'roles'>> {
  const trust = new TrustInForce(() => inForce.current, clock, issuer);
  const tokens = new GatewayTokens({
    keys: await KeyFile.open(keys, 'tokens', clock),
    issuer: publicUrl,
    clock,
    limit: (declared) => inForce.current.limit(declared),
  });
  const { serviceAccounts } = store;
  return {
    tokens,
    authenticator: new Authenticator({ tokens, trust: () => trust.trust, serviceAccounts, revocations, clock }),
    issuers: () => trust.hints(),
    roles: rolesOf(() => inForce.current),
  };
}

export async function embeddedIssuer(
  options: GatewayOptions,
  { inForce, store, keys, clock, log, audit }: Ground,
  has: { readonly publicUrl: string; readonly metrics: Metrics; readonly refusals: RefusalLog },
): Promise<EmbeddedIssuer | undefined> {
  if (!inForce.current.identity.embedded) return undefined;
  const { publicUrl, metrics, refusals } = has;
  // Loaded only where it is used: it brings its own web framework.
  const { createEmbeddedIssuer } = await import('./issuer/issuer.ts');
  return createEmbeddedIssuer({
    publicUrl,
    users: store.users,
    store: store.oidc,
    keys: await KeyFile.open(keys, 'issuer', clock),
    cookieSecrets: cookieSecrets(keys),
    clock,
    log,
    ...(options.loginInterval === undefined ? {} : { interval: options.loginInterval }),
    onLogin({ user, address, ok }) {
      const fields = { issuer: LOCAL_ISSUER, user: user.slice(0, 100), address, ok };
      if (ok) audit.append('login', fields);
      else refusals.note('login', address, fields);
      metrics.logins.inc({ issuer: LOCAL_ISSUER, result: ok ? 'ok' : 'refused' });
    },
  });
}
