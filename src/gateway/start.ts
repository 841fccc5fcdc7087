// Composition: a data directory and a configuration → a gateway that runs. Everything it needs comes as an argument.

import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../core/clock.ts';
import { asHoopctlError, userError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Protocol } from '../protocol/contract.ts';
import { loadProtocol } from '../protocol/index.ts';
import { Approvals } from '../session/approvals/approvals.ts';
import { Grants } from '../session/approvals/grants.ts';
import { SessionEvents } from '../session/events.ts';
import { Authenticator } from '../session/identity/authenticator.ts';
import { GatewayTokens } from '../session/identity/tokens.ts';
import { compileWho } from '../session/policy/who.ts';
import { ChainedLog } from '../session/recorder/log.ts';
import { Recorder } from '../session/recorder/recorder.ts';
import { recover } from '../session/recovery.ts';
import { SessionRegistry } from '../session/registry.ts';
import { Revocations } from '../session/revocations.ts';
import { lockDirectory, openStore, type Store } from '../store/index.ts';
import { CredentialResolver } from '../target/credentials.ts';
import type { Role } from './api/route.ts';
import { Certificates } from './certificates/certificates.ts';
import type { Configuration } from './configuration.ts';
import { type Address, parseAddress } from './document.ts';
import { privateDirectory } from './files.ts';
import { createEmbeddedIssuer, type EmbeddedIssuer } from './issuer/issuer.ts';
import { cookieSecrets, KeyFile, maskKey } from './keys.ts';
import { Lifecycle } from './lifecycle.ts';
import { Metrics } from './metrics.ts';
import { NativeListener } from './native.ts';
import type { Parts } from './parts.ts';
import { ConfigurationInForce } from './reload.ts';
import { SessionOpener } from './sessions.ts';
import { TrustInForce } from './trust.ts';
import { Tunnels } from './tunnels.ts';
import { WebListener } from './web.ts';

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

export interface Gateway {
  /** What clients use: `https://host:port`. */
  readonly url: string;
  readonly address: Address;
  /** Native listeners by protocol. */
  readonly native: Readonly<Record<string, Address>>;
  /** SHA-256 of the authority (or the given certificate), to compare at the first login. */
  readonly fingerprint: string;
  /** The own authority's certificate; undefined where a certificate was given. */
  readonly caFile: string | undefined;
  /** What to tell whoever started it: how to make the first admin, when nobody can log in yet. */
  readonly hints: readonly string[];
  /** Reads the configuration again; false when the old one stays in force. */
  reload(): Promise<boolean>;
  /**
   * Accepts no new sessions, waits up to stop.grace (or `graceMs`) for those that are open, ends the rest, seals all
   * recordings. A second call waits no longer. Never rejects.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

const DEFAULT_ADDRESS: Address = { host: '127.0.0.1', port: 7443 };

/** Errors: config_invalid, config_unreadable, conflict (another gateway has the data), port_taken, store_failed. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  await using undo = new AsyncDisposableStack();
  const gateway = await assemble(options, undo);
  // Everything is up: from here on `close` undoes it.
  const kept = undo.move();
  gateway.lifecycle.onClosed(() => kept.disposeAsync());
  options.signal?.addEventListener('abort', () => void gateway.lifecycle.close(), { once: true });
  return gateway.face;
}

async function assemble(
  options: GatewayOptions,
  undo: AsyncDisposableStack,
): Promise<{ face: Gateway; lifecycle: Lifecycle }> {
  const { log, data, version } = options;
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
  const configuration = inForce.current;
  const store = await openStore({ directory: data, clock });
  undo.defer(() => store.close());
  const audit = await ChainedLog.open({ segments: store.logSegments, now: () => clock.now(), log });
  undo.defer(() => audit.close());
  const live = new SessionRegistry({ store: store.sessions, log });
  undo.defer(() => live.stop());
  const approvals = new Approvals({ reviews: store.reviews, audit, clock, log });
  undo.defer(() => approvals.stop());
  await recover({ sink: store.recordings, store: store.sessions, approvals, audit, clock, log });
  const revocations = await Revocations.open({
    store: store.revocations,
    audit,
    clock,
    log,
    cut: (issuer, subject, reason) => void live.killPrincipal(issuer, subject, reason),
  });
  undo.defer(() => revocations.stop());

  const address = listenAddress(options, configuration);
  const certificates = await Certificates.open({
    directory: tls,
    names: certificateNames(address, configuration),
    clock,
    log,
    ...(configuration.tls === undefined ? {} : { given: configuration.tls }),
  });
  undo.defer(() => certificates.close());
  const lifecycle = new Lifecycle(log);
  const web = new WebListener({
    certificates,
    stopping: lifecycle.stopped,
    ready: () => readiness(lifecycle, store, inForce),
  });
  undo.defer(() => web.destroy());
  const bound = { host: address.host, port: (await web.listen(address)).port };
  undo.defer(() => web.close());
  const publicUrl = configuration.publicUrl ?? `https://${urlHost(bound.host)}:${bound.port}`;

  const metrics = new Metrics({
    reviewsPending: async () => (await approvals.list({ state: 'pending' })).length,
    live: () => live.list().map((session) => session.record()),
  });
  undo.defer(() => metrics.close());
  const issuer = await embeddedIssuer(options, configuration, { store, keys, publicUrl, clock, audit, metrics });
  const trust = new TrustInForce(() => inForce.current, clock, issuer);
  const tokens = new GatewayTokens({
    keys: await KeyFile.open(keys, 'tokens', clock),
    issuer: publicUrl,
    clock,
    limit: (declared) => inForce.current.limit(declared),
  });
  const natives = new Map<string, NativeListener>();
  const parts: Parts = {
    version,
    publicUrl,
    clock,
    log,
    audit,
    metrics,
    configuration: () => inForce.current,
    issuers: () => trust.hints(),
    native: () => Object.fromEntries([...natives].map(([name, one]) => [name, nativeAddress(one, publicUrl)])),
    tokens,
    authenticator: new Authenticator({
      tokens,
      trust: () => trust.trust,
      serviceAccounts: store.serviceAccounts,
      revocations,
      clock,
    }),
    revocations,
    roles: rolesOf(() => inForce.current),
    stores: store,
    sink: store.recordings,
    approvals,
    grants: new Grants({
      grants: store.grants,
      audit,
      clock,
      log,
      revoked: (grant) => void live.killGrant(grant.id, 'the grant was revoked'),
    }),
    events: new SessionEvents(),
    live,
    recorder: new Recorder({ sink: store.recordings, now: () => clock.now(), version }),
    credentials: new CredentialResolver({
      environment: options.env,
      log,
      clock,
      ...(options.config === undefined ? {} : { directory: join(options.config, '..') }),
    }),
  };
  const opener = new SessionOpener(parts);
  const tunnels = new Tunnels(parts, opener);
  undo.defer(() => tunnels.destroy());
  for (const [name, where] of configuration.listen.native) {
    const protocol = options.protocols?.find((one) => one.name === name) ?? (await loadProtocol(name))!;
    const listener = new NativeListener(parts, opener, certificates, protocol);
    await listener.listen(where);
    undo.defer(() => listener.close());
    natives.set(name, listener);
  }
  undo.use(housekeeping(parts, store));
  const changed = (now: Configuration) => dropConnections(parts, now);
  const told = (ok: boolean) => metrics.reloads.inc({ result: ok ? 'ok' : 'refused' });
  inForce.watch(audit, changed, told);
  lifecycle.run({ parts, opener, tunnels, natives: [...natives.values()] });
  audit.append('start', { version, policy: configuration.version, url: publicUrl });
  web.serve(parts, issuer, tunnels);
  log.info({ url: publicUrl, listen: `${bound.host}:${bound.port}`, native: parts.native(), version }, 'gateway runs');
  const hints = await firstSteps(store, issuer, data);
  for (const hint of hints) log.warn({}, hint);
  return {
    lifecycle,
    face: {
      url: publicUrl,
      address: bound,
      native: Object.fromEntries(
        [...natives].map(([name, one]) => [name, { host: one.address.address, port: one.address.port }]),
      ),
      fingerprint: certificates.fingerprint,
      caFile: configuration.tls === undefined ? join(tls, 'ca.pem') : undefined,
      hints,
      reload: () => inForce.reload(audit, changed, told),
      close: (how) => lifecycle.close(how),
    },
  };
}

function listenAddress(options: GatewayOptions, configuration: Configuration): Address {
  if (options.listen === undefined) return configuration.listen.gateway ?? DEFAULT_ADDRESS;
  const parsed = parseAddress(options.listen);
  if (parsed === undefined) {
    throw userError('usage', `--listen is "${options.listen}", expected host:port such as 127.0.0.1:7443`);
  }
  return parsed;
}

const isWildcard = (host: string) => host === '0.0.0.0' || host === '::';

function urlHost(host: string): string {
  if (isWildcard(host)) return hostname();
  return host.includes(':') ? `[${host}]` : host;
}

/** Every name and address by which a client may come. */
function certificateNames(address: Address, { publicUrl, listen }: Configuration): string[] {
  const hosts = [address.host, ...[...listen.native.values()].map((one) => one.host)];
  const names = new Set(['localhost', '127.0.0.1', '::1']);
  for (const host of hosts) names.add(isWildcard(host) ? hostname() : host);
  if (publicUrl !== undefined) names.add(new URL(publicUrl).hostname.replace(/^\[|\]$/g, ''));
  return [...names];
}

/** Where clients find a native listener: its own address, or the gateway's name where it listens on all. */
function nativeAddress(listener: NativeListener, publicUrl: string): string {
  const { address, port } = listener.address;
  return `${isWildcard(address) ? new URL(publicUrl).hostname : urlHost(address)}:${port}`;
}

async function embeddedIssuer(
  options: GatewayOptions,
  configuration: Configuration,
  has: { store: Store; keys: string; publicUrl: string; clock: Clock; audit: ChainedLog; metrics: Metrics },
): Promise<EmbeddedIssuer | undefined> {
  if (!configuration.identity.embedded) return undefined;
  const { store, keys, publicUrl, clock, audit, metrics } = has;
  return createEmbeddedIssuer({
    publicUrl,
    users: store.users,
    store: store.oidc,
    keys: await KeyFile.open(keys, 'issuer', clock),
    cookieSecrets: cookieSecrets(keys),
    clock,
    log: options.log,
    ...(options.loginInterval === undefined ? {} : { interval: options.loginInterval }),
    onLogin({ user, address, ok }) {
      audit.append('login', { issuer: 'embedded', user, address, ok });
      metrics.logins.inc({ issuer: 'embedded', result: ok ? 'ok' : 'refused' });
    },
  });
}

function rolesOf(configuration: () => Configuration): Parts['roles'] {
  let made: { from: Configuration; is: Record<Role, ReturnType<typeof compileWho>> } | undefined;
  return (principal) => {
    const from = configuration();
    if (made?.from !== from) {
      made = { from, is: { admin: compileWho(from.roles.admin), auditor: compileWho(from.roles.auditor) } };
    }
    const { is } = made;
    // An agent that acts for an administrator does not administer.
    const admin = principal.kind !== 'agent' && is.admin(principal);
    return [...(admin ? (['admin'] as const) : []), ...(is.auditor(principal) ? (['auditor'] as const) : [])];
  };
}

/** A connection that is no longer configured has no sessions. */
function dropConnections({ live }: Parts, { connections }: Configuration): void {
  for (const session of live.list()) {
    if (connections.has(session.connection)) continue;
    session.kill({ code: 'access_denied', message: `connection "${session.connection}" was removed` });
  }
}

/** What other processes wrote (`hoopctl admin --data`), and what has expired. */
function housekeeping({ audit, grants, log }: Parts, store: Store): Disposable {
  const guard = (what: string, job: () => Promise<unknown>) => () => {
    job().catch((error: unknown) => log.error({ what, error: asHoopctlError(error).message }, 'housekeeping failed'));
  };
  const often = setInterval(
    guard('log outbox and grants', async () => {
      await store.outbox.drain(audit);
      await grants.poll();
    }),
    1000,
  );
  const seldom = setInterval(
    guard('purge', () => store.purge()),
    600_000,
  );
  often.unref();
  seldom.unref();
  return {
    [Symbol.dispose]() {
      clearInterval(often);
      clearInterval(seldom);
    },
  };
}

async function readiness(lifecycle: Lifecycle, store: Store, inForce: ConfigurationInForce) {
  const answers = await store.ping().then(
    () => true,
    () => false,
  );
  const { version, loadedAt, problems, restartNeeded } = inForce.state;
  return {
    ready: lifecycle.running && answers,
    details: {
      state: lifecycle.running ? 'running' : 'stopping',
      store: answers ? 'ok' : 'failed',
      configuration: {
        version,
        loadedAt: new Date(loadedAt).toISOString(),
        // What exactly is in the log: anybody may ask here.
        ...(problems.length === 0
          ? {}
          : { refused: `a newer version has ${problems.length} problems; the log lists them` }),
        ...(restartNeeded.length === 0 ? {} : { restartNeeded }),
      },
    },
  };
}

async function firstSteps(store: Store, issuer: EmbeddedIssuer | undefined, data: string): Promise<string[]> {
  if (issuer === undefined || (await store.users.list()).length > 0) return [];
  return [`nobody can log in yet; make the first admin: hoopctl admin users add NAME --group admins --data ${data}`];
}
