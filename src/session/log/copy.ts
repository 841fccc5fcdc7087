// A log as it is under its newest checkpoint, as files to put elsewhere: checkpoint, tiles, entries, contents of long entries,
// the cosigned checkpoint. What waits in the journal stays behind. Refuses to know: where from and where to.

import { userError } from '../../core/errors.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { blobOf, blobPath, parseEntry } from './entry.ts';
import type { LogFile } from './storage.ts';
import { decodeBundle, type LogSource, readTile, TILE_WIDTH, tilePath, tilesOf } from './tiles.ts';

const HASH_BYTES = 32;

/** Errors: `recording_invalid` where something is missing. */
export async function* copyLog(source: LogSource): AsyncGenerator<LogFile> {
  const checkpoint = await needed(source, 'checkpoint');
  const { size } = parseCheckpoint(checkpoint) ?? ({ size: 0 } as Pick<Checkpoint, 'size'>);
  for (const { level, index, width } of tilesOf(size)) {
    const bytes = await readTile(source, level, index, width);
    if (bytes === undefined) throw missing(tilePath(level, index, width));
    yield { path: tilePath(level, index, width), bytes: bytes.subarray(0, width * HASH_BYTES) };
  }
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
    const bytes = await readTile(source, 'entries', index, width);
    if (bytes === undefined) throw missing(tilePath('entries', index, width));
    const entries = decodeBundle(bytes).entries.slice(0, width);
    const length = entries.reduce((sum, entry) => sum + 2 + entry.length, 0);
    yield { path: tilePath('entries', index, width), bytes: bytes.subarray(0, length) };
    yield* contents(source, entries);
  }
  const witnessed = await source.get('witnessed');
  const cosigned = witnessed === undefined ? undefined : parseCheckpoint(witnessed);
  if (cosigned !== undefined && cosigned.size <= size) yield { path: 'witnessed', bytes: witnessed! };
  // Last: half a copy has none.
  yield { path: 'checkpoint', bytes: checkpoint };
}

async function* contents(source: LogSource, entries: readonly Buffer[]): AsyncGenerator<LogFile> {
  for (const bytes of entries) {
    const entry = parseEntry(bytes);
    const blob = entry === undefined ? undefined : blobOf(entry);
    if (blob === undefined) continue;
    const path = blobPath(blob.sha256);
    yield { path, bytes: await needed(source, path) };
  }
}

async function needed(source: LogSource, path: string): Promise<Buffer> {
  const bytes = await source.get(path);
  if (bytes === undefined) throw missing(path);
  return bytes;
}

function missing(path: string): Error {
  return userError('recording_invalid', `the log has no ${path}`, {
    fix: "run 'hoopctl audit verify' on it: it says what is missing",
  });
}
