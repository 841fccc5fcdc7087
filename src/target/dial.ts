// Opening a byte stream to the real server: TCP with a time-out, TLS with libpq's modes.
// Refuses to know: any protocol, any session. Where a target listens is written to the gateway's log only, never into an
// error that a client may see.

import { readFile } from 'node:fs/promises';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import { getCACertificates, type PeerCertificate, connect as tlsConnect } from 'node:tls';
import { asHoopctlError, HoopctlError, peerError } from '../core/errors.ts';
import { type Limit, limit } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import { SocketStream } from '../core/stream.ts';
import type { TlsMode, Upstream } from '../protocol/contract.ts';
import { DirectReads } from './reads.ts';

/** How long a TCP or a TLS handshake with a target may take, each. */
export const targetConnectLimit: Limit = limit('target_connect_ms', 'ms', 10_000, 1);

/** Where a target listens and whom to trust for it. */
export interface Address {
  /** The connection's name: the only thing of this that errors name. */
  readonly connection: string;
  readonly host: string;
  readonly port: number;
  /** PEM file with the authorities to trust; the system's and Node's own when there is none. */
  readonly caFile?: string;
}

export interface DialOptions {
  readonly log: Log;
  readonly timeout?: Limit;
}

/**
 * Opens a TCP connection (IPv6 and IPv4 raced as RFC 8305 says, which is Node's default).
 * Errors: target_unreachable; whatever HoopctlError `signal.reason` is when aborted.
 */
export function dialTcp(address: Address, signal: AbortSignal, options: DialOptions): Promise<Upstream> {
  const bound = options.timeout ?? targetConnectLimit;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(aborted(signal));
    const reads = new DirectReads();
    const socket = netConnect({ host: address.host, port: address.port, onread: reads.option });
    reads.attach(socket);
    const fail = (error: HoopctlError) => {
      settle();
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onError = (error: NodeJS.ErrnoException) => fail(unreachable(address, reasonOf(error), options.log, error));
    const onAbort = () => fail(aborted(signal));
    const timer = setTimeout(
      () => fail(unreachable(address, `no answer within ${bound.value} ms (${bound.name})`, options.log)),
      bound.value,
    );
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('connect', onConnect);
    };
    const onConnect = () => {
      settle();
      socket.setKeepAlive(true, 60_000);
      resolve(new PlainUpstream(socket, address, options, reads));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('connect', onConnect);
  });
}

class SocketUpstream extends SocketStream implements Upstream {
  readonly peerCertificate: Buffer | undefined;
  readonly #address: Address;
  readonly #options: DialOptions;

  constructor(socket: Socket, address: Address, options: DialOptions, peerCertificate: Buffer | undefined) {
    super(socket);
    this.peerCertificate = peerCertificate;
    this.#address = address;
    this.#options = options;
  }

  /** Errors: target_certificate, target_unreachable. */
  async startTls(mode: Exclude<TlsMode, 'disable'>, tls: { alpn?: readonly string[] } = {}): Promise<Upstream> {
    const address = this.#address;
    const options = this.#options;
    // libpq: `require` with a root certificate given behaves as `verify-ca`.
    const verify = mode !== 'require' || address.caFile !== undefined;
    const ca = verify ? await authorities(address, options.log) : undefined;
    const raw = this.detach();
    return new Promise((resolve, reject) => {
      const secure = tlsConnect({
        socket: raw,
        host: address.host,
        ...(isIP(address.host) === 0 ? { servername: address.host } : {}),
        ...(ca === undefined ? {} : { ca: [...ca] }),
        ...(tls.alpn === undefined ? {} : { ALPNProtocols: [...tls.alpn] }),
        ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
        rejectUnauthorized: verify,
        minVersion: 'TLSv1.2',
      });
      const bound = options.timeout ?? targetConnectLimit;
      const timer = setTimeout(() => {
        secure.destroy(new Error(`no TLS handshake within ${bound.value} ms (${bound.name})`));
      }, bound.value);
      const settle = () => {
        clearTimeout(timer);
        secure.off('error', onError);
        secure.off('close', onClose);
      };
      const onError = (error: NodeJS.ErrnoException) => {
        settle();
        secure.on('error', () => {});
        secure.destroy();
        raw.destroy();
        reject(tlsError(address, error, options.log));
      };
      const onClose = () => onError(new Error('closed during the TLS handshake'));
      secure.once('error', onError);
      secure.once('close', onClose);
      secure.once('secureConnect', () => {
        settle();
        const der = (secure.getPeerCertificate(false) as PeerCertificate | undefined)?.raw;
        resolve(new SocketUpstream(secure, address, options, der));
      });
    });
  }
}

class PlainUpstream extends SocketUpstream {
  readonly #reads: DirectReads;

  constructor(socket: Socket, address: Address, options: DialOptions, reads: DirectReads) {
    super(socket, address, options, undefined);
    this.#reads = reads;
  }

  override get onData(): ((chunk: Buffer) => void) | undefined {
    return this.#reads.handler;
  }

  override set onData(handler: ((chunk: Buffer) => void) | undefined) {
    this.#reads.handler = handler;
  }

  release(chunk: Buffer): void {
    this.#reads.release(chunk);
  }
}

async function authorities(address: Address, log: Log): Promise<readonly string[]> {
  if (address.caFile === undefined) return defaultAuthorities();
  try {
    return [await readFile(address.caFile, 'utf8')];
  } catch (error) {
    log.error(
      {
        connection: address.connection,
        caFile: address.caFile,
        error: String(error),
      },
      'cannot read caFile',
    );
    throw new HoopctlError('user', 'target_certificate', `cannot read the caFile of "${address.connection}"`, {
      fix: "the gateway's administrator finds the path in its log",
      cause: error,
    });
  }
}

let systemAuthorities: readonly string[] | undefined;

/** Node's own list and the machine's: a company's authority is usually installed there. */
export function defaultAuthorities(): readonly string[] {
  systemAuthorities ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
  return systemAuthorities;
}

function unreachable(address: Address, reason: string, log: Log, cause?: unknown): HoopctlError {
  const { connection, host, port } = address;
  log.warn({ connection, host, port, reason }, 'cannot reach target');
  return peerError('target_unreachable', `cannot reach the target of "${connection}": ${reason}`, {
    fix: "try again later, or ask the gateway's administrator: its log names the address",
    cause,
  });
}

function tlsError(address: Address, error: NodeJS.ErrnoException, log: Log): HoopctlError {
  const { connection, host, port } = address;
  const code = error.code ?? '';
  const certificate = code === 'ERR_TLS_CERT_ALTNAME_INVALID' || /CERT|ISSUER|SELF_SIGNED|LEAF_SIGNATURE/.test(code);
  // OpenSSL's own text and the names in a certificate can carry the address: they stay in the log.
  log.warn({ connection, host, port, error: error.message, code }, 'cannot start TLS with target');
  if (!certificate) {
    const reason = code === '' ? error.message : `TLS handshake failed (${code})`;
    return peerError('target_unreachable', `cannot reach the target of "${connection}": ${reason}`, { cause: error });
  }
  return peerError('target_certificate', `the certificate of the target of "${connection}" is not trusted: ${code}`, {
    fix: 'set target.caFile to the authority that signed it, or correct target.host; tls: require does not check it at all',
    cause: error,
  });
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'its name cannot be resolved now',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to it',
  ETIMEDOUT: 'no answer',
  ECONNRESET: 'connection reset',
};

function reasonOf(error: NodeJS.ErrnoException): string {
  const first = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException | undefined) : error;
  const code = first?.code ?? error.code ?? 'unknown error';
  return REASONS[code] ?? code;
}

function aborted(signal: AbortSignal): HoopctlError {
  const reason: unknown = signal.reason;
  if (reason instanceof HoopctlError) return reason;
  if (typeof reason === 'object' && reason !== null && 'message' in reason && !(reason instanceof Error)) {
    return peerError('client_gone', `session ended while dialling its target: ${String(reason.message)}`);
  }
  return peerError('client_gone', 'session ended while dialling its target', {
    cause: asHoopctlError(reason),
  });
}
