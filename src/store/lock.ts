// One process for one directory: a gateway for its data, a witness for its state. The lock is the operating system's, through SQLite: it ends with the process,
// however that ends, and no stale file ever has to be removed. Refuses to know: what the directory is for.

import { closeSync, lstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { userError } from '../core/errors.ts';
import { privateDirectory } from './files.ts';

export interface DirectoryLock {
  release(): void;
}

/** Kept from the garbage collector, which would close the file and so give up a lock that its owner merely does not mention. */
const held = new Set<DatabaseSync>();

/** Whoever asks `isLocked` holds it for a moment. */
const ASKED_MS = 250;
const SQLITE_BUSY = 5;

interface Conflict {
  readonly message: string;
  readonly fix: string;
}

const anotherGateway = (directory: string): Conflict => ({
  message: `cannot use the data directory "${directory}": another gateway is running on it`,
  fix: 'stop the other one, or give this one its own --data; what two share is in PostgreSQL (store.postgres)',
});

/** Takes it or throws `conflict`: another process has it. `told`: what that means where the directory is no gateway's. */
export function lockDirectory(directory: string, told: Conflict = anotherGateway(directory)): DirectoryLock {
  privateDirectory(directory);
  const path = join(directory, 'lock');
  closeSync(openSync(path, 'a', 0o600));
  const file = new DatabaseSync(path, { timeout: ASKED_MS });
  try {
    file.exec('pragma journal_mode = delete; begin exclusive');
  } catch (thrown) {
    file.close();
    throw userError('conflict', told.message, { fix: told.fix, cause: thrown });
  }
  held.add(file);
  return {
    release: () => {
      if (held.delete(file)) file.close();
    },
  };
}

/** Whether a process of this machine has it now; undefined: that cannot be told. Nothing is written, nobody kept from taking it. */
export function isLocked(directory: string): boolean | undefined {
  const path = join(directory, 'lock');
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  // Ours is an empty file: nothing else is opened, whoever put it there.
  if (!stat.isFile() || stat.size > 0) return undefined;
  let file: DatabaseSync | undefined;
  try {
    file = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    file.prepare('select count(*) from sqlite_schema').get();
    return false;
  } catch (thrown) {
    return (thrown as { errcode?: unknown }).errcode === SQLITE_BUSY ? true : undefined;
  } finally {
    file?.close();
  }
}
