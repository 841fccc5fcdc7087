// Reading the record is access too: who may read what of others, with a reason where policy asks for one, and every reading is
// on record, also of one's own. Refuses to know: what is read.

import { userError } from '../../core/errors.ts';
import { displayName } from '../../session/identity/principal.ts';
import type { Parts } from '../parts.ts';
import type { Call } from './route.ts';

type Reader = Pick<Call, 'caller' | 'reason'>;

export interface Reads {
  readonly what: string;
  /** Its session, or `all`. */
  readonly session?: string;
  /** The connection that it is of; left out: all of them. */
  readonly connection?: string | undefined;
  /** It is the reader's own. */
  readonly own?: boolean;
}

/** On record when it returns. Errors: `forbidden` without a reason where one is required; `recording_failed`. */
export function recordReading(
  parts: Parts,
  { caller, reason }: Reader,
  { own = false, connection, ...what }: Reads,
  more: Readonly<Record<string, unknown>> = {},
): void {
  const { principal } = caller;
  if (!own) requireReason(parts, { caller, reason }, connection);
  const said = { ...(own ? { own } : {}), ...(reason === undefined ? {} : { reason }), ...more };
  parts.audit.append('playback', { ...what, by: displayName(principal), ...said });
}

/** Errors: `forbidden`. */
export function requireReason(parts: Parts, { caller, reason }: Reader, connection?: string): void {
  if (reason !== undefined || parts.reads(caller.principal, connection)?.reason !== true) return;
  throw userError('forbidden', 'reading what others did needs a reason here', { fix: 'say why: --reason TEXT' });
}
