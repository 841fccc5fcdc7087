// An upgrade that was answered with a plain HTTP response: the gateway's JSON error as an error of ours.

import type { IncomingMessage } from 'node:http';
import { type ErrorCode, HoopctlError, peerError, userError } from '../core/errors.ts';

/** Bytes of a refusal that are read. */
const REFUSAL_BYTES = 64 * 1024;

const BY_STATUS: Record<number, ErrorCode> = {
  401: 'token_invalid',
  403: 'access_denied',
  404: 'no_such_connection',
  429: 'limit_exceeded',
};

/** What to do next, where the gateway did not say. */
const NEXT: Partial<Record<ErrorCode, string>> = {
  token_invalid: "run 'hoopctl login'",
  token_expired: "run 'hoopctl login'",
  login_needed: "run 'hoopctl login'",
  access_denied: 'ask whoever runs the gateway for an access line for you',
  grant_needed: "ask for a grant with 'hoopctl request NAME --for 1h --reason TEXT'",
  no_such_connection: "'hoopctl ls' lists what you can reach",
};

/** Reads the answer and makes the error. Never throws; what is not JSON is judged by its status. */
export async function readRefusal(response: IncomingMessage): Promise<HoopctlError> {
  const status = response.statusCode ?? 0;
  const said = await readBody(response);
  const code = (text(said.code) ?? BY_STATUS[status] ?? 'gateway_error') as ErrorCode;
  const message = text(said.message) ?? `the gateway refused the tunnel with HTTP status ${status}`;
  const make = status >= 500 ? peerError : userError;
  return make(code, message, {
    fix: text(said.next) ?? NEXT[code],
    rule: text(said.rule),
    session: text(said.session),
  });
}

/** Whether the same dial can succeed later without anybody doing anything: the gateway restarts, the network is back. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof HoopctlError)) return false;
  const away = error.code === 'gateway_unreachable' || error.code === 'gateway_stopping';
  return away || (error.code === 'gateway_error' && error.fault === 'peer');
}

async function readBody(response: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size > REFUSAL_BYTES) break;
    }
    const { error } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { error?: unknown };
    return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {};
  } catch {
    return {};
  } finally {
    response.destroy();
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
