// Reaches the server: dial, TLS as configured, login; and again with an older protocol where the newest is refused.
// Refuses to know: the client.

import { type HoopctlError, peerError } from '../../../core/errors.ts';
import type { Target, Upstream } from '../../contract.ts';
import type { Limits } from '../limits.ts';
import type { PostgresConfig } from '../schema.ts';
import { type CancelKey, Code, cancelRequest, SSL_REQUEST } from '../wire/startup.ts';
import { Inbox } from './inbox.ts';
import { type Login, login, VersionRefused } from './login.ts';

export interface Connected extends Login {
  readonly stream: Upstream;
  /** Bytes behind ReadyForQuery. */
  readonly rest: Buffer;
}

const gone = (): HoopctlError => peerError('target_error', 'the target closed the connection during the login');

/** Connections whose server refused protocol 3.2: asked for 3.0 at once from then on. */
const old = new Set<string>();

/**
 * A logged-in connection, paused. Throws target_unreachable, target_certificate, target_refused_credentials,
 * target_error, credentials_unavailable, limit_exceeded.
 */
export async function connectTarget(
  target: Target<PostgresConfig>,
  parameters: ReadonlyMap<string, string>,
  password: string | undefined,
  limits: Limits,
  signal: AbortSignal,
  masked = false,
): Promise<Connected> {
  const { connection } = target;
  // One timer, cleared: AbortSignal.timeout would keep its own alive behind a session that goes on.
  const bounded = new AbortController();
  const abort = (): void => bounded.abort(signal.reason);
  const timer = setTimeout(() => bounded.abort(TIMED_OUT), limits.targetTime.value);
  signal.addEventListener('abort', abort);
  try {
    if (signal.aborted) abort();
    if (!old.has(connection)) {
      try {
        return await attempt(target, Code.v32, parameters, password, limits, bounded.signal, masked);
      } catch (thrown) {
        if (!(thrown instanceof VersionRefused)) throw thrown;
        old.add(connection);
      }
    }
    return await attempt(target, Code.v30, parameters, password, limits, bounded.signal, masked);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

const TIMED_OUT = Symbol('timed out');

async function attempt(
  target: Target<PostgresConfig>,
  version: number,
  parameters: ReadonlyMap<string, string>,
  password: string | undefined,
  limits: Limits,
  signal: AbortSignal,
  masked: boolean,
): Promise<Connected> {
  let stream = await target.dial(signal);
  const stop = (): void => stream.destroy();
  signal.addEventListener('abort', stop);
  try {
    const encrypted = target.config.target.tls !== 'disable';
    if (encrypted) stream = await encrypt(stream, target.config);
    const inbox = new Inbox(stream, gone);
    const certificate = stream.peerCertificate;
    const result = await login(inbox, { version, parameters, password, certificate, encrypted, limits, masked });
    const rest = inbox.release();
    return { ...result, stream, rest };
  } catch (thrown) {
    stream.destroy();
    if (signal.aborted) throw timedOut(target, limits, signal);
    throw thrown;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function timedOut(target: Target, limits: Limits, signal: AbortSignal): unknown {
  if (signal.reason !== TIMED_OUT) return peerError('client_gone', 'the session ended before the target answered');
  return peerError(
    'target_unreachable',
    `the target of "${target.connection}" did not answer within ${limits.targetTime.value} ms`,
    {
      fix: 'check that the server is up and reachable from the gateway',
    },
  );
}

async function encrypt(stream: Upstream, config: PostgresConfig): Promise<Upstream> {
  const { tls } = config.target;
  if (tls === 'disable') return stream;
  const inbox = new Inbox(stream, gone);
  stream.write(SSL_REQUEST);
  const answer = (await inbox.take(1)).toString('latin1');
  // Bytes before the handshake would be taken for bytes inside it (CVE-2021-23222).
  const early = inbox.release();
  if (early.length > 0)
    throw peerError('protocol_violation', 'the target sent bytes between SSLRequest and TLS', {
      fix: "check that target.host and target.port in the gateway's configuration are those of PostgreSQL",
    });
  if (answer !== 'S') {
    throw peerError('target_certificate', `the target does not offer TLS, and target.tls is ${tls}`, {
      fix: 'turn ssl on at the server, or set target.tls: disable for a network that you trust',
    });
  }
  return stream.startTls(tls, { alpn: ['postgresql'] });
}

/** CancelRequest with the server's own key; resolves when the server has taken it (it closes) or the time is over. */
export async function cancelTarget(target: Target<PostgresConfig>, key: CancelKey, limits: Limits): Promise<void> {
  const signal = AbortSignal.timeout(limits.targetTime.value);
  let stream = await target.dial(signal);
  try {
    stream = await encrypt(stream, target.config);
    await new Promise<void>((resolve) => {
      stream.onClose = () => resolve();
      stream.onEnd = () => resolve();
      stream.onData = () => {};
      signal.addEventListener('abort', () => resolve());
      stream.write(cancelRequest(key));
      stream.resume();
    });
  } finally {
    stream.destroy();
  }
}
