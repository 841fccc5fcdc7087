// A folder that nobody else puts anything into. Refuses to know: what is in it.

import { lstatSync, mkdirSync } from 'node:fs';

/** Makes it where it is not there. False where somebody else owns it, or may write there, or it cannot be made. */
export function isOwnFolder(path: string, uid: number | undefined): boolean {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const { uid: owner, mode } = lstatSync(path);
    return uid === undefined || (owner === uid && (mode & 0o022) === 0);
  } catch {
    return false;
  }
}
