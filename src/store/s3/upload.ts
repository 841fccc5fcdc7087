// Puts the files of one recording into object storage, and goes on where it, or a process before it, left off: what is done
// stands in a file of the spool, part by part. Done is what the storage, asked again, has with the right digest.
// Refuses to know: which recordings, when, what happens to the local files afterwards.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Elsewhere, type Left, type ObjectFile, writeWhole } from '../elsewhere.ts';
import { S3Error } from './answers.ts';
import type { ObjectHead, S3Client } from './client.ts';

export interface Upload {
  readonly session: string;
  /** In the order of their segments. */
  readonly files: readonly string[];
  /** What may have to go before the rest: Object Lock is not asked for it. */
  readonly unlocked: readonly string[];
  /** Where it keeps how far it is. */
  readonly spool: string;
  /** The list of objects that it writes when all are there. */
  readonly list: string;
  readonly endpoint: string;
  readonly bucket: string;
  /** What stands before the names of the files. */
  readonly keys: string;
  /** Larger files go in parts of this size. */
  readonly partBytes: number;
  /** Server-side encryption. */
  readonly headers: Readonly<Record<string, string>>;
  readonly lock?: { readonly mode: string; readonly until: string };
}

interface Parts {
  readonly name: string;
  readonly id: string;
  readonly partBytes: number;
  /** Of the whole file. */
  readonly sha256: string;
  readonly parts: { readonly etag: string; readonly sha256: string }[];
}

/** Where it goes. */
export type Destination = Pick<Upload, 'endpoint' | 'bucket' | 'keys'>;

/** What the spool's file says. */
export interface Progress extends Destination {
  /** Those that are there, proven. */
  readonly files: ObjectFile[];
  /** The names of all that may be there: written before the first byte of them goes. */
  readonly sent?: readonly string[];
  /** What was begun at another place, under another configuration. */
  readonly left?: readonly Left[];
  /** By name: until when Object Lock keeps those of `files` that are there. */
  readonly locked?: Record<string, string>;
  upload?: Parts | undefined;
}

interface Local {
  readonly path: string;
  readonly key: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What is not done may be done again: at worst the storage gets the same twice. Errors: `S3Error`, of the file system. */
export async function upload(client: S3Client, job: Upload, now: () => number): Promise<Elsewhere> {
  const { endpoint, bucket, keys } = job;
  const begun = readProgress(job.spool);
  // Under another configuration it begins anew.
  const before = begun?.endpoint === endpoint && begun.bucket === bucket && begun.keys === keys ? begun : undefined;
  const elsewhere = begun === undefined || before !== undefined ? [] : [leftBy(begun)];
  const left = [...(begun?.left ?? []), ...elsewhere].filter(
    ({ keys, upload }) => keys.length > 0 || upload !== undefined,
  );
  const all = [...job.files, ...job.unlocked];
  const sent = [...new Set([...(before?.sent ?? []), ...all.map((path) => basename(path))])];
  const progress: Progress = {
    ...(before ?? { endpoint, bucket, keys, files: [] }),
    sent,
    left,
    locked: { ...before?.locked },
  };
  writeWhole(job.spool, progress);
  for (const path of all) {
    const name = basename(path);
    if (progress.files.some((one) => one.name === name)) continue;
    const handle = await open(path, 'r');
    try {
      const { size: bytes } = await handle.stat();
      const local = { path, key: job.keys + name, bytes, sha256: await digestOf(handle, bytes) };
      // A process before this one may have put it there and not have come to say so.
      const there = before === undefined ? undefined : await client.head(local.key);
      const same = there?.sha256 === local.sha256 && there.bytes === bytes;
      const lock = lockOf(job, path);
      const had = same && (lock === undefined || there.retainUntil !== undefined);
      if (!had) await put(client, job, progress, local, handle);
      const check = () => confirm(client, local, partDigests(progress, name));
      const { version, retainUntil } = await check().catch(async (thrown: unknown) => {
        // What was said of it when it was put is not what it is by now: it is put once more, not asked for for ever.
        if (!had || !(thrown instanceof S3Error) || thrown.code !== CHANGED) throw thrown;
        progress.upload = undefined;
        await put(client, job, progress, local, handle);
        return check();
      });
      const until = retainUntil === undefined ? lock?.until : new Date(retainUntil).toISOString();
      if (until !== undefined) progress.locked![name] = until;
      progress.files.push({ name, key: local.key, bytes, sha256: local.sha256, ...(version && { version }) });
      progress.upload = undefined;
      writeWhole(job.spool, progress);
    } finally {
      await handle.close();
    }
  }
  const retainUntil = soonest(job.files.map((path) => progress.locked?.[basename(path)]));
  const done: Elsewhere = {
    ...{ session: job.session, endpoint, bucket, at: new Date(now()).toISOString() },
    ...(retainUntil === undefined ? {} : { retainUntil }),
    files: progress.files,
    ...(left.length === 0 ? {} : { left }),
  };
  writeWhole(job.list, done);
  rmSync(job.spool, { force: true });
  return done;
}

/** All that may be there by it. */
export function leftBy({ endpoint, bucket, keys, files, sent = [], upload: going }: Progress): Left {
  const names = [...new Set([...files.map(({ name }) => name), ...sent])];
  const all = { endpoint, bucket, keys: names.map((name) => keys + name) };
  return going === undefined ? all : { ...all, upload: { key: keys + going.name, id: going.id } };
}

/** Until then all of them stay; undefined where one of them need not. */
function soonest(times: readonly (string | undefined)[]): string | undefined {
  return times.includes(undefined) ? undefined : times.toSorted()[0];
}

function lockOf({ lock, unlocked }: Upload, path: string): Upload['lock'] {
  return unlocked.includes(path) ? undefined : lock;
}

/** How far an upload is that is not over; undefined: there is none. */
export function readProgress(spool: string): Progress | undefined {
  if (!existsSync(spool)) return undefined;
  try {
    const read = JSON.parse(readFileSync(spool, 'utf8')) as Progress;
    return Array.isArray(read.files) ? read : undefined;
  } catch {
    return undefined;
  }
}

/** What is said of an upload that cannot be gone on with. */
const FORGOTTEN = new Set(['NoSuchUpload', 'InvalidPart', 'InvalidPartOrder']);

async function put(client: S3Client, job: Upload, progress: Progress, local: Local, handle: FileHandle): Promise<void> {
  const asked = lockOf(job, local.path);
  const lock: Record<string, string> =
    asked === undefined
      ? {}
      : { 'x-amz-object-lock-mode': asked.mode, 'x-amz-object-lock-retain-until-date': asked.until };
  const headers = { ...job.headers, ...lock, 'x-amz-meta-sha256': local.sha256 };
  if (local.bytes <= job.partBytes) {
    await client.put(local.key, await slice(handle, 0, local.bytes), headers);
    return;
  }
  try {
    await putParts(client, job, progress, local, handle, headers);
  } catch (thrown) {
    if (!(thrown instanceof S3Error) || !FORGOTTEN.has(thrown.code ?? '')) throw thrown;
    // It is over, or the storage has forgotten it, or a part: from the beginning, unless the object is there after all.
    progress.upload = undefined;
    writeWhole(job.spool, progress);
    if ((await client.head(local.key))?.sha256 === local.sha256) return;
    await putParts(client, job, progress, local, handle, headers);
  }
}

async function putParts(
  client: S3Client,
  job: Upload,
  progress: Progress,
  { key, path, bytes, sha256 }: Local,
  handle: FileHandle,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const name = basename(path);
  let going = progress.upload;
  if (going?.name !== name || going.sha256 !== sha256) {
    if (going !== undefined) await client.dropParts(job.keys + going.name, going.id);
    going = { name, id: await client.beginParts(key, headers), partBytes: job.partBytes, sha256, parts: [] };
    progress.upload = going;
    writeWhole(job.spool, progress);
  }
  const size = going.partBytes;
  for (let at = going.parts.length * size; at < bytes; at += size) {
    const part = await slice(handle, at, Math.min(size, bytes - at));
    const etag = await client.putPart(key, going.id, going.parts.length + 1, part);
    going.parts.push({ etag, sha256: createHash('sha256').update(part).digest('base64') });
    writeWhole(job.spool, progress);
  }
  await client.endParts(key, going.id, going.parts);
}

/** Our own word for it, among those that the storage says. */
const CHANGED = 'changed';

function partDigests({ upload: going }: Progress, name: string): readonly string[] {
  return going?.name === name ? going.parts.map((part) => part.sha256) : [];
}

/** What it is there. What the storage does not compute itself is read back. Errors: `S3Error`. */
async function confirm(client: S3Client, local: Local, parts: readonly string[]): Promise<ObjectHead> {
  const { key, bytes, sha256 } = local;
  const wrong = (what: string) =>
    new S3Error(`what the object storage has as ${key} is not what was sent: ${what}`, { code: CHANGED });
  const head = await client.head(key);
  if (head === undefined) throw wrong('it has none');
  if (head.bytes !== bytes) throw wrong(`${head.bytes} bytes, not ${bytes}`);
  const whole = Buffer.from(sha256, 'hex').toString('base64');
  const ofParts = createHash('sha256');
  for (const part of parts) ofParts.update(Buffer.from(part, 'base64'));
  if ([whole, `${ofParts.digest('base64')}-${parts.length}`].includes(head.checksum ?? '')) return head;
  const read = createHash('sha256');
  for await (const chunk of client.get(key, 0, head.version)) read.update(chunk);
  if (read.digest('hex') !== sha256) throw wrong('its digest is another one');
  return head;
}

const READ_BYTES = 1024 * 1024;

async function digestOf(handle: FileHandle, bytes: number): Promise<string> {
  const digest = createHash('sha256');
  for (let at = 0; at < bytes; at += READ_BYTES)
    digest.update(await slice(handle, at, Math.min(READ_BYTES, bytes - at)));
  return digest.digest('hex');
}

async function slice(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, at + done);
    if (bytesRead === 0) throw new Error(`the file became shorter while it was read`);
    done += bytesRead;
  }
  return buffer;
}
