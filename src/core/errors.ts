// What can go wrong, as values: one class, a closed set of codes, and whose fault it is.
// Refuses to know: how an error is printed (cli), or how a protocol says it to its client (protocol/<name>).

/** Whose fault an error is. Only `ours` is ever shown with a stack. */
export type Fault = 'user' | 'peer' | 'ours';

/**
 * Every code an error of this program can carry: stable, machine-readable, part of the public interface.
 * A new one is added here, so that `switch (error.code)` is checked by the compiler.
 */
export type ErrorCode =
  // usage and configuration (user)
  | 'usage'
  | 'config_invalid'
  | 'config_unreadable'
  | 'no_terminal'
  | 'port_taken'
  // identity
  | 'login_needed'
  | 'login_denied'
  | 'login_expired'
  | 'token_invalid'
  | 'token_expired'
  | 'principal_revoked'
  | 'issuer_unreachable'
  | 'keychain_unavailable'
  // reaching the gateway
  | 'gateway_unreachable'
  | 'gateway_certificate_unknown'
  | 'gateway_certificate_changed'
  | 'gateway_certificate_invalid'
  | 'gateway_error'
  // access and policy
  | 'no_such_connection'
  | 'access_denied'
  | 'grant_needed'
  | 'denied'
  | 'review_denied'
  | 'review_expired'
  | 'review_cancelled'
  | 'not_found'
  | 'conflict'
  | 'forbidden'
  // the target
  | 'target_unreachable'
  | 'target_refused_credentials'
  | 'target_certificate'
  | 'target_error'
  | 'credentials_unavailable'
  // the wire
  | 'protocol_violation'
  | 'protocol_mismatch'
  | 'not_supported'
  | 'limit_exceeded'
  // the record
  | 'recording_failed'
  | 'recording_invalid'
  | 'recording_encrypted'
  | 'key_erased'
  | 'key_missing'
  | 'store_failed'
  // the end of a session
  | 'session_killed'
  | 'session_expired'
  | 'grant_ended'
  | 'gateway_stopping'
  | 'client_gone'
  // ours
  | 'internal';

export interface ErrorFields {
  /** What to do next, one sentence. */
  fix?: string;
  /** The rule that refused, where one did. */
  rule?: string;
  /** The session it happened in. */
  session?: string;
  /** Further values for the machine-readable form; never a secret. */
  details?: Record<string, string | number | boolean>;
  cause?: unknown;
}

/**
 * The one error class. `message` is lower case, has no full stop, states the action that failed and quotes its values.
 */
export class HoopctlError extends Error {
  readonly code: ErrorCode;
  readonly fault: Fault;
  readonly fix: string | undefined;
  readonly rule: string | undefined;
  readonly session: string | undefined;
  readonly details: Record<string, string | number | boolean> | undefined;

  constructor(fault: Fault, code: ErrorCode, message: string, fields: ErrorFields = {}) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'HoopctlError';
    this.fault = fault;
    this.code = code;
    this.fix = fields.fix;
    this.rule = fields.rule;
    this.session = fields.session;
    this.details = fields.details;
  }

  /** The machine form that `--json` and the HTTP API print. */
  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      message: this.message,
      ...(this.rule === undefined ? {} : { rule: this.rule }),
      ...(this.session === undefined ? {} : { session: this.session }),
      ...(this.fix === undefined ? {} : { next: this.fix }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

export function userError(code: ErrorCode, message: string, fields?: ErrorFields): HoopctlError {
  return new HoopctlError('user', code, message, fields);
}

export function peerError(code: ErrorCode, message: string, fields?: ErrorFields): HoopctlError {
  return new HoopctlError('peer', code, message, fields);
}

export function ourError(code: ErrorCode, message: string, fields?: ErrorFields): HoopctlError {
  return new HoopctlError('ours', code, message, fields);
}

/** Any thrown value as a HoopctlError; what is not one already is ours. */
export function asHoopctlError(thrown: unknown): HoopctlError {
  if (thrown instanceof HoopctlError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return ourError('internal', message, { cause: thrown });
}
