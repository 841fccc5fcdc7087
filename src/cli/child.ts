// A child process around which connections are open: its environment, its signals, its exit code.
// Refuses to know: connections, gateways, the parent's own process.

import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { formatDuration } from '../core/clock.ts';
import { type HoopctlError, userError } from '../core/errors.ts';
import type { Io } from './io.ts';

/** Exit codes of `exec` that are ours (as of timeout(1) and env(1)); anything else is the child's own. */
export const CHILD_EXIT = { timedOut: 124, failed: 125, cannotRun: 126, notFound: 127 } as const;

/** How long a child may take to end after SIGTERM before it is killed, ms. */
const KILL_AFTER_MS = 10_000;

/**
 * How long connections may take to end after the child has: what it wrote last (a farewell, a statement it did not wait
 * for) still goes through, as it would without us. ms.
 */
export const DRAIN_MS = 2000;

/** Sent to the whole foreground group by the terminal itself: the child has them already. */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];
const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs?: number | undefined;
}

/**
 * Runs it with our stdin, stdout and stderr, and returns its exit code; 128 + n when signal n ended it, 124 when it ran
 * out of time. Errors: with `details.exit` 126 or 127 when it could not be started.
 */
export async function runChild(io: Io, options: ChildOptions): Promise<number> {
  const child = spawn(options.command, options.args, { stdio: 'inherit', env: options.env });
  const { terminal } = io;
  const atTerminal = terminal.stdin || terminal.stdout || terminal.stderr;
  const stop = io.onSignal(FORWARDED, (signal) => {
    if (!atTerminal || !FROM_TERMINAL.includes(signal)) child.kill(signal);
  });
  let timedOut = false;
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(expire, options.timeoutMs);
  let killer: NodeJS.Timeout | undefined;
  function expire(): void {
    timedOut = true;
    io.say(`hoopctl: '${options.command}' ran out of time after ${formatDuration(options.timeoutMs!)}`);
    child.kill('SIGTERM');
    killer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  }
  try {
    const code = await ended(child, options);
    return timedOut ? CHILD_EXIT.timedOut : code;
  } finally {
    stop();
    clearTimeout(timer);
    clearTimeout(killer);
  }
}

function ended(child: ChildProcess, options: ChildOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      // Also emitted when a signal could not be delivered to a child that runs.
      if (child.pid === undefined) reject(cannotStart(error, options));
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

function cannotStart(error: NodeJS.ErrnoException, { command, env }: ChildOptions): HoopctlError {
  if (error.code === 'ENOENT' || (error.code === 'EACCES' && isNowhere(command, env.PATH))) {
    return userError('not_found', `cannot run '${command}': no such command`, {
      fix: 'install it, or give its full path',
      details: { exit: CHILD_EXIT.notFound },
      cause: error,
    });
  }
  return userError('usage', `cannot run '${command}': ${error.code === 'EACCES' ? 'not executable' : error.message}`, {
    details: { exit: CHILD_EXIT.cannotRun },
    cause: error,
  });
}

/** What a shell says too: a folder of PATH that may not be entered (root's, after `su`) is EACCES to the system's search. */
function isNowhere(command: string, path = ''): boolean {
  if (command.includes('/')) return false;
  return !path.split(delimiter).some((folder) => {
    try {
      return statSync(join(folder, command)).isFile();
    } catch {
      return false;
    }
  });
}

/** The exit code of an error of `exec`: what `runChild` says, else 125: the failure is hoopctl's, not the child's. */
export function exitCodeOfChildError(error: HoopctlError): number {
  const exit = error.details?.exit;
  return typeof exit === 'number' ? exit : CHILD_EXIT.failed;
}
