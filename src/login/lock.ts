// One at a time across processes. The lock is the operating system's own (through SQLite's file lock), so that it is
// gone with the process that held it, however that ended: there is no stale lock to find and break.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { userError } from '../core/errors.ts';

const RETRY_MS = 25;

/** Runs `work` while holding the lock of that file. Errors: conflict when it was not free within `waitMs`, or cannot be had. */
export async function withLock<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const { DatabaseSync } = await import('node:sqlite');
  const database = trying(path, () => {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return new DatabaseSync(path, { timeout: 0 });
  });
  try {
    const deadline = performance.now() + waitMs;
    while (!trying(path, () => tryLock(database))) {
      if (performance.now() > deadline) {
        throw userError('conflict', `another hoopctl holds '${path}' for more than ${Math.round(waitMs / 1000)} s`, {
          fix: 'wait for it, or end it',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS + Math.random() * RETRY_MS));
    }
    return await work();
  } finally {
    // Closing rolls back the empty transaction, which frees the lock.
    database.close();
  }
}

/** A full disk, a folder that is not ours: nothing that is wrong with this program. */
function trying<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw userError('conflict', `cannot lock '${path}': ${(error as Error).message}`, {
      fix: 'see that there is room on the disk, and that you may write there',
      cause: error,
    });
  }
}

const SQLITE_BUSY = 5;

function tryLock(database: { exec(sql: string): void }): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY) return false;
    throw error;
  }
}
