// The gateway's log in a directory, for tests: opened as the gateway opens it, and read by its files.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Log, silentLog } from '../../src/core/log.ts';
import { LogKeyFile } from '../../src/gateway/log-keys.ts';
import type { LogEntry } from '../../src/session/log/audit.ts';
import { type OpenedLog, type OpenLogOptions, openLog } from '../../src/session/log/opening.ts';
import { readEntries } from '../../src/session/log/reader.ts';
import { Chain, encodeFields } from '../../src/session/recorder/line.ts';
import { LogDirectory, LogFolder, SegmentDirectory } from '../../src/store/log-directory.ts';

export const ORIGIN = 'gateway.example.com/log/gw-test00';

export function logKeys(data: string): LogKeyFile {
  mkdirSync(join(data, 'keys'), { recursive: true });
  return LogKeyFile.open(join(data, 'keys'), () => ORIGIN);
}

/** Opens DATA/log with the key in DATA/keys. Checkpoints come only when asked for, unless `checkpointMs` says otherwise. */
export function openTestLog(data: string, options: Partial<OpenLogOptions> & { log?: Log } = {}): Promise<OpenedLog> {
  let now = Date.UTC(2026, 10, 20, 7, 0, 0);
  return openLog({
    storage: new LogDirectory(join(data, 'log')),
    segments: new SegmentDirectory(join(data, 'log')),
    keys: logKeys(data),
    now: () => now++,
    log: silentLog,
    checkpointMs: 3_600_000,
    ...options,
  });
}

/** Every entry of DATA/log, by its files. */
export function logEntries(data: string, from = 0): Promise<LogEntry[]> {
  return collect(readEntries(new LogFolder(join(data, 'log')), from));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** A segment as gateways wrote them before the log was a tree. */
export function oldSegment(
  name: string,
  previous: object | null,
  entries: readonly Readonly<Record<string, unknown>>[],
): { text: string; seal: string; digest: string } {
  const chain = new Chain();
  const at = Date.UTC(2026, 9, 1);
  let text = chain.next(at, 'open', encodeFields({ format: 1, log: name, previous }));
  for (const { kind, ...fields } of entries) text += chain.next(at, String(kind), encodeFields(fields));
  const { line, digest } = chain.seal(at, '');
  return { text, seal: line, digest };
}
