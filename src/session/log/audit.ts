// What the gateway's log takes and gives, as interfaces: everything that matters and belongs to no one session's recording.
// Refuses to know: trees, files, who reads it.

/** What goes into it: who, what, when; never a secret, never a value of a target. FORMAT.md lists the members of each. */
export type AuditKind =
  | 'log'
  | 'start'
  | 'stop'
  | 'login'
  | 'token'
  | 'access'
  | 'session'
  | 'recording'
  | 'review'
  | 'grant'
  | 'policy'
  | 'admin'
  | 'playback'
  | 'export'
  | 'purging'
  | 'purge'
  | 'failure';

export interface AuditLog {
  /** Written when this returns. Throws `recording_failed`: the caller then refuses what it was about to allow. */
  append(kind: AuditKind, fields: Readonly<Record<string, unknown>>): void;
}

/** One entry as it is read. */
export interface LogEntry {
  /** Its place in the log, from 0 without gaps: the index of its leaf. */
  readonly index: number;
  /** ISO 8601 UTC. */
  readonly at: string;
  /** An `AuditKind`, or what a later version adds. */
  readonly kind: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface LogReader {
  /** How many entries there are, those not yet under a checkpoint too. */
  readonly size: number;
  /** From that index on, in order, up to `size` as it is when the end is reached. Errors: `recording_invalid`. */
  entries(from: number): AsyncIterable<LogEntry>;
}
