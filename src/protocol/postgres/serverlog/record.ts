// One record of a server's log, and which of them are wanted: types alone.

export interface LogRecord {
  /** As the log has it: a date, a time, a zone. */
  readonly time: string;
  readonly user: string;
  readonly database: string;
  readonly application: string;
  /** The server's process and, where it is told, its session; empty where the log tells none. */
  readonly backend: string;
  /** `LOG`, `ERROR`, … */
  readonly severity: string;
  readonly message: string;
  /** Line of the file, from 1. */
  readonly line: number;
}

export interface LogForm {
  /** log_line_prefix, for a log in plain text. */
  readonly prefix: string | undefined;
  /** Only records of these accounts. */
  readonly accounts: readonly string[];
}
