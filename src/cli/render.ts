// An error as text or JSON: the one place where one is shown. Both go to stderr, so that stdout stays data or empty.

import type { HoopctlError } from '../core/errors.ts';
import type { Io } from './io.ts';
import { jsonLine, printable } from './text.ts';

export function renderError(io: Io, error: HoopctlError, json: boolean): void {
  if (json) {
    io.say(jsonLine({ error: error.toJSON() }, io.terminal.stderr).trimEnd());
    return;
  }
  const red = io.color.stderr ? (text: string) => `\u001b[31m${text}\u001b[39m` : (text: string) => text;
  const lines = [`${red('hoopctl:')} ${printable(error.message)}`];
  if (error.rule !== undefined) lines.push(`  rule: ${printable(error.rule)}`);
  if (error.fix !== undefined) lines.push(`  next: ${printable(error.fix)}`);
  if (error.session !== undefined) lines.push(`  session: ${printable(error.session)}`);
  if (error.fault === 'ours' && !isOfAStore(error)) lines.push(...stack(error));
  io.say(lines.join('\n'));
}

/** SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_MISUSE, SQLITE_RANGE: asked wrongly. */
const ASKED_WRONGLY = [1, 19, 20, 21, 25];

/** A full disk, a damaged file, a server that is away: no bug, and a stack helps nobody. */
function isOfAStore({ code, cause }: HoopctlError): boolean {
  if (code !== 'store_failed' || cause === undefined) return code === 'store_failed';
  for (let at: unknown = cause; at instanceof Error; at = at.cause) {
    const { code: of, errcode } = at as { code?: unknown; errcode?: unknown };
    if (typeof errcode === 'number') return !ASKED_WRONGLY.includes(errcode & 0xff);
    // Of the system, or an SQLSTATE that is not about the statement (42501: it may not).
    if (typeof of === 'string' && !of.startsWith('ERR_')) return !/^42(?!501)|^XX/.test(of);
  }
  return false;
}

/** Ours is a bug: the stack is what whoever fixes it needs. */
function stack(error: HoopctlError): string[] {
  const origin = error.cause instanceof Error ? error.cause : error;
  return [`  this is a fault of hoopctl itself:`, ...(origin.stack ?? '').split('\n').map((line) => `  ${line}`)];
}
