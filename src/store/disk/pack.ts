// The thread that compresses sealed recordings, at the lowest priority that the system gives. Entered by packer.ts only.
// Safe to be killed at any moment: the plain file goes away only after the compressed one is durable and says the same.

import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { constants as os, setPriority } from 'node:os';
import { dirname } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { COMPRESSED } from '../recording-files.ts';

export interface Packing {
  /** Plain files, each for itself. */
  readonly files: readonly string[];
  /** Removed when all are packed. */
  readonly mark: string;
}

export interface Packed {
  /** Why it was not; undefined when it was. */
  readonly problem?: string;
}

/** zstd's own default: 3 is where more time buys little for text like this. */
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 };

const port = parentPort!;

try {
  // On Linux this is the thread's own, not the process's.
  setPriority(0, os.priority.PRIORITY_LOW);
} catch {
  // Then at the priority that it has.
}

port.on('message', ({ files, mark }: Packing) => {
  let answer: Packed = {};
  try {
    for (const file of files) pack(file);
    rmSync(mark, { force: true });
  } catch (thrown) {
    answer = { problem: thrown instanceof Error ? thrown.message : String(thrown) };
  }
  port.postMessage(answer);
});

function pack(file: string): void {
  const plain = readFileSync(file);
  const packed = zstdCompressSync(plain, { params: PARAMS });
  if (!zstdDecompressSync(packed).equals(plain)) throw new Error(`${file} does not unpack to what it was`);
  const aside = `${file}${COMPRESSED}.tmp`;
  try {
    writeDurably(aside, packed);
    renameSync(aside, file + COMPRESSED);
  } catch (thrown) {
    rmSync(aside, { force: true });
    throw thrown;
  }
  const directory = openSync(dirname(file), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
  rmSync(file);
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, 'w', 0o600);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
