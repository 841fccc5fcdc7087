// The record of a data directory, read by its files, without a gateway. That it was read is left for the gateway's log.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../core/clock.ts';
import { userError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import { datastores } from '../gateway/exports/compose.ts';
import { openPlace, readPlace } from '../gateway/place.ts';
import type { Product } from '../session/export/event.ts';
import { readEntries } from '../session/log/reader.ts';
import { followSource, type LogFollowing } from '../session/recorder/follow-source.ts';
import type { ObjectReader } from '../store/elsewhere.ts';
import type { Store } from '../store/index.ts';
import { LogFolder } from '../store/log-directory.ts';
import { recordingStem, segmentsOf, storedKey } from '../store/recording-files.ts';
import type { Openers } from './encrypted.ts';
import type { Io } from './io.ts';

/** Errors: not_found, where it is no data directory. */
export function logFolderOf(directory: string, named = directory): LogFolder {
  if (existsSync(join(directory, 'log'))) return new LogFolder(join(directory, 'log'));
  throw userError('not_found', `'${named}' is no gateway's data directory: it has no log`, {
    fix: "give the --data of 'hoopctl serve'",
  });
}

/** What a data directory's store says; undefined: it leads to none, as somebody's copy may. Errors: those of `openPlace`. */
export async function withStore<T>(
  directory: string,
  env: Io['env'],
  ask: (store: Store) => Promise<T>,
): Promise<T | undefined> {
  const place = readPlace(directory);
  if (place?.store === undefined && !existsSync(join(directory, 'store.db'))) return undefined;
  const store = await openPlace({ data: directory, place, clock: systemClock, log: silentLog, env });
  try {
    return await ask(store);
  } finally {
    await store.close();
  }
}

/** The key files of a data directory. `objects`: reads those that are in object storage. */
export function localKeys(
  directory: string,
  objects?: ObjectReader,
): (session: string) => Promise<Uint8Array | undefined> {
  return (session) => storedKey(join(directory, 'recordings', recordingStem(session)), objects);
}

/**
 * `note`: what the log shall say. A directory without a store is somebody's copy: there is no log to say it in. `openers`: of
 * encrypted recordings. `objects`: reads what is in object storage; without it a recording there is an error.
 */
export async function localRecord(
  directory: string,
  { user, env }: Pick<Io, 'user' | 'env'>,
  note: Readonly<Record<string, unknown>>,
  { openers, objects }: { readonly openers?: Openers | undefined; readonly objects?: ObjectReader | undefined } = {},
): Promise<{ readonly source: LogFollowing; readonly datastore: Product['datastore'] }> {
  const folder = logFolderOf(directory);
  await withStore(directory, env, (store) => store.outbox.push('export', { ...note, by: user, local: true }));
  const log = { entries: (from: number) => readEntries(folder, from) };
  const stem = (session: string) => join(directory, 'recordings', recordingStem(session));
  const sink = { files: (session: string) => segmentsOf(stem(session), objects) };
  const openerFor = openers === undefined ? {} : { openerFor: (session: string) => openers.of(session) };
  const source = followSource({ log, sink, ...openerFor });
  const names = await datastores();
  return { source, datastore: (protocol) => names.includes(protocol) };
}
