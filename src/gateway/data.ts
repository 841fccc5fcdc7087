// The data directory: who may enter it, and that only one gateway uses it at a time.

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { userError } from '../core/errors.ts';
import { privateDirectory, readIfThere, writePrivate } from './files.ts';

export interface DataDirectory {
  readonly path: string;
  /** Certificates and their keys. */
  readonly tls: string;
  /** Keys that sign tokens. */
  readonly keys: string;
  readonly recordings: string;
  /** The embedded store's file. */
  readonly state: string;
  release(): void;
}

/**
 * Opens DATA for one gateway. The lock is SQLite's on a file of its own: the operating system gives it back whatever
 * ends the process, and a process id that was used again cannot fool it.
 * Errors: conflict when another gateway has it, store_failed.
 */
export function openData(path: string, pid: number): DataDirectory {
  privateDirectory(path);
  const owner = join(path, 'gateway.pid');
  const lock = new DatabaseSync(join(path, 'gateway.lock'));
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch (error) {
    lock.close();
    const other = readIfThere(owner)?.trim();
    throw userError(
      'conflict',
      `data directory "${path}" is in use by another gateway${other ? ` (pid ${other})` : ''}`,
      {
        fix: 'stop it first, or give this one another --data',
        cause: error,
      },
    );
  }
  const directory = {
    path,
    tls: join(path, 'tls'),
    keys: join(path, 'keys'),
    recordings: join(path, 'recordings'),
    state: join(path, 'state.db'),
    release: () => lock.close(),
  };
  try {
    writePrivate(owner, `${pid}\n`);
    for (const one of [directory.tls, directory.keys, directory.recordings]) privateDirectory(one);
  } catch (error) {
    lock.close();
    throw error;
  }
  return directory;
}
