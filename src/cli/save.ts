// A stream into a file that is there only when it is whole. Refuses to know: what it is.

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { userError } from '../core/errors.ts';
import { asideOf, writeTrouble } from './files.ts';

/**
 * Written aside and renamed when whole: half a recording would look like a tampered one. What is there and is no file (a
 * pipe, /dev/null) is written to: in its place a file would be left, for everybody.
 */
export async function save(path: string, bytes: AsyncIterable<string | Uint8Array>): Promise<number> {
  const there = await stat(path).catch(() => undefined);
  const through = there !== undefined && !there.isFile() && !there.isDirectory();
  const aside = through ? path : asideOf(path);
  let size = 0;
  // Before the file is made: a refusal must not leave one behind.
  const iterator = bytes[Symbol.asyncIterator]();
  let next = await iterator.next();
  const file = createWriteStream(aside, { mode: 0o600, flags: through ? 'w' : 'wx' });
  // When it is closed; with what went wrong, whenever that was.
  const closed = finished(file);
  closed.catch(() => {});
  try {
    for (; !next.done; next = await iterator.next()) {
      size += typeof next.value === 'string' ? Buffer.byteLength(next.value) : next.value.length;
      if (!file.write(next.value)) await Promise.race([once(file, 'drain'), closed]);
    }
    file.end();
    await closed;
    if (!through) await rename(aside, path);
  } catch (error) {
    // It may not even be open yet.
    file.destroy();
    await closed.catch(() => {});
    if (!through) await rm(aside, { force: true });
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw userError('conflict', `cannot write '${path}': ${writeTrouble(error)}`, { cause: error });
  }
  return size;
}
