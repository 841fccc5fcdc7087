// A small HTTP client over node:https that trusts exactly what it is told to. Starts in 5 ms, where a general one needs 70.
// Refuses to know: tokens, what an answer means.

import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { peerError, userError } from '../core/errors.ts';
import { connectionError } from '../core/unreachable.ts';

/** Bytes of an answer that is read whole; a gateway's list of sessions fits many times over. */
const ANSWER_BYTES = 64 * 1024 * 1024;

/** Without bytes for this long, a request that is not a stream has failed. */
const IDLE_MS = 30_000;

export interface Trust {
  /** PEM certificates to trust instead of the system's. */
  readonly ca?: string | undefined;
}

export interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** No idle time-out: the answer is a stream that may be silent for long. */
  readonly stream?: boolean;
  readonly idleMs?: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Not yet read; whoever gets it reads or destroys it. */
  readonly body: IncomingMessage;
}

/** One request; redirects are not followed. Errors: gateway_unreachable, gateway_certificate_*, or the signal's reason. */
export async function send(url: URL, trust: Trust, request: HttpRequest = {}): Promise<HttpAnswer> {
  assertTransport(url);
  const { request: open } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const outgoing = open(url, {
      method: request.method ?? 'GET',
      headers: { 'user-agent': 'hoopctl', accept: 'application/json', ...request.headers },
      signal: request.signal,
      agent: false,
      ...(trust.ca === undefined ? {} : { ca: trust.ca, allowPartialTrustChain: true }),
    });
    if (request.stream !== true) {
      const idle = request.idleMs ?? IDLE_MS;
      outgoing.setTimeout(idle, () => outgoing.destroy(new Error(`no answer within ${idle / 1000} s`)));
    }
    outgoing.on('response', (body) => resolve({ status: body.statusCode ?? 0, headers: body.headers, body }));
    outgoing.on('error', (error) => {
      if (request.signal?.aborted) reject(request.signal.reason);
      else reject(connectionError(url, trust.ca !== undefined, error));
    });
    outgoing.end(request.body);
  });
}

/** Reads an answer whole. Errors: gateway_error when it is too long, gateway_unreachable when it breaks off. */
export async function readText(answer: HttpAnswer): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body) {
      size += (chunk as Buffer).length;
      if (size > ANSWER_BYTES) throw peerError('gateway_error', `the answer is longer than ${ANSWER_BYTES} bytes`);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'HoopctlError') throw error;
    throw peerError('gateway_unreachable', 'the answer broke off', { cause: error });
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Plain HTTP only to this machine: a token in the clear elsewhere would be a gift. */
export function assertTransport(url: URL): void {
  if (url.protocol === 'https:') return;
  if (url.protocol === 'http:' && isLoopback(url.hostname)) return;
  throw userError('usage', `refused to talk to '${url.origin}' without TLS`, { fix: 'use an https:// address' });
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** The PEM certificates of a file. Errors: config_unreadable. */
export function readCa(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw userError('config_unreadable', `cannot read the CA file '${path}': ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw userError('config_unreadable', `'${path}' has no PEM certificate`, {
      fix: 'name the file of the CA certificate in PEM',
    });
  }
  return text;
}
