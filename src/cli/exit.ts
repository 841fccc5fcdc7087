// Exit codes as a table, README's: 0 ok, 1 failed, 2 usage, 3 denied by policy, 4 login needed, 5 nobody approved in time,
// 128 + n for signal n. Those of verbs around a child process are in child.ts.

import { constants } from 'node:os';
import type { ErrorCode } from '../core/errors.ts';

export const EXIT = { ok: 0, failed: 1, usage: 2, denied: 3, login: 4, approval: 5 } as const;

/** Every other is `failed`. */
export const EXIT_BY_ERROR: Partial<Record<ErrorCode, number>> = {
  usage: EXIT.usage,
  no_terminal: EXIT.usage,
  denied: EXIT.denied,
  access_denied: EXIT.denied,
  grant_needed: EXIT.denied,
  review_denied: EXIT.denied,
  forbidden: EXIT.denied,
  login_needed: EXIT.login,
  login_denied: EXIT.login,
  login_expired: EXIT.login,
  token_invalid: EXIT.login,
  token_expired: EXIT.login,
  principal_revoked: EXIT.login,
  review_expired: EXIT.approval,
};

export function exitCodeOf(code: ErrorCode): number {
  return EXIT_BY_ERROR[code] ?? EXIT.failed;
}

/** 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 0);
}
