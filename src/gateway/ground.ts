// The first steps of a start: data directory, configuration, store, log, what is kept of sessions, and identity.

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { type Clock, systemClock } from '../core/clock.ts';
import type { Limit } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { Protocol } from '../protocol/contract.ts';
import { Approvals } from '../session/approvals/approvals.ts';
import { Grants } from '../session/approvals/grants.ts';
import { Unmasks } from '../session/approvals/unmasks.ts';
import { Budgets } from '../session/budgets.ts';
import { SessionEvents } from '../session/events.ts';
import { FirstSeen } from '../session/first-seen.ts';
import { Fleet } from '../session/fleet.ts';
import { Authenticator, LOCAL_ISSUER } from '../session/identity/authenticator.ts';
import { accessTokenLimit, connectionTokenLimit, GatewayTokens } from '../session/identity/tokens.ts';
import type { MerkleLog } from '../session/log/log.ts';
import { type OpenedLog, openLog } from '../session/log/opening.ts';
import { Outage } from '../session/outage.ts';
import { Recorder } from '../session/recorder/recorder.ts';
import { recover } from '../session/recovery.ts';
import { SessionRegistry } from '../session/registry.ts';
import { EventRelay } from '../session/relay.ts';
import { Revocations } from '../session/revocations.ts';
import { lockDirectory, type Store } from '../store/index.ts';
import { CredentialResolver, credentialsExecLimit } from '../target/credentials.ts';
import { requestObjection } from './access.ts';
import { openCustody } from './custody/compose.ts';
import { openExports } from './exports/compose.ts';
import { privateDirectory } from './files.ts';
import type { EmbeddedIssuer } from './issuer/issuer.ts';
import { cookieSecrets, KeyFile, maskKey, SIGNING_KEY_MS } from './keys.ts';
import { LOGINS_PER_MINUTE } from './limits.ts';
import { LogKeyFile, logName } from './log-keys.ts';
import type { Metrics } from './metrics.ts';
import { ObjectStorage } from './objects/storage.ts';
import type { Parts } from './parts.ts';
import { keepPlace, openPlace, type Place, storeUrl } from './place.ts';
import { ownRecipient } from './recording-identity.ts';
import type { RefusalLog } from './refusals.ts';
import { ConfigurationInForce } from './reload.ts';
import { rolesOf } from './roles.ts';
import { Search, type StoreAddress } from './search/search.ts';
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
  /** This gateway among those of its store. */
  readonly id: string;
  readonly keys: string;
  readonly tls: string;
  readonly inForce: ConfigurationInForce;
  readonly store: Store;
  /** Where the store is, when it is in PostgreSQL. */
  readonly address: StoreAddress | undefined;
  readonly audit: MerkleLog;
  readonly credentials: CredentialResolver;
  /** The recordings' object storage, where one is configured. */
  readonly storage: ObjectStorage;
  /** What was wrong with the log at this start; then another one was begun. */
  readonly logDamage: OpenedLog['damage'];
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
  const { store: configured } = inForce.current;
  const directory = options.config === undefined ? data : dirname(options.config);
  const place = keepPlace(data, configured && { postgres: configured.postgres, directory });
  const limit = (declared: Limit) => inForce.current.limit(declared);
  const credentials = new CredentialResolver({
    environment: options.env,
    log,
    clock,
    execTimeout: () => limit(credentialsExecLimit),
    ...(options.config === undefined ? {} : { directory: dirname(options.config) }),
  });
  const storage = new ObjectStorage({
    configured: () => inForce.current.objects,
    read: credentials.read.bind(credentials),
    limit,
  });
  undo.defer(() => storage.stop());
  const store = await openPlace({
    ...{ data, place, clock, log, limit, objects: storage },
    env: options.env,
    compress: () => inForce.current.compress,
    logSynced: () => inForce.current.logSynced,
  });
  undo.defer(() => store.close());
  const { log: audit, damage } = await openLog({
    storage: store.log,
    segments: store.logSegments,
    keys: LogKeyFile.open(keys, () => logName(inForce.current.publicUrl, place.id)),
    now: () => clock.now(),
    log,
  });
  undo.defer(() => audit.close());
  return {
    clock,
    log,
    id: place.id,
    keys,
    tls,
    inForce,
    store,
    address: addressOf(place, options, clock),
    audit,
    credentials,
    storage,
    logDamage: damage,
  };
}

function addressOf({ store }: Place, { env, log }: GatewayOptions, clock: Clock): StoreAddress | undefined {
  if (store === undefined) return undefined;
  const url = storeUrl(store, { env, log, clock });
  return async () => ({ url: await url(), directory: store.directory });
}

export type State = Pick<
  Parts,
  | 'live'
  | 'fleet'
  | 'approvals'
  | 'revocations'
  | 'grants'
  | 'unmasks'
  | 'budgets'
  | 'events'
  | 'relay'
  | 'recorder'
  | 'credentials'
  | 'webhooks'
  | 'exports'
  | 'search'
  | 'shipper'
  | 'custodian'
  | 'firstSeen'
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
    shared: store.shared,
    clock,
    log,
    audit,
    limit: (bound) => inForce.current.limit(bound),
    post: (webhook, delivery, signal) => post(read, webhook, delivery, signal),
  });
}

/** What sessions are made with. What the last process left open is recovered first. */
export async function openState(options: GatewayOptions, ground: Ground, undo: AsyncDisposableStack): Promise<State> {
  const { store, audit, clock, log, id, inForce, keys, credentials, storage } = ground;
  const { shared } = store;
  const limit = (declared: Limit) => inForce.current.limit(declared);
  const live = new SessionRegistry({ store: store.sessions, log });
  undo.defer(() => live.stop());
  const webhooks = openWebhooks(options, ground, credentials);
  undo.defer(() => webhooks.stop());
  const budgets = new Budgets({ clock, log, store: store.budgets, shared: store.shared, key: maskKey(keys) });
  await budgets.restore();
  budgets.start();
  undo.defer(() => budgets.stop());
  const unmasks = new Unmasks({ audit, clock, log, alerts: webhooks });
  undo.defer(() => unmasks.stop());
  const revoked = (grant: { id: string }) => void live.killGrant(grant.id, 'the grant was revoked');
  const inUse = () => live.grants();
  const told = { audit, clock, log, alerts: webhooks };
  const grants = new Grants({ grants: store.grants, ...told, revoked, unmasks, inUse, shared });
  await grants.restore();
  const granted = () => void grants.poll();
  const approvals = new Approvals({
    ...{ reviews: store.reviews, ...told, granted, gateway: id, shared, limit },
    outdated: (review) => requestObjection(inForce.current, review),
  });
  undo.defer(() => approvals.stop());
  const fleet = new Fleet({
    self: { id, instance: randomUUID(), host: hostname(), version: options.version },
    store: store.gateways,
    sessions: store.sessions,
    ...{ live, approvals, audit, clock, log, shared, limit },
  });
  await fleet.begin();
  undo.defer(() => fleet.stop());
  await approvals.restore();
  await recover({
    ...{ sink: store.recordings, store: store.sessions, approvals, audit, alerts: webhooks, clock, log },
    gateway: id,
  });
  const revocations = await Revocations.open({
    store: store.revocations,
    audit,
    clock,
    log,
    cut: (issuer, subject, reason) => void live.killPrincipal(issuer, subject, reason),
  });
  undo.defer(() => revocations.stop());
  const events = new SessionEvents();
  const relay = new EventRelay({ gateway: id, events, channel: store.relay });
  undo.defer(() => relay.stop());
  const look = { revocations: () => revocations.poll(), grants: () => grants.poll(), kills: () => fleet.look() };
  const stop = store.listen((subject) => {
    // A request for a grant is a review too.
    if (subject === 'reviews' || subject === 'grants') void approvals.poll();
    if (subject !== 'reviews') void look[subject]?.();
  });
  undo.defer(() => void stop());
  const exports = await openExports({
    ...{
      version: options.version,
      data: options.data,
      store,
      gateway: ground.id,
      log,
      audit,
      live,
      credentials,
      webhooks,
      storage,
    },
    configuration: () => ground.inForce.current,
    ...(options.protocols === undefined ? {} : { protocols: options.protocols }),
  });
  undo.defer(() => exports.stop());
  const search = new Search({
    ...{ data: options.data, gateway: id, log, objects: storage },
    limit: (declared) => inForce.current.limit(declared),
    ...(ground.address === undefined ? {} : { shared: ground.address }),
  });
  undo.defer(() => search.stop());
  const { shipper, custodian } = openCustody({ ...ground, webhooks, search }, undo);
  return {
    live,
    fleet,
    approvals,
    revocations,
    grants,
    unmasks,
    budgets,
    events,
    relay,
    recorder: new Recorder({
      sink: store.recordings,
      now: () => clock.now(),
      version: options.version,
      own: () => ownRecipient(keys),
      limit: (declared) => ground.inForce.current.limit(declared),
    }),
    credentials,
    webhooks,
    exports,
    search,
    shipper,
    custodian,
    firstSeen: new FirstSeen({ store: store.keyValues, alerts: webhooks, audit, log }),
  };
}

/** Keys that sign, made anew while the gateway runs when they are old. */
async function openKeys(
  { keys, inForce, clock, log, store }: Ground,
  name: string,
  undo: AsyncDisposableStack,
): Promise<KeyFile> {
  const limitOf = (declared: Limit) => inForce.current.limit(declared).value;
  const file = await KeyFile.open(keys, name, {
    clock,
    signsMs: () => limitOf(SIGNING_KEY_MS),
    tokensLastMs: () => Math.max(limitOf(accessTokenLimit), limitOf(connectionTokenLimit)),
    ...(store.shared ? { shared: store.signingKeys } : {}),
  });
  const outage = new Outage(log, `look after the signing keys "${name}"`);
  const look = async () => {
    try {
      if (await file.rotateWhenOld()) log.info({ keys: name, kid: file.current().kid }, 'a new key signs from now on');
      await file.refresh();
      outage.worked();
    } catch (thrown) {
      outage.failed(thrown);
    }
  };
  const timer = setInterval(() => void look(), Math.min(60_000, Math.max(100, limitOf(SIGNING_KEY_MS) / 4)));
  timer.unref();
  undo.defer(() => clearInterval(timer));
  return file;
}

export async function identityParts(
  ground: Ground,
  { revocations }: State,
  has: { readonly publicUrl: string; readonly issuer: EmbeddedIssuer | undefined },
  undo: AsyncDisposableStack,
): Promise<Pick<Parts, 'tokens' | 'authenticator' | 'issuers' | 'unansweredIssuers' | 'roles' | 'reads'>> {
  const { inForce, store, clock } = ground;
  const trust = new TrustInForce(() => inForce.current, clock, has.issuer);
  const tokens = new GatewayTokens({
    keys: await openKeys(ground, 'tokens', undo),
    issuer: has.publicUrl,
    clock,
    limit: (declared) => inForce.current.limit(declared),
  });
  const { serviceAccounts } = store;
  const roles = rolesOf(() => inForce.current);
  return {
    tokens,
    authenticator: new Authenticator({ tokens, trust: () => trust.trust, serviceAccounts, revocations, clock }),
    issuers: () => trust.hints(),
    unansweredIssuers: (tell) => trust.unanswered(tell),
    roles: roles.of,
    reads: roles.reads,
  };
}

export async function embeddedIssuer(
  options: GatewayOptions,
  ground: Ground,
  has: { readonly publicUrl: string; readonly metrics: Metrics; readonly refusals: RefusalLog },
  undo: AsyncDisposableStack,
): Promise<EmbeddedIssuer | undefined> {
  const { inForce, store, keys, clock, log, audit } = ground;
  if (!inForce.current.identity.embedded) return undefined;
  const { publicUrl, metrics, refusals } = has;
  // Loaded only where it is used: it brings its own web framework.
  const { createEmbeddedIssuer } = await import('./issuer/issuer.ts');
  return createEmbeddedIssuer({
    publicUrl,
    users: store.users,
    store: store.oidc,
    keys: await openKeys(ground, 'issuer', undo),
    cookieSecrets: await sharedCookieSecrets(keys, store),
    clock,
    log,
    loginsPerMinute: () => inForce.current.limit(LOGINS_PER_MINUTE).value,
    ...(options.loginInterval === undefined ? {} : { interval: options.loginInterval }),
    onLogin({ user, address, ok }) {
      const fields = { issuer: LOCAL_ISSUER, user: user.slice(0, 100), address, ok };
      if (ok) audit.append('login', fields);
      else refusals.note('login', address, fields);
      metrics.logins.inc({ issuer: LOCAL_ISSUER, result: ok ? 'ok' : 'refused' });
    },
  });
}

/** A login that one gateway's page begins may go on at another's. */
async function sharedCookieSecrets(keys: string, { shared, keyValues }: Store): Promise<readonly string[]> {
  const own = cookieSecrets(keys);
  if (!shared) return own;
  return JSON.parse(await keyValues.setIfAbsent('issuer/cookies', JSON.stringify(own))) as string[];
}
