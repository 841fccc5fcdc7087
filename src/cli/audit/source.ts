// The log that a verb of `audit` means: the gateway's of the login, one behind a URL, or one in a directory; and what keys it
// says it has. Refuses to know: what is made of it.

import { userError } from '../../core/errors.ts';
import type { LogEntry } from '../../session/log/audit.ts';
import { KeyChain } from '../../session/log/check/trust.ts';
import { type Checkpoint, parseCheckpoint } from '../../session/log/checkpoint.ts';
import { formatVkey } from '../../session/log/note.ts';
import { readEntries } from '../../session/log/reader.ts';
import type { LogSource } from '../../session/log/tiles.ts';
import { LogFolder } from '../../store/log-directory.ts';
import type { Context } from '../context.ts';
import { placeOf } from './place.ts';
import { remoteLog } from './remote.ts';

export interface LogPlace extends LogSource {
  /** From that index on. */
  entries(from: number): AsyncIterable<LogEntry>;
}

export const LOG_ARGUMENT = {
  name: 'log',
  optional: true,
  help: "a gateway's data directory, a log or its URL; left out: the log of the gateway that you are logged in to",
  complete: 'files',
} as const;

/** Errors: usage, config_unreadable, login_needed. */
export async function logAt(context: Context, given: string | undefined): Promise<LogPlace> {
  const place = given === undefined ? undefined : placeOf(given);
  if (place?.kind === 'log') {
    const folder = new LogFolder(place.log);
    return { get: (path) => folder.get(path), entries: (from) => readEntries(folder, from) };
  }
  if (place !== undefined && place.kind !== 'url') {
    throw userError('usage', `'${given}' is no log`, { fix: "name a gateway's data directory, its log, or a URL" });
  }
  const url = place?.url ?? new URL('/log/', (await context.access()).url);
  const source = await remoteLog(context, url);
  const none = { journals: async () => [], readJournal: async () => Buffer.alloc(0) };
  return { get: (path) => source.get(path), entries: (from) => readEntries({ ...source, ...none }, from) };
}

/** Errors: recording_invalid. */
export async function checkpointOf(log: LogSource): Promise<{ text: string; checkpoint: Checkpoint }> {
  const bytes = await log.get('checkpoint');
  const checkpoint = bytes === undefined ? undefined : parseCheckpoint(bytes);
  if (bytes === undefined || checkpoint === undefined) {
    throw userError(
      'recording_invalid',
      bytes === undefined ? 'the log has no checkpoint yet' : 'the checkpoint is none',
    );
  }
  return { text: bytes.toString('utf8'), checkpoint };
}

/** The keys that the log's own entries name, oldest first: the last one signs. Reads all of the log. */
export async function keysIn(log: LogPlace): Promise<KeyChain> {
  const chain = new KeyChain();
  const { checkpoint } = await checkpointOf(log);
  for await (const entry of log.entries(0)) {
    if (entry.index >= checkpoint.size) break;
    chain.entry(entry, checkpoint.origin);
  }
  return chain;
}

export function vkeysOf(chain: KeyChain): string[] {
  return chain.keys.map(formatVkey);
}
