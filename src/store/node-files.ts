// The real file calls of the record. Refuses to know: lines, sessions.

import * as fs from 'node:fs';
import { promisify } from 'node:util';
import type { DiskFiles, RecorderFiles } from '../session/recorder/files.ts';

const APPEND = fs.constants.O_RDWR | fs.constants.O_APPEND;
const fsync = promisify(fs.fsync);

/** The real ones. Writes are synchronous on purpose: one into the page cache costs about two microseconds. */
export const nodeFiles: DiskFiles = {
  open(path, how) {
    const flags = how === 'new' ? APPEND | fs.constants.O_CREAT | fs.constants.O_EXCL : APPEND;
    return fs.openSync(path, flags, 0o600);
  },
  write: (fd, bytes, offset, length) => fs.writeSync(fd, bytes, offset, length),
  truncate: (fd, length) => fs.ftruncateSync(fd, length),
  sync: (fd) => fsync(fd),
  close: (fd) => fs.closeSync(fd),
  datasync: (fd) => fs.fdatasyncSync(fd),
  syncDirectory(path) {
    const fd = fs.openSync(path, fs.constants.O_RDONLY);
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
  read: (fd, into, at) => fs.readSync(fd, into, 0, into.length, at),
  links: (fd) => fs.fstatSync(fd).nlink,
  space(path) {
    const { bavail, bsize, blocks } = fs.statfsSync(path);
    return { free: bavail * bsize, total: blocks * bsize };
  },
};

/**
 * Writes all of it, going on after short writes. Throws what the write threw; `wrote` tells how far it came then.
 */
export function writeAll(files: RecorderFiles, fd: number, bytes: Uint8Array, wrote: (count: number) => void): void {
  for (let done = 0; done < bytes.length; ) {
    const count = writeSome(files, fd, bytes, done);
    done += count;
    wrote(count);
  }
}

function writeSome(files: RecorderFiles, fd: number, bytes: Uint8Array, from: number): number {
  const count = files.write(fd, bytes, from, bytes.length - from);
  // Zero for a non-empty write is no error code but no progress either: do not spin on it.
  if (count <= 0) throw Object.assign(new Error('ENOSPC: write made no progress'), { code: 'ENOSPC' });
  return count;
}

/** Writes all of it at the end of a file that has `length` bytes, or nothing: what a failed write left is cut away. */
export function appendWhole(files: RecorderFiles, fd: number, bytes: Uint8Array, length: number): void {
  let wrote = 0;
  try {
    while (wrote < bytes.length) wrote += writeSome(files, fd, bytes, wrote);
  } catch (thrown) {
    if (wrote > 0) files.truncate(fd, length);
    throw thrown;
  }
}

/** A new file with this content, durable but for its name; none where that cannot be. */
export function keepWhole(files: DiskFiles, path: string, bytes: Uint8Array): void {
  const fd = files.open(path, 'new');
  try {
    appendWhole(files, fd, bytes, 0);
    files.datasync(fd);
  } catch (thrown) {
    fs.rmSync(path, { force: true });
    throw thrown;
  } finally {
    files.close(fd);
  }
}
