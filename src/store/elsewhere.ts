// What a directory of recordings knows of recordings that are in object storage: beside where the files were lies a list of
// them, each with its key and its digest. Refuses to know: how object storage is spoken to.

import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { HoopctlError, ourError } from '../core/errors.ts';

export interface ObjectFile {
  /** As the file was called. */
  readonly name: string;
  readonly key: string;
  readonly bytes: number;
  /** Hex, of the bytes as stored. */
  readonly sha256: string;
  /** Where the bucket keeps versions. */
  readonly version?: string;
}

export interface Elsewhere {
  readonly session: string;
  readonly endpoint: string;
  readonly bucket: string;
  /** ISO 8601: when all of it was there. */
  readonly at: string;
  /** ISO 8601: until then Object Lock lets nobody remove it. */
  readonly retainUntil?: string;
  /** In the order of their segments. */
  readonly files: readonly ObjectFile[];
  /** What uploads that did not come to their end may have put elsewhere. */
  readonly left?: readonly Left[];
}

/** Objects that may be at a place: whoever removes the recording removes them too. */
export interface Left {
  readonly endpoint: string;
  readonly bucket: string;
  readonly keys: readonly string[];
  /** Begun in parts, and not put together. */
  readonly upload?: { readonly key: string; readonly id: string };
}

/** Reads what is in object storage. */
export interface ObjectReader {
  /** From that byte on. Errors: those of the place; `isMissing` tells whether it is that there is no such object. */
  read(where: Elsewhere, file: ObjectFile, from: number): AsyncIterable<Uint8Array>;
}

/** In the details of an error. */
export const MISSING = { missing: true } as const;

export function isMissing(thrown: unknown): boolean {
  return thrown instanceof HoopctlError && thrown.details?.missing === true;
}

/** Behind the stem of a recording's files. */
export const ELSEWHERE = '.objects.json';

/** Undefined where it is all here. Throws `recording_invalid` for a list that was changed or cut. */
export function readElsewhere(stem: string): Elsewhere | undefined {
  const path = stem + ELSEWHERE;
  if (!existsSync(path)) return undefined;
  try {
    const read = JSON.parse(readFileSync(path, 'utf8')) as Elsewhere;
    if (isElsewhere(read)) return read;
  } catch {
    // Told below.
  }
  throw ourError('recording_invalid', `${path} is no list of the objects of a recording: it was changed or cut`, {
    fix: 'the objects themselves are named as the files are, below the prefix: the list can be put back from a backup',
  });
}

/** A list may be edited, where objects moved: one that is not whole must be told as that, and hold up no other recording. */
function isElsewhere({ session, endpoint, bucket, at, files, left = [] }: Elsewhere): boolean {
  const texts = (values: readonly unknown[]) => values.every((value) => typeof value === 'string');
  return (
    texts([session, endpoint, bucket, at]) &&
    Array.isArray(files) &&
    files.every(({ name, key, sha256, bytes, version = '' }) => {
      return texts([name, key, sha256, version]) && Number.isSafeInteger(bytes);
    }) &&
    Array.isArray(left) &&
    left.every((one: Left) => texts([one.endpoint, one.bucket]) && Array.isArray(one.keys) && texts(one.keys))
  );
}

export function addressOf({ bucket }: Pick<Elsewhere, 'bucket'>, { key }: Pick<ObjectFile, 'key'>): string {
  return `s3://${bucket}/${key}`;
}

/** Durable when it returns, whole or not at all. */
export function writeWhole(path: string, value: unknown): void {
  const aside = `${path}.tmp`;
  const fd = openSync(aside, 'w', 0o600);
  try {
    const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(aside, path);
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
