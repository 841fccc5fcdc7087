// Composition: a data directory and a configuration → a gateway that runs. Everything it needs comes as an argument.

import { join } from 'node:path';
import { loadProtocol } from '../protocol/index.ts';
import type { Fleet } from '../session/fleet.ts';
import { Outage } from '../session/outage.ts';
import { recoverAbandoned } from '../session/recovery.ts';
import type { Store } from '../store/index.ts';
import { certificateNames, listenAddress, nativeAddress, urlHost } from './addresses.ts';
import { Certificates } from './certificates/certificates.ts';
import type { Configuration } from './configuration.ts';
import { warnOfCredentials } from './credentials.ts';
import { DeviceLogins } from './device-login.ts';
import { watchDisk } from './disk.ts';
import type { Address } from './document.ts';
import { firstAdmin } from './first-admin.ts';
import { embeddedIssuer, type GatewayOptions, identityParts, openGround, openState } from './ground.ts';
import { namedKey } from './keys.ts';
import { Lifecycle } from './lifecycle.ts';
import { UNAUTHENTICATED } from './limits.ts';
import { Metrics } from './metrics.ts';
import { NativeListener } from './native.ts';
import { Newcomers } from './newcomers.ts';
import type { Parts } from './parts.ts';
import { RefusalLog } from './refusals.ts';
import { type ConfigurationInForce, tellCut } from './reload.ts';
import { Reports } from './report/reports.ts';
import { SessionOpener } from './sessions.ts';
import { tellSetBack } from './set-back.ts';
import { warnOfIssuers } from './trust.ts';
import { Tunnels } from './tunnels.ts';
import { WebListener } from './web.ts';
import { keepIssuers } from './whom.ts';

export type { GatewayOptions } from './ground.ts';

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
  /** Where its state is, for people, and its id among the gateways there. */
  readonly store: string;
  readonly id: string;
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

/** Everything that is made in one step is undone when a later one fails, and at the end, in reverse. */
async function assemble(
  options: GatewayOptions,
  undo: AsyncDisposableStack,
): Promise<{ face: Gateway; lifecycle: Lifecycle }> {
  const { log, version } = options;
  const ground = await openGround(options, undo);
  const { inForce, tls, store, audit } = ground;
  await tellSetBack({ audit, sessions: store.sessions, log, gateway: ground.id });
  const state = await openState(options, ground, undo);
  const configuration = inForce.current;
  const address = listenAddress(options.listen, configuration);
  const certificates = await Certificates.open({
    directory: tls,
    names: certificateNames(address, configuration),
    clock: ground.clock,
    log,
    ...(configuration.tls === undefined ? {} : { given: configuration.tls }),
  });
  undo.defer(() => certificates.close());
  const lifecycle = new Lifecycle(log);
  const newcomers = new Newcomers(() => inForce.current.limit(UNAUTHENTICATED), log);
  const web = new WebListener({
    certificates,
    newcomers,
    stopping: lifecycle.stopped,
    ready: () => readiness(lifecycle, store, inForce, state.fleet),
  });
  undo.defer(() => web.destroy());
  // Port 0 is known only now, and with it the URL that tokens name.
  const bound = { host: address.host, port: (await web.listen(address)).port };
  undo.defer(() => web.close());
  const publicUrl = configuration.publicUrl ?? `https://${urlHost(bound.host)}:${bound.port}`;
  const metrics = new Metrics({
    reviewsPending: async () => {
      const now = ground.clock.now();
      return (await store.reviews.glance({ state: 'pending', expiresAfter: now, limit: 1_000_000 })).length;
    },
    live: () => state.live.list().map((session) => session.record()),
    exports: () => state.exports.status(),
    recordingStore: () => state.shipper.state,
    indexed: () => state.search.indexed,
  });
  const refusals = new RefusalLog(audit, ground.clock);
  const issuer = await embeddedIssuer(options, ground, { publicUrl, metrics, refusals }, undo);
  const natives = new Map<string, NativeListener>();
  const parts: Parts = {
    ...(await identityParts(ground, state, { publicUrl, issuer }, undo)),
    ...state,
    version,
    publicUrl,
    clock: ground.clock,
    log,
    audit,
    refusals,
    metrics,
    newcomers,
    configuration: () => inForce.current,
    native: () => Object.fromEntries([...natives].map(([name, one]) => [name, nativeAddress(one.address, publicUrl)])),
    stores: store,
    sink: store.recordings,
    key: (name) => namedKey(ground.keys, name),
    reports: new Reports({ data: options.data, audit, objects: ground.storage }),
  };
  const opener = new SessionOpener(parts);
  const tunnels = new Tunnels(parts, opener);
  undo.defer(() => tunnels.destroy());
  const shared = { opener, certificates, devices: new DeviceLogins(parts, issuer) };
  for (const [name, where] of configuration.listen.native) {
    const protocol = options.protocols?.find((one) => one.name === name) ?? (await loadProtocol(name))!;
    const listener = new NativeListener(parts, shared, protocol);
    await listener.listen(where);
    undo.defer(() => listener.close());
    natives.set(name, listener);
  }
  watchDisk(parts);
  undo.use(housekeeping(parts, store));
  const tellIssuers = (now: Configuration) =>
    void keepIssuers(store.keyValues, state.fleet.id, now).catch((thrown: unknown) =>
      log.warn({ error: String(thrown) }, 'the names of issuers are not kept for "hoopctl admin --data"'),
    );
  tellIssuers(configuration);
  const tellCutOff = () =>
    tellCut(store.keyValues, state.fleet.id, inForce, log).catch((thrown: unknown) =>
      log.warn({ error: String(thrown) }, 'whether the configuration was cut is not known'),
    );
  await tellCutOff();
  const changed = (now: Configuration) => {
    void tellCutOff();
    dropConnections(parts, now);
    tellIssuers(now);
    state.exports.apply();
    void warnOfCredentials(now, parts.credentials, log);
    void warnOfIssuers(parts);
  };
  const told = (ok: boolean) => metrics.reloads.inc({ result: ok ? 'ok' : 'refused' });
  inForce.watch(audit, changed, told);
  lifecycle.run({ parts, opener, tunnels, natives: [...natives.values()] });
  audit.append('policy', { what: 'in force', version: configuration.version, document: inForce.text });
  audit.append('start', { version, policy: configuration.version, url: publicUrl });
  state.webhooks.start(publicUrl);
  if (ground.logDamage !== undefined) state.webhooks.raise({ type: 'log.damaged', data: ground.logDamage });
  state.fleet.start(publicUrl);
  state.exports.start(publicUrl);
  state.search.start();
  state.shipper.start();
  state.custodian.start();
  web.serve(parts, issuer, tunnels);
  const runs = { url: publicUrl, listen: `${bound.host}:${bound.port}`, native: parts.native(), version };
  const others = store.shared ? (await state.fleet.others()).filter(({ alive }) => alive).map(({ id }) => id) : [];
  log.info({ ...runs, store: store.place, gateway: state.fleet.id, others }, 'gateway runs');
  await warnOfCredentials(configuration, parts.credentials, log);
  void warnOfIssuers(parts);
  const hints = await firstSteps(store, issuer, configuration, options.data);
  for (const hint of hints) log.warn({}, hint);
  const face: Gateway = {
    url: publicUrl,
    address: bound,
    native: Object.fromEntries(
      [...natives].map(([name, { address: at }]) => [name, { host: at.address, port: at.port }]),
    ),
    fingerprint: certificates.fingerprint,
    store: store.place,
    id: state.fleet.id,
    caFile: configuration.tls === undefined ? join(tls, 'ca.pem') : undefined,
    hints,
    reload: () => inForce.reload(audit, changed, told),
    close: (how) => lifecycle.close(how),
  };
  return { lifecycle, face };
}

/** A connection that is no longer configured has no sessions. */
function dropConnections({ live }: Parts, { connections }: Configuration): void {
  for (const session of live.list()) {
    if (connections.has(session.connection)) continue;
    session.kill({ code: 'access_denied', message: `connection "${session.connection}" was removed` });
  }
}

/** What other processes wrote (`hoopctl admin --data`), and what has expired. */
function housekeeping({ audit, clock, grants, log, sink, webhooks }: Parts, store: Store): Disposable {
  const every = (ms: number, what: string, job: () => Promise<unknown>) => {
    const outage = new Outage(log, what);
    // Two at once would take over the same entries, and a store that is slow would have more and more to do.
    let busy = false;
    const run = async () => {
      if (busy) return;
      busy = true;
      await job().then(
        () => outage.worked(),
        (thrown) => outage.failed(thrown),
      );
      busy = false;
    };
    return setInterval(() => void run(), ms).unref();
  };
  const abandoned = { sink, store: store.sessions, audit, alerts: webhooks, clock, log };
  // By itself: while a look waits for the store, it still has to see that what it knows grows old.
  grants.start();
  const timers = [
    every(1000, 'take over what other processes have for the log', () => store.outbox.drain(audit)),
    every(1000, 'seal what was left of recordings', () => recoverAbandoned(abandoned)),
    every(60_000, 'remove what has expired from the store', async () => {
      await store.purge();
      await webhooks.purge();
    }),
  ];
  return {
    [Symbol.dispose]() {
      grants.stop();
      for (const timer of timers) clearInterval(timer);
    },
  };
}

async function readiness(lifecycle: Lifecycle, store: Store, inForce: ConfigurationInForce, fleet: Fleet) {
  const asked = store.ping().then(() => (store.shared ? fleet.others() : undefined));
  const { answers, others } = await asked.then(
    (found) => ({ answers: true, others: found }),
    () => ({ answers: false, others: undefined }),
  );
  const { version, loadedAt, problems, restartNeeded } = inForce.state;
  return {
    ready: lifecycle.running && answers,
    details: {
      state: lifecycle.running ? 'running' : 'stopping',
      store: answers ? 'ok' : 'failed',
      gateway: fleet.id,
      ...(others === undefined ? {} : { otherGateways: others.filter(({ alive }) => alive).length }),
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

async function firstSteps(
  store: Store,
  issuer: object | undefined,
  configuration: Configuration,
  data: string,
): Promise<string[]> {
  const users = (await store.users.list()).length;
  // Whoever adds an issuer beside it loses it, with the only admin's login: said while that can still be undone.
  if (issuer === undefined && configuration.identity.left && users > 0) {
    const many = users === 1 ? 'its one user' : `its ${users} users`;
    return [
      `the embedded issuer is off, as there are identity.issuers: ${many} cannot log in; identity.embedded: true keeps it, false says that it shall be off`,
    ];
  }
  if (issuer === undefined || users > 0) return [];
  return [firstAdmin(configuration, data)].filter((hint) => hint !== undefined);
}
