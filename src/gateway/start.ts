// Composition: a data directory and a configuration → a gateway that runs. Everything it needs comes as an argument.

import { join } from 'node:path';
import { asHoopctlError } from '../core/errors.ts';
import { loadProtocol } from '../protocol/index.ts';
import type { Store } from '../store/index.ts';
import { certificateNames, listenAddress, nativeAddress, urlHost } from './addresses.ts';
import { Certificates } from './certificates/certificates.ts';
import type { Configuration } from './configuration.ts';
import type { Address } from './document.ts';
import { embeddedIssuer, type GatewayOptions, identityParts, openGround, openState } from './ground.ts';
import { Lifecycle } from './lifecycle.ts';
import { Metrics } from './metrics.ts';
import { NativeListener } from './native.ts';
import type { Parts } from './parts.ts';
import { RefusalLog } from './refusals.ts';
import type { ConfigurationInForce } from './reload.ts';
import { SessionOpener } from './sessions.ts';
import { Tunnels } from './tunnels.ts';
import { WebListener } from './web.ts';

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
  const web = new WebListener({
    certificates,
    stopping: lifecycle.stopped,
    ready: () => readiness(lifecycle, store, inForce),
  });
  undo.defer(() => web.destroy());
  // Port 0 is known only now, and with it the URL that tokens name.
  const bound = { host: address.host, port: (await web.listen(address)).port };
  undo.defer(() => web.close());
  const publicUrl = configuration.publicUrl ?? `https://${urlHost(bound.host)}:${bound.port}`;
  const metrics = new Metrics({
    reviewsPending: async () => (await state.approvals.list({ state: 'pending' })).length,
    live: () => state.live.list().map((session) => session.record()),
  });
  const refusals = new RefusalLog(audit, ground.clock);
  const issuer = await embeddedIssuer(options, ground, { publicUrl, metrics, refusals });
  const natives = new Map<string, NativeListener>();
  const parts: Parts = {
    ...(await identityParts(ground, state, publicUrl, issuer)),
    ...state,
    version,
    publicUrl,
    clock: ground.clock,
    log,
    audit,
    refusals,
    metrics,
    configuration: () => inForce.current,
    native: () => Object.fromEntries([...natives].map(([name, one]) => [name, nativeAddress(one.address, publicUrl)])),
    stores: store,
    sink: store.recordings,
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
  state.webhooks.start(publicUrl);
  web.serve(parts, issuer, tunnels);
  log.info({ url: publicUrl, listen: `${bound.host}:${bound.port}`, native: parts.native(), version }, 'gateway runs');
  const hints = await firstSteps(store, issuer, options.data);
  for (const hint of hints) log.warn({}, hint);
  const face: Gateway = {
    url: publicUrl,
    address: bound,
    native: Object.fromEntries(
      [...natives].map(([name, { address: at }]) => [name, { host: at.address, port: at.port }]),
    ),
    fingerprint: certificates.fingerprint,
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
function housekeeping({ audit, grants, log, webhooks }: Parts, store: Store): Disposable {
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
    guard('purge', async () => {
      await store.purge();
      await webhooks.purge();
    }),
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

async function firstSteps(store: Store, issuer: object | undefined, data: string): Promise<string[]> {
  if (issuer === undefined || (await store.users.list()).length > 0) return [];
  return [`nobody can log in yet; make the first admin: hoopctl admin users add NAME --group admins --data ${data}`];
}
