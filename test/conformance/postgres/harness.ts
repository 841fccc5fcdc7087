// A listener on loopback in front of a real server, with a session that says what the test wants: the protocol alone,
// without gateway, policy or recorder. Also what `scripts/fuzz` and hands use.

import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import { peerError } from '../../../src/core/errors.ts';
import { silentLog } from '../../../src/core/log.ts';
import { SocketStream } from '../../../src/core/stream.ts';
import type { Services, Session, Target, TlsMode, Upstream, Visitor } from '../../../src/protocol/contract.ts';
import { postgres } from '../../../src/protocol/postgres/index.ts';
import type { PostgresConfig } from '../../../src/protocol/postgres/schema.ts';
import { FakeSession, type FakeSessionOptions } from './session.ts';

class SocketUpstream extends SocketStream implements Upstream {
  readonly peerCertificate: Buffer | undefined;

  constructor(socket: Socket) {
    super(socket);
    this.peerCertificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined;
  }

  startTls(_mode: Exclude<TlsMode, 'disable'>, options?: { alpn?: readonly string[] }): Promise<Upstream> {
    const socket = this.detach();
    return new Promise((resolve, reject) => {
      const tls = connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: [...(options?.alpn ?? [])] }, () =>
        resolve(new SocketUpstream(tls)),
      );
      tls.once('error', reject);
    });
  }
}

export function dial(host: string, port: number): Promise<Upstream> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port }, () => resolve(new SocketUpstream(socket)));
    socket.once('error', (error) =>
      reject(peerError('target_unreachable', `dialling ${host}:${port}: ${error.message}`)),
    );
  });
}

export interface HarnessOptions {
  readonly target: { host: string; port: number; database: string; tls?: TlsMode; databases?: '*' | string[] };
  readonly user: string;
  readonly password?: string;
  readonly options?: Partial<PostgresConfig['options']>;
  readonly session?: FakeSessionOptions;
  /** Native listener with this certificate; else as from a tunnel. */
  readonly tls?: { cert: string; key: string };
  readonly port?: number;
  readonly limits?: Readonly<Record<string, number>>;
}

export interface Harness {
  readonly port: number;
  readonly sessions: FakeSession[];
  close(): Promise<void>;
}

export async function startHarness(options: HarnessOptions): Promise<Harness> {
  const sessions: FakeSession[] = [];
  const sockets = new Set<Socket>();
  const config = postgres.schema.parse({
    target: { tls: 'disable', ...options.target },
    credentials: { user: options.user, password: 'env:X' },
    options: options.options ?? {},
  });
  const target: Target<PostgresConfig> = {
    connection: 'prod-db',
    config,
    dial: () => dial(config.target.host, config.target.port),
    credentials: async () => ({
      user: options.user,
      ...(options.password === undefined ? {} : { password: options.password }),
    }),
  };
  const services: Services = {
    log: process.env.DEBUG === undefined ? silentLog : { ...silentLog, error: console.error, warn: console.error },
    limit: (bound) => ({ ...bound, value: options.limits?.[bound.name] ?? bound.value }),
    key: () => Buffer.alloc(32),
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    void postgres.serve(visitorOf(socket, options, target, sessions), services);
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const address = server.address() as { port: number };
  return {
    port: address.port,
    sessions,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function visitorOf(socket: Socket, options: HarnessOptions, target: Target, sessions: FakeSession[]): Visitor {
  const stream = new SocketStream(socket);
  const { tls } = options;
  return {
    stream,
    via: tls === undefined ? 'tunnel' : 'native',
    connection: tls === undefined ? target.connection : undefined,
    ...(tls === undefined
      ? {}
      : {
          async startTls(wanted?: { alpn?: readonly string[]; preread?: Buffer }) {
            const raw = stream.detach();
            if (wanted?.preread !== undefined) raw.unshift(wanted.preread);
            const secureContext = createSecureContext(tls);
            const wrapped = new TLSSocket(raw, {
              isServer: true,
              secureContext,
              ALPNProtocols: [...(wanted?.alpn ?? [])],
            });
            await new Promise<void>((resolve, reject) => {
              wrapped.once('secure', resolve);
              wrapped.once('error', reject);
            });
            return new SocketStream(wrapped);
          },
        }),
    async open(introduction): Promise<{ session: Session; target: Target }> {
      if (tls !== undefined && introduction.secret !== 'token')
        throw peerError('token_invalid', 'the token is not valid');
      if (tls !== undefined && introduction.connection !== target.connection) {
        throw peerError('no_such_connection', `no connection is named "${introduction.connection}"`);
      }
      const session = new FakeSession(options.session);
      sessions.push(session);
      return { session, target };
    },
  };
}
