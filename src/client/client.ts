// The client as a whole: listeners for several connections of one gateway in one process.
// Refuses to know: how a token is got, how anything is shown.

import { asHoopctlError, userError } from '../core/errors.ts';
import type { LocalAccess, Protocol } from '../protocol/contract.ts';
import { loadProtocol } from '../protocol/index.ts';
import { TunnelDialer } from '../tunnel/dial.ts';
import { isPassing } from '../tunnel/refusal.ts';
import { SparePool } from '../tunnel/spares.ts';
import type { ClientEvent } from './events.ts';
import { LocalListener } from './listener.ts';
import { listenFor, type PortMemory } from './ports.ts';
import { ClientStatus } from './status.ts';

/** A connection to open, as the gateway describes it. */
export interface Opening {
  readonly name: string;
  readonly protocol: string;
  readonly described: Readonly<Record<string, string>>;
  /** Further facts for the ready line. */
  readonly facts?: Readonly<Record<string, string>>;
  /** The local port; 0: any; undefined: the stable one. */
  readonly port?: number | undefined;
}

export interface ClientOptions {
  readonly gateway: { readonly url: string; readonly ca: string | undefined };
  /** Headers of every tunnel: identity, reason, run. */
  headers(options: { renew: boolean }): Promise<Readonly<Record<string, string>>>;
  readonly connections: readonly Opening[];
  /** The local address; default 127.0.0.1. */
  readonly bind?: string;
  /** The number of the only user, beside root, who may use the ports, where Linux tells of it; undefined: everybody. */
  readonly owner?: number | undefined;
  readonly memory?: PortMemory | undefined;
  /** Tunnels kept open ahead of need, per connection. */
  readonly spares?: number;
  readonly retryMs?: number;
  /** Gives up opening; has no meaning afterwards. */
  readonly signal?: AbortSignal;
  onEvent?(event: ClientEvent): void;
}

export interface OpenConnection {
  readonly name: string;
  readonly protocol: Protocol;
  readonly described: Readonly<Record<string, string>>;
  readonly host: string;
  readonly port: number;
  /** How the user's own tool gets there. */
  readonly local: LocalAccess;
}

export interface Readiness {
  readonly ready: boolean;
  readonly connections: readonly { readonly name: string; readonly port: number; readonly problem?: string }[];
}

interface Part {
  readonly opening: Opening;
  readonly pool: SparePool;
  readonly listener: LocalListener;
}

export class Client {
  readonly connections: readonly OpenConnection[];
  readonly status: ClientStatus;
  readonly #parts: readonly Part[];

  constructor(connections: readonly OpenConnection[], status: ClientStatus, parts: readonly Part[]) {
    this.connections = connections;
    this.status = status;
    this.#parts = parts;
  }

  /** Whether a new local socket would get through now, asking the gateway where that is not known. */
  async readiness(timeoutMs = 3000): Promise<Readiness> {
    const connections = await Promise.all(
      this.#parts.map(async ({ opening: { name }, pool, listener }) => {
        const { port } = this.status.connection(name);
        if (!listener.server.listening) return { name, port, problem: 'not listening' };
        const problem = await pool.probe(AbortSignal.timeout(timeoutMs)).then(
          () => undefined,
          (error: unknown) => asHoopctlError(error).message,
        );
        return problem === undefined ? { name, port } : { name, port, problem };
      }),
    );
    return { ready: connections.every(({ problem }) => problem === undefined), connections };
  }

  /** Stops listening, lets open sockets end for `drainMs`, then cuts them. */
  async close(drainMs = 0): Promise<void> {
    await Promise.all(
      this.#parts.map(async ({ listener, pool }) => {
        await listener.close(drainMs);
        pool.close();
      }),
    );
  }
}

/**
 * Confirms that the gateway lets us, then opens the local ports; `ready` events tell them. Errors: those of dialling
 * (access_denied, grant_needed, gateway_unreachable, …), port_taken, not_supported; nothing stays open then.
 */
export async function openClient(options: ClientOptions): Promise<Client> {
  const names = options.connections.map(({ name }) => name);
  const status = new ClientStatus(names);
  const tell = (event: ClientEvent) => {
    status.apply(event);
    options.onEvent?.(event);
  };
  const dialer = new TunnelDialer({ ...options.gateway, headers: options.headers });
  const watch = gatewayWatch(status, tell);
  const parts = options.connections.map((opening): Part => {
    const pool = new SparePool({
      dial: (signal) => dialer.dial(opening.name, signal),
      onDial: watch,
      ...(options.spares === undefined ? {} : { size: options.spares }),
    });
    const traffic = status.connection(opening.name);
    const { retryMs, owner } = options;
    const listener = new LocalListener({ connection: opening.name, pool, traffic, retryMs, owner, onEvent: tell });
    return { opening, pool, listener };
  });
  const client = new Client([], status, parts);
  try {
    await Promise.all(parts.map(({ pool }) => pool.probe(options.signal)));
    const connections: OpenConnection[] = [];
    for (const part of parts) connections.push(await open(part, options, tell));
    return new Client(connections, status, parts);
  } catch (error) {
    await client.close();
    throw error;
  }
}

async function open(
  { opening, listener }: Part,
  options: ClientOptions,
  tell: (event: ClientEvent) => void,
): Promise<OpenConnection> {
  const { name, protocol: protocolName, described, facts } = opening;
  const protocol = await loadProtocol(protocolName);
  if (protocol === undefined) {
    throw userError(
      'not_supported',
      `cannot open '${name}': this hoopctl does not know the protocol '${protocolName}'`,
      {
        fix: 'install a newer hoopctl',
      },
    );
  }
  listener.turnAway = protocol.turnAway;
  const host = options.bind ?? '127.0.0.1';
  const port = await listenFor(listener.server, {
    connection: name,
    host,
    port: opening.port,
    memory: options.memory,
  });
  // A wildcard address is for others; from here it is this machine.
  const reach = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const local = protocol.local(name, described, reach, port);
  tell({ type: 'ready', connection: name, host: reach, port, url: local.url, facts: { ...local.facts, ...facts } });
  return { name, protocol, described, host: reach, port, local };
}

/** Tells when the gateway goes away and comes back, once each. A refusal shows that it is there. */
function gatewayWatch(status: ClientStatus, tell: (event: ClientEvent) => void): (error: unknown) => void {
  return (error) => {
    const reachable = error === undefined || !isPassing(error);
    if (status.gateway.reachable === reachable) return;
    tell({ type: 'gateway', reachable, ...(reachable ? {} : { error: asHoopctlError(error) }) });
  };
}
