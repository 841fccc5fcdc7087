// Our error codes in PostgreSQL's words, for an error that ends (or never begins) a session.
// Refuses to know: which messages are sent around it.

import type { HoopctlError } from '../../core/errors.ts';
import type { SessionEnd } from '../contract.ts';
import type { Notice } from './wire/notice.ts';

const SQLSTATE: Partial<Record<SessionEnd['code'], string>> = {
  // who is asking
  token_invalid: '28P01', // invalid_password
  token_expired: '28P01',
  login_needed: '28000', // invalid_authorization_specification
  login_denied: '28000',
  login_expired: '28000',
  principal_revoked: '28000',
  access_denied: '28000',
  grant_needed: '28000',
  forbidden: '42501',
  denied: '42501', // insufficient_privilege
  no_such_connection: '3D000', // invalid_catalog_name
  not_found: '3D000',
  // the target
  target_unreachable: '08001', // sqlclient_unable_to_establish_sqlconnection
  target_certificate: '08001',
  target_refused_credentials: '08004', // sqlserver_rejected_establishment_of_sqlconnection
  credentials_unavailable: '08001',
  target_error: '08006', // connection_failure
  target_closed: '08006',
  // the wire
  protocol_violation: '08P01', // protocol_violation
  protocol_mismatch: '08P01',
  not_supported: '0A000', // feature_not_supported
  limit_exceeded: '54000', // program_limit_exceeded
  // the record
  recording_failed: '58030', // io_error
  store_failed: '58030',
  // the end of a session, as an administrator's command would
  session_killed: '57P01', // admin_shutdown
  session_expired: '57P01',
  grant_ended: '57P01',
  gateway_stopping: '57P01',
};

interface Told {
  readonly code: SessionEnd['code'];
  readonly message: string;
  readonly fix?: string;
  /** `sqlstate`: the target's own, where it refused. */
  readonly details?: HoopctlError['details'];
}

export function fatalNotice(error: Told, session?: string): Notice {
  const told = error.details?.sqlstate;
  return {
    severity: 'FATAL',
    code: typeof told === 'string' && told.length === 5 ? told : (SQLSTATE[error.code] ?? 'XX000'),
    message: error.message,
    detail: session === undefined ? undefined : `session ${session}`,
    hint: error.fix,
  };
}

/** An error at the door, before there is a session. Our own faults are told without their inside. */
export function doorNotice(error: HoopctlError): Notice {
  if (error.fault === 'ours' && error.code === 'internal') {
    return fatalNotice({
      code: 'internal',
      message: 'the gateway failed to open a session',
      fix: "see the gateway's log",
    });
  }
  return fatalNotice(error, error.session);
}
