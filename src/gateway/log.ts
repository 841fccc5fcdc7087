// The gateway's log: pino behind core's Log. JSON Lines for machines, a readable line for a terminal.
// Refuses to know: what is logged. Fields named like secrets are blanked all the same, in case somebody slips.

import type { Writable } from 'node:stream';
import { pino } from 'pino';
import type { Log } from '../core/log.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  readonly stream: Writable;
  /** Whether a person reads it. */
  readonly terminal: boolean;
  readonly colour?: boolean;
  readonly level?: LogLevel;
}

const SECRET_FIELDS = ['password', 'secret', 'token', 'authorization', 'cookie', 'credentials', 'access_token', 'key'];

export async function createLog(options: LogOptions): Promise<Log> {
  const { stream, terminal, colour = false, level = 'info' } = options;
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
    },
    terminal ? await pretty(stream, colour) : stream,
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}

async function pretty(destination: Writable, colorize: boolean) {
  const { default: build } = await import('pino-pretty');
  return build({ destination, colorize, sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' });
}
