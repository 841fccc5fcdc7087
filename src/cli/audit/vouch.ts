// Has the log of a data directory vouch for a report: through the gateway where one runs, by opening the log where none does.
// Refuses to know: what is in a report.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import { asHoopctlError } from '../../core/errors.ts';
import { silentLog } from '../../core/log.ts';
import { LogKeyFile, logName } from '../../gateway/log-keys.ts';
import { openPlace, type Place, readPlace } from '../../gateway/place.ts';
import { parseCheckpoint } from '../../session/log/checkpoint.ts';
import { openLog } from '../../session/log/opening.ts';
import { readEntries } from '../../session/log/reader.ts';
import { lockDirectory, type Store } from '../../store/index.ts';
import { LogFolder } from '../../store/log-directory.ts';
import type { Io } from '../io.ts';

/** The gateway looks every second, and signs a second later. */
const WAIT_MS = 15_000;
const AGAIN_MS = 100;

export interface Voucher {
  /** The data directory. */
  readonly directory: string;
  /** Of the entry; one of them is `bundle`. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Whether the log is whole: one that is not is left to the gateway's next start. */
  readonly whole: boolean;
}

/** Why nothing vouches for it, in words; undefined: an entry under a signed checkpoint does. Errors: store_failed. */
export async function vouch(
  { directory, fields, whole }: Voucher,
  { user, env }: Pick<Io, 'user' | 'env'>,
): Promise<string | undefined> {
  const place = readPlace(directory);
  if (place === undefined || (place.store === undefined && !existsSync(join(directory, 'store.db')))) {
    const known = await vouched(new LogFolder(join(directory, 'log')), String(fields.bundle), 0);
    return known ? undefined : `'${directory}' is a copy of the record, without the gateway's store and keys`;
  }
  const folder = new LogFolder(join(directory, 'log'));
  const from = sizeOf(await folder.get('checkpoint'));
  const store = await openPlace({ data: directory, place, clock: systemClock, log: silentLog, env });
  try {
    await store.outbox.push('export', { ...fields, by: user, local: true });
    if (whole) await takeOver(directory, place, store);
  } finally {
    await store.close();
  }
  if (!whole) return 'the log is not whole';
  const there = await appeared(folder, String(fields.bundle), from);
  return there ? undefined : `the gateway has not put it on record within ${WAIT_MS / 1000} s`;
}

/** What a gateway does every second, where none runs. */
async function takeOver(directory: string, place: Place, store: Store): Promise<void> {
  let lock: ReturnType<typeof lockDirectory>;
  try {
    lock = lockDirectory(directory);
  } catch (thrown) {
    if (asHoopctlError(thrown).code === 'conflict') return;
    throw thrown;
  }
  try {
    const keys = LogKeyFile.open(join(directory, 'keys'), () => logName(undefined, place.id));
    const head = parseCheckpoint((await store.log.get('checkpoint')) ?? '');
    // Set back since it was last signed: what is to be done is for the gateway's start to say.
    if ((keys.signed?.size ?? 0) > (head?.size ?? 0)) return;
    const now = () => Date.now();
    const { log } = await openLog({ storage: store.log, segments: store.logSegments, keys, now, log: silentLog });
    await store.outbox.drain(log);
    await log.close();
  } finally {
    lock.release();
  }
}

async function appeared(folder: LogFolder, digest: string, from: number): Promise<boolean> {
  for (const until = Date.now() + WAIT_MS; Date.now() < until; await sleep(AGAIN_MS)) {
    if (await vouched(folder, digest, from)) return true;
  }
  return false;
}

/** Whether an entry from there on does, under the checkpoint. */
async function vouched(folder: LogFolder, digest: string, from: number): Promise<boolean> {
  const size = sizeOf(await folder.get('checkpoint'));
  for await (const { index, kind, fields } of readEntries(folder, from)) {
    if (index >= size) return false;
    if (kind === 'export' && fields.bundle === digest) return true;
  }
  return false;
}

function sizeOf(checkpoint: Buffer | undefined): number {
  return parseCheckpoint(checkpoint ?? '')?.size ?? 0;
}
