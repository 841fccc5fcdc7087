// The limits of a PostgreSQL conversation: name, unit, default, and why the default is what it is.

import { type Limit, limit } from '../../core/limits.ts';
import type { Services } from '../contract.ts';

const MIB = 1024 * 1024;

export interface Limits {
  /** One message that is passed without being looked into: PostgreSQL's own MaxAllocSize bound of 1 GiB on a row. */
  readonly passed: Limit;
  /** One message that has to be whole in memory: a statement, a bind, a row to be masked. */
  readonly inspected: Limit;
  /** The password message of a native client: a token (PG_MAX_AUTH_TOKEN_LENGTH). */
  readonly password: Limit;
  /** The startup packet, as PostgreSQL bounds it (MAX_STARTUP_PACKET_LENGTH). */
  readonly startup: Limit;
  /** From the first byte to a session, like `authentication_timeout`. */
  readonly startupTime: Limit;
  /** Reaching and logging in to the target. */
  readonly targetTime: Limit;
  /** Requests sent and not yet answered; the client is not read above it. */
  readonly pipelined: Limit;
  /** Bytes of the texts and values in those requests, which are kept until they are answered; likewise. */
  readonly pipelinedBytes: Limit;
  /** Bytes read from a client that has to wait (for a review, an answer); it is not read above it. */
  readonly waiting: Limit;
  /** Prepared statements and portals that are remembered for one session. */
  readonly prepared: Limit;
  /** Bytes of their texts and values, and of the descriptions of their rows. */
  readonly preparedBytes: Limit;
  /** One row that is decoded for the recording; a longer one is recorded by its length. */
  readonly recordedRow: Limit;
  /** From the client's hang-up to the cancel of what still runs for it. */
  readonly closing: Limit;
}

export const DEFAULT_LIMITS: Limits = {
  passed: limit('message_bytes', 'bytes', 1024 * MIB + 64),
  inspected: limit('inspected_message_bytes', 'bytes', 64 * MIB),
  password: limit('password_bytes', 'bytes', 65_535),
  startup: limit('startup_bytes', 'bytes', 10_000),
  startupTime: limit('startup_ms', 'ms', 60_000, 1),
  targetTime: limit('target_login_ms', 'ms', 15_000, 1),
  pipelined: limit('pipelined_requests', 'count', 65_536),
  pipelinedBytes: limit('pipelined_bytes', 'bytes', 64 * MIB),
  waiting: limit('waiting_client_bytes', 'bytes', 1 * MIB),
  prepared: limit('prepared_statements', 'count', 20_000),
  preparedBytes: limit('prepared_bytes', 'bytes', 256 * MIB),
  recordedRow: limit('recorded_row_bytes', 'bytes', 1 * MIB),
  closing: limit('closing_ms', 'ms', 5_000),
};

/** The limits in force. */
export function limitsOf(services: Services): Limits {
  const out: Record<string, Limit> = {};
  for (const [key, bound] of Object.entries(DEFAULT_LIMITS)) out[key] = services.limit(bound as Limit);
  return out as unknown as Limits;
}

/** Bounds on the reading of SQL, for the process. */
export interface AnalyserLimits {
  /** A longer text is not analysed: it takes up to two seconds a megabyte, and nothing else runs meanwhile. */
  readonly statementBytes: Limit;
  /** Statements in one text: each costs some ten times what its words do. */
  readonly statements: Limit;
  /** The parser's tree of a text, as JSON: some 5 to 60 times the text. Each MiB of it takes up to 60 ms. */
  readonly tree: Limit;
  /**
   * What the reading of a text takes, about nodes looked at: what is superlinear in nesting, or in runs of operator characters,
   * ends here. Texts that are not made for it take less than ten for each byte.
   */
  readonly steps: Limit;
  /** Texts remembered. */
  readonly cacheEntries: Limit;
  /** Bytes of texts remembered; what is known of them takes some times more. */
  readonly cacheBytes: Limit;
}

export const ANALYSER_LIMITS: AnalyserLimits = {
  statementBytes: limit('statement_bytes', 'bytes', 1 * MIB),
  statements: limit('statements_per_text', 'count', 10_000),
  tree: limit('statement_tree_bytes', 'bytes', 16 * MIB),
  steps: limit('statement_steps', 'count', 5_000_000),
  cacheEntries: limit('statement_cache_entries', 'count', 20_000),
  cacheBytes: limit('statement_cache_bytes', 'bytes', 16 * MIB),
};

/** Those in force when the first client comes. */
export function analyserLimitsOf(services: Services): AnalyserLimits {
  const { statementBytes, statements, tree, steps, cacheEntries, cacheBytes } = ANALYSER_LIMITS;
  return {
    statementBytes: services.limit(statementBytes),
    statements: services.limit(statements),
    tree: services.limit(tree),
    steps: services.limit(steps),
    cacheEntries: services.limit(cacheEntries),
    cacheBytes: services.limit(cacheBytes),
  };
}
