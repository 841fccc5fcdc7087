// Errors as the HTTP API says them.

import { asHoopctlError, type ErrorCode, HoopctlError, ourError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { REQUEST_BYTES } from '../limits.ts';

const STATUS: Partial<Record<ErrorCode, number>> = {
  usage: 400,
  protocol_violation: 400,
  login_needed: 401,
  token_invalid: 401,
  token_expired: 401,
  principal_revoked: 401,
  access_denied: 403,
  grant_needed: 403,
  denied: 403,
  forbidden: 403,
  no_such_connection: 404,
  not_found: 404,
  key_erased: 410,
  key_missing: 404,
  conflict: 409,
  issuer_unreachable: 503,
  store_failed: 503,
  recording_failed: 503,
  gateway_stopping: 503,
  credentials_unavailable: 503,
};

export function statusOf(error: HoopctlError): number {
  if (error.details?.limit === REQUEST_BYTES.name) return 413;
  if (error.code === 'limit_exceeded') return error.fault === 'user' ? 400 : 429;
  return STATUS[error.code] ?? (error.fault === 'user' ? 400 : error.fault === 'peer' ? 502 : 500);
}

/**
 * What went wrong as its caller may know it. What is not a HoopctlError is ours: logged with its stack, told without a word
 * of it.
 */
export function publicError(thrown: unknown, log: Log, where: string): HoopctlError {
  const error = asHoopctlError(thrown);
  if (error.fault === 'ours') {
    const cause = error.cause instanceof Error ? error.cause : error;
    log.error({ where, code: error.code, error: error.message, stack: cause.stack }, 'the gateway failed');
  }
  if (thrown instanceof HoopctlError && error.code !== 'internal') return error;
  return ourError('internal', 'the gateway failed', {
    fix: "its log has the details; ask the gateway's administrator",
  });
}

/** `{ error: { code, message, next, … } }`. */
export function errorBody(error: HoopctlError): { error: Record<string, unknown> } {
  return { error: error.toJSON() };
}
