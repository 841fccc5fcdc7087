// The log's entries from files alone, those in the journal too: for whoever follows the log without being the gateway's own
// process. Trusts what it reads. Refuses to know: files, whether the log is genuine (check/).

import { ourError } from '../../core/errors.ts';
import { LineSplitter } from '../recorder/reader.ts';
import type { LogEntry } from './audit.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { parseEntry, withContent } from './entry.ts';
import type { JournalSource } from './storage.ts';
import { decodeBundle, type LogSource, readTile, TILE_WIDTH } from './tiles.ts';

/** From that index on, in order, up to what is written now. Errors: `recording_invalid`, those of the source. */
export async function* readEntries(source: LogSource & JournalSource, from: number): AsyncGenerator<LogEntry> {
  const checkpoint = parseCheckpoint((await source.get('checkpoint')) ?? '');
  const size = checkpoint?.size ?? 0;
  let at = Math.max(0, from);
  while (at < size) {
    const index = Math.floor(at / TILE_WIDTH);
    const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
    const bytes = await readTile(source, 'entries', index, width);
    const { entries } = decodeBundle(bytes ?? Buffer.alloc(0));
    for (const entry of entries.slice(at % TILE_WIDTH, width)) yield await parsed(source, entry, at++);
    if (at < Math.min(size, (index + 1) * TILE_WIDTH)) throw unreadable(at);
  }
  for (const first of await source.journals()) {
    for (const { bytes, whole } of new LineSplitter().push(await source.readJournal(first))) {
      const entry = whole ? parseEntry(bytes) : undefined;
      // One that is being written is none yet; those before `at` are in tiles.
      if (entry?.index === at) {
        at += 1;
        yield await withContent(source, entry);
      }
    }
  }
}

async function parsed(source: LogSource, bytes: Uint8Array, due: number): Promise<LogEntry> {
  const entry = parseEntry(bytes);
  if (entry?.index !== due) throw unreadable(due);
  return withContent(source, entry);
}

export function unreadable(index: number): Error {
  return ourError('recording_invalid', `entry ${index} of the log cannot be read`, {
    fix: "run 'hoopctl audit verify' on the data directory: it says what was changed",
  });
}
