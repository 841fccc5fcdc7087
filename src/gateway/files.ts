// Small files that have to be right: written whole or not at all, readable by us alone.

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HoopctlError } from '../core/errors.ts';

/** Creates a directory that only we may enter (0700); one that exists keeps its mode. Errors: store_failed. */
export function privateDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw failed('create directory', path, error);
  }
}

/** Replaces the file in one step; a reader sees the old or the new one, never a part. Errors: store_failed. */
export function writePrivate(path: string, text: string, mode = 0o600): void {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    writeFileSync(temporary, text, { mode, flag: 'wx', flush: true });
    renameSync(temporary, path);
  } catch (error) {
    throw failed('write', path, error);
  }
}

/** The file's text; undefined when there is none. Errors: store_failed. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw failed('read', path, error);
  }
}

function failed(action: string, path: string, error: unknown): HoopctlError {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  return new HoopctlError('user', 'store_failed', `cannot ${action} "${path}": ${reason}`, {
    fix: 'check that the directory exists, has room and belongs to the user that runs the gateway',
    cause: error,
  });
}
