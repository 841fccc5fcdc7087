// The real file calls of the record. Refuses to know: lines, sessions.

import * as fs from 'node:fs';
import { promisify } from 'node:util';
import type { RecorderFiles } from '../session/recorder/files.ts';

const APPEND = fs.constants.O_WRONLY | fs.constants.O_APPEND;
const fsync = promisify(fs.fsync);

/** The real ones. Writes are synchronous on purpose: one into the page cache costs about a microsecond. */
export const nodeFiles: RecorderFiles = {
  open(path, how) {
    const flags = how === 'new' ? APPEND | fs.constants.O_CREAT | fs.constants.O_EXCL : APPEND;
    return fs.openSync(path, flags, 0o600);
  },
  write: (fd, bytes, offset, length) => fs.writeSync(fd, bytes, offset, length),
  truncate: (fd, length) => fs.ftruncateSync(fd, length),
  sync: (fd) => fsync(fd),
  close: (fd) => fs.closeSync(fd),
};

/**
 * Writes all of it, going on after short writes. Throws what the write threw; `wrote` tells how far it came then.
 */
export function writeAll(files: RecorderFiles, fd: number, bytes: Uint8Array, wrote: (count: number) => void): void {
  let done = 0;
  while (done < bytes.length) {
    const count = files.write(fd, bytes, done, bytes.length - done);
    // Zero for a non-empty write is no error code but no progress either: do not spin on it.
    if (count <= 0) throw Object.assign(new Error('ENOSPC: write made no progress'), { code: 'ENOSPC' });
    done += count;
    wrote(count);
  }
}
