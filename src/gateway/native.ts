// Native listeners: clients that have no hoopctl. A protocol's own handshake says who it is; TLS is the gateway's.
// Refuses to know: any protocol's bytes.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type HoopctlError, peerError, userError } from '../core/errors.ts';
import type { Limit } from '../core/limits.ts';
import { SocketStream } from '../core/stream.ts';
import type { DeviceLogin, Introduction, Protocol, Visitor } from '../protocol/contract.ts';
import type { Authenticated } from '../session/identity/authenticator.ts';
import { showPrincipal } from './api/shapes.ts';
import type { Certificates } from './certificates/certificates.ts';
import { converse } from './conversation.ts';
import type { DeviceLogins } from './device-login.ts';
import type { Address } from './document.ts';
import { HANDSHAKE_MS, UNAUTHENTICATED } from './limits.ts';
import type { Parts } from './parts.ts';
import { withoutPort } from './refusals.ts';
import type { SessionOpener } from './sessions.ts';
import { Throttle } from './throttle.ts';

/** Between two lines of the log about clients that are turned away. */
const TELL_MS = 60_000;

/** What all listeners have in common. */
export interface NativeShared {
  readonly opener: SessionOpener;
  readonly certificates: Certificates;
  readonly devices: DeviceLogins;
}

export class NativeListener {
  readonly protocol: Protocol;
  readonly #parts: Parts;
  readonly #opener: SessionOpener;
  readonly #certificates: Certificates;
  readonly #devices: DeviceLogins;
  readonly #server: Server;
  #address: AddressInfo | undefined;
  /** Clients that have not said who they are; those that came first are first. */
  readonly #strangers = new Set<Stranger>();
  readonly #told = new Throttle(TELL_MS);

  constructor(parts: Parts, shared: NativeShared, protocol: Protocol) {
    this.#parts = parts;
    this.#opener = shared.opener;
    this.#certificates = shared.certificates;
    this.#devices = shared.devices;
    this.protocol = protocol;
    // Half-open: a client that has sent its last byte still wants the answers.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /** Errors: port_taken, config_invalid. */
  async listen(address: Address): Promise<void> {
    await listenOn(this.#server, address);
    this.#address = this.#server.address() as AddressInfo;
  }

  /** Since `listen`; also while it is closed already and the gateway still answers what it is asked. */
  get address(): AddressInfo {
    return this.#address!;
  }

  /** Accepts nobody any more; who has not said who it is goes. */
  close(): void {
    this.#server.close();
    for (const { stream } of this.#strangers) stream.destroy();
  }

  #accept(socket: Socket): void {
    const { limit } = this.#parts.configuration();
    const stranger = new Stranger(new SocketStream(socket), this.#strangers);
    this.#bound(limit(UNAUTHENTICATED));
    const timeout = limit(this.protocol.loginTime ?? HANDSHAKE_MS);
    const timer = setTimeout(() => stranger.stream.destroy(), timeout.value);
    const watch = {
      // The login in a browser has a bound of its own.
      patience: () => clearTimeout(timer),
      known: () => {
        clearTimeout(timer);
        stranger.forget();
      },
    };
    void converse(this.#parts, this.protocol, this.#visitor(stranger, watch)).finally(watch.known);
  }

  /** When one comes too many, one goes: whoever only holds connections open keeps nobody out. */
  #bound({ name, value: max }: Limit): void {
    if (this.#strangers.size <= max) return;
    const goes = longestOfMost(this.#strangers)!;
    goes.forget();
    goes.stream.destroy();
    const leftOut = this.#told.pass(name, performance.now());
    if (leftOut === undefined) return;
    const client = goes.stream.remote;
    this.#parts.log.warn({ client, limit: name, max, leftOut }, 'client turned away: too many are unknown');
  }

  #visitor(stranger: Stranger, watch: { patience(): void; known(): void }): Visitor {
    return {
      stream: stranger.stream,
      via: 'native',
      connection: undefined,
      startTls: async ({ alpn, preread } = {}) => {
        const before = stranger.stream;
        stranger.become(await wrap(before, this.#certificates, alpn, preread));
        return stranger.stream;
      },
      open: async (introduction) => {
        const opened = await this.#open(introduction, stranger.stream.remote);
        watch.known();
        return opened;
      },
      ...(this.#parts.issuers().length === 0
        ? {}
        : {
            openByDevice: async (connection, show, signal) => {
              watch.patience();
              const opened = await this.#byDevice(connection, stranger.stream.remote, show, signal);
              watch.known();
              return opened;
            },
          }),
    };
  }

  async #open(introduction: Introduction, client: string) {
    const { user, connection, secret, proof } = introduction;
    if (!connection || (!secret && proof === undefined)) {
      throw userError('login_needed', 'connection or password is missing', {
        fix: `give ${this.#asked()}, and as password what "hoopctl token NAME" prints`,
      });
    }
    const parts = this.#parts;
    const { authenticator } = parts;
    const asked = proof ? authenticator.heldKey(proof, user) : authenticator.password(secret!, user, connection);
    const found = await asked.catch((error: HoopctlError) => {
      const meant = error.details?.connection;
      const told = meant === undefined ? error : this.#named(error, `${meant}`);
      return this.#refused(told, client, { user, connection });
    });
    return this.#begin(found, connection, client);
  }

  /** What a client has to say, in the words of its protocol. */
  #words(connection: string, user: string): [what: string, value: string][] {
    const { address: host, port } = this.address;
    return Object.entries(this.protocol.native({ connection, user, host, port }).facts);
  }

  #asked(): string {
    const words = this.#words('NAME', 'USER').map(([what, value]) => `${what} ${value}`);
    return words.join(', ');
  }

  /** A client that names something else, as the database of a server is, cannot know that the connection is meant. */
  #named(error: HoopctlError, connection: string): HoopctlError {
    const [what] = this.#words(connection, 'USER').find(([, value]) => value === connection) ?? ['name'];
    return userError(error.code, error.message, {
      fix: `on this listener the ${what} is the connection's name: ${what} ${connection}`,
      cause: error,
    });
  }

  async #byDevice(connection: string, client: string, show: (login: DeviceLogin) => void, signal: AbortSignal) {
    // Nobody knows yet who says it: what the page shows of the name is plain.
    const shown = connection.replace(/[^\w.-]/g, '?').slice(0, 64);
    const program = `${this.protocol.name} to ${shown}, through this gateway`;
    const found = await this.#devices
      .login({ client, program, show, signal })
      .catch((error: HoopctlError) => this.#refused(error, client, { connection }));
    const { principal } = found;
    this.#parts.audit.append('login', {
      ok: true,
      address: client,
      principal: showPrincipal(principal),
      via: 'native',
    });
    this.#parts.metrics.logins.inc({ issuer: principal.issuer, result: 'ok' });
    return this.#begin(found, connection, client);
  }

  #begin(found: Authenticated, connection: string, client: string) {
    return this.#opener.open({
      principal: found.principal,
      connection,
      protocol: this.protocol.name,
      client,
      via: 'native',
      ...(found.reason === undefined ? {} : { reason: found.reason }),
    });
  }

  #refused(error: HoopctlError, client: string, said: { user?: string | undefined; connection: string }): never {
    const { metrics, refusals } = this.#parts;
    metrics.refused.inc({ code: error.code ?? 'internal' });
    const fields = { ok: false, address: client, ...said, code: error.code, via: 'native' };
    refusals.note('login', withoutPort(client), fields);
    throw error;
  }
}

/** A client before it is known; its stream changes when TLS begins. */
class Stranger {
  stream: SocketStream;
  readonly #all: Set<Stranger>;

  constructor(stream: SocketStream, all: Set<Stranger>) {
    this.stream = stream;
    this.#all = all;
    all.add(this);
  }

  become(stream: SocketStream): void {
    this.stream = stream;
  }

  forget(): void {
    this.#all.delete(this);
  }
}

/** Of those whose address has the most of them, the one that came first: others have nothing of its flood. */
function longestOfMost(strangers: ReadonlySet<Stranger>): Stranger | undefined {
  const counts = new Map<string, number>();
  const addresses = [...strangers].map(({ stream }) => withoutPort(stream.remote));
  for (const address of addresses) counts.set(address, (counts.get(address) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const at = addresses.findIndex((address) => counts.get(address) === most);
  return [...strangers][at];
}

/** TLS as the server, with the certificate of this moment. Errors: protocol_violation. */
async function wrap(
  stream: SocketStream,
  certificates: Certificates,
  alpn: readonly string[] | undefined,
  preread: Buffer | undefined,
): Promise<SocketStream> {
  const socket = stream.detach();
  if (preread !== undefined && preread.length > 0) socket.unshift(preread);
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext: certificates.current.context,
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
  });
  return new Promise((resolve, reject) => {
    const settle = () => {
      secure.off('error', onError);
      secure.off('close', onClose);
      secure.off('secure', onSecure);
    };
    const onError = (error: Error) => {
      settle();
      secure.on('error', () => {});
      secure.destroy();
      socket.destroy();
      reject(
        peerError('protocol_violation', `TLS handshake with the client failed: ${error.message}`, { cause: error }),
      );
    };
    const onClose = () => onError(new Error('the client went away'));
    const onSecure = () => {
      // What was meant for another protocol may be led here (ALPACA): where nothing was said before TLS, its name has to be.
      if (preread !== undefined && alpn !== undefined && typeof secure.alpnProtocol !== 'string') {
        onError(new Error(`TLS from the first byte needs ALPN "${alpn.join('" or "')}"`));
        return;
      }
      settle();
      resolve(new SocketStream(secure));
    };
    secure.on('error', onError);
    secure.on('close', onClose);
    secure.on('secure', onSecure);
  });
}

/** Errors: port_taken, config_invalid. */
export async function listenOn(server: Server, address: Address): Promise<void> {
  server.listen({ host: address.host, port: address.port });
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const where = `${address.host}:${address.port}`;
    if (code === 'EADDRINUSE') {
      throw userError('port_taken', `cannot listen on ${where}: another program does`, {
        fix: 'stop it, or choose another address with listen or --listen',
        cause: error,
      });
    }
    const mayNot = code === 'EACCES';
    throw userError('config_invalid', `cannot listen on ${where}: ${mayNot ? 'permission denied' : (code ?? error)}`, {
      fix: mayNot
        ? 'choose a port above 1023 with listen or --listen, or give node the right to it (CAP_NET_BIND_SERVICE)'
        : 'choose an address of this machine with listen or --listen',
      cause: error,
    });
  }
}
