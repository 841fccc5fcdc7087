// Files of the user's that are never half there. Refuses to know: what is in them.

import { randomUUID } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { HoopctlError, userError } from '../core/errors.ts';

const TROUBLES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EEXIST: 'it is there already',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is no directory',
  EROFS: 'the file system is read-only',
  ENOSPC: 'there is no room left',
  EDQUOT: "the user's quota is used up",
  EIO: 'the disk failed',
  ELOOP: 'too many links lead to one another',
  ENAMETOOLONG: 'the name is too long',
};

/** What a path can be refused for by whom we run as, what is there or the disk. What is merely missing may be our own mistake. */
const OF_THE_MACHINE = [
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOSPC',
  'EDQUOT',
  'EIO',
  'ENOTDIR',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
];

/** SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN. */
const OF_THE_DATABASE: readonly number[] = [8, 10, 13, 14];

/** The error of a path that the machine refused, where nobody has said it better; undefined for every other. */
export function refusedByMachine(thrown: unknown): HoopctlError | undefined {
  if (thrown instanceof HoopctlError) {
    const { errcode } = (thrown.cause ?? {}) as { errcode?: number };
    if (errcode === undefined || !OF_THE_DATABASE.includes(errcode & 0xff)) return undefined;
    const fix = 'check that its disk has room and takes writes, and that this user may use it';
    return userError(thrown.code, thrown.message, { fix, cause: thrown });
  }
  const { code, path, syscall } = (thrown ?? {}) as NodeJS.ErrnoException;
  if (code === undefined || typeof path !== 'string') return undefined;
  const inTheWay = code === 'EEXIST' && syscall === 'mkdir';
  if (!inTheWay && !OF_THE_MACHINE.includes(code)) return undefined;
  const why = inTheWay ? 'what is there is no directory' : (TROUBLES[code] ?? code);
  return userError('store_failed', `cannot use '${path}': ${why}`, {
    fix: 'check that it is the right path, that this user may use it, and that there is room',
    cause: thrown,
  });
}

/** Why a file could not be read or written, for the person who named it: the path is told already, once. */
export function fileTrouble(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code === undefined ? undefined : TROUBLES[code]) ?? message;
}

/** Why a file could not be written: what is missing is its folder. */
export function writeTrouble(error: unknown): string {
  return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'its folder is not there' : fileTrouble(error);
}

/**
 * Where a file is written until it is whole, beside it: its own for each who writes, and not to be known before. To be opened
 * with `wx`: in a folder of several users nobody else's file or link is written through.
 */
export function asideOf(path: string): string {
  return `${path}.${randomUUID().slice(0, 8)}.part`;
}

/** Private; whoever reads it now gets the old or the new. Errors: conflict. */
export function writeWhole(path: string, text: string): void {
  const aside = asideOf(path);
  try {
    writeFileSync(aside, text, { mode: 0o600, flag: 'wx' });
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    throw userError('conflict', `cannot write '${path}': ${writeTrouble(error)}`, { cause: error });
  }
}
