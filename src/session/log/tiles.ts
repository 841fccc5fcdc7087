// The tree as C2SP tlog-tiles keeps it: tiles of 256 hashes and bundles of 256 entries, each a file with a path. Any hash,
// root and proof out of them. Refuses to know: whether what it reads is genuine, where the files are.

import {
  consistencyRanges,
  foldRight,
  fullRoot,
  HASH_BYTES,
  type Hash,
  inclusionRanges,
  type Range,
  type Subtree,
  subtrees,
} from './merkle.ts';

export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;
/** An entry's length is a uint16 (tlog-tiles, "Log entries"). */
export const MAX_ENTRY_BYTES = 65_535;

/** Reads a log's resources by their path below its prefix. */
export interface LogSource {
  /** Undefined when there is none of that path. */
  get(path: string): Promise<Buffer | undefined>;
}

/** `1234067` → `x001/x234/067` (tlog-tiles, "Merkle Tree"). */
function indexPath(index: number): string {
  const parts = [String(index % 1000).padStart(3, '0')];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    parts.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  }
  return parts.join('/');
}

/** `level` a number, or `entries` for bundles; `width` below 256: a partial one. */
export function tilePath(level: number | 'entries', index: number, width: number = TILE_WIDTH): string {
  return `tile/${level}/${indexPath(index)}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** The folder of a tile's partial forms. */
export function partialsPath(level: number | 'entries', index: number): string {
  return `tile/${level}/${indexPath(index)}.p`;
}

/** How many hashes the tile has in a tree of that size; 0: it is not there. */
export function tileWidth(level: number, index: number, size: number): number {
  const hashes = Math.floor(size / 256 ** level) - index * TILE_WIDTH;
  return Math.max(0, Math.min(TILE_WIDTH, hashes));
}

/** Every tile of a tree of that size: level, index, width; lowest level first. */
export function* tilesOf(size: number): Generator<{ level: number; index: number; width: number }> {
  for (let level = 0; Math.floor(size / 256 ** level) > 0; level++) {
    for (let index = 0; ; index++) {
      const width = tileWidth(level, index, size);
      if (width === 0) break;
      yield { level, index, width };
    }
  }
}

export function splitTile(bytes: Buffer): Hash[] {
  const hashes: Hash[] = [];
  for (let at = 0; at + HASH_BYTES <= bytes.length; at += HASH_BYTES) hashes.push(bytes.subarray(at, at + HASH_BYTES));
  return hashes;
}

/** Entries with their lengths before them, big-endian. Throws RangeError on one that is too long. */
export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(entry.length);
    parts.push(length, entry);
  }
  return Buffer.concat(parts);
}

/** The entries as far as they are whole, and whether that is all of it. */
export function decodeBundle(bytes: Buffer): { entries: Buffer[]; whole: boolean } {
  const entries: Buffer[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) break;
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return { entries, whole: at === bytes.length };
}

/** A tile or bundle that a tree of that size has: its partial form, or the full one that took its place since. */
export async function readTile(
  source: LogSource,
  level: number | 'entries',
  index: number,
  width: number,
): Promise<Buffer | undefined> {
  const found = await source.get(tilePath(level, index, width));
  return found ?? (width === TILE_WIDTH ? undefined : source.get(tilePath(level, index)));
}

/** What is asked for is not in the log's files. */
export class TileMissing extends Error {}

/** Hashes, roots and proofs of a tree of `size` leaves from its tiles. Errors: TileMissing. */
export class TreeReader {
  readonly #source: LogSource;
  readonly #size: number;
  readonly #tiles = new Map<string, Hash[]>();

  constructor(source: LogSource, size: number) {
    this.#source = source;
    this.#size = size;
  }

  async tile(level: number, index: number): Promise<Hash[]> {
    const width = tileWidth(level, index, this.#size);
    const path = tilePath(level, index, width);
    const known = this.#tiles.get(path);
    if (known !== undefined) return known;
    const bytes = width === 0 ? undefined : await readTile(this.#source, level, index, width);
    if (bytes === undefined || bytes.length < width * HASH_BYTES) throw new TileMissing(path);
    const hashes = splitTile(bytes).slice(0, width);
    this.#tiles.set(path, hashes);
    return hashes;
  }

  async hash({ level, index }: Subtree): Promise<Hash> {
    const tileLevel = Math.floor(level / TILE_HEIGHT);
    const count = 2 ** (level - tileLevel * TILE_HEIGHT);
    const first = index * count;
    const tile = await this.tile(tileLevel, Math.floor(first / TILE_WIDTH));
    const from = first % TILE_WIDTH;
    if (from + count > tile.length) throw new TileMissing(tilePath(tileLevel, Math.floor(first / TILE_WIDTH)));
    return fullRoot(tile.slice(from, from + count));
  }

  async range(range: Range): Promise<Hash> {
    const hashes: Hash[] = [];
    for (const subtree of subtrees(range)) hashes.push(await this.hash(subtree));
    return foldRight(hashes);
  }

  /** Of the tree when it had `size` leaves: now, or earlier. */
  root(size: number = this.#size): Promise<Hash> {
    return this.range({ from: 0, to: size });
  }

  /** RFC 6962 §2.1.1 */
  inclusion(index: number, size: number = this.#size): Promise<Hash[]> {
    return this.#ranges(inclusionRanges(index, size));
  }

  /** RFC 6962 §2.1.2, from the tree of `old` leaves to this one. */
  consistency(old: number, size: number = this.#size): Promise<Hash[]> {
    return this.#ranges(consistencyRanges(old, size));
  }

  async #ranges(ranges: readonly Range[]): Promise<Hash[]> {
    const hashes: Hash[] = [];
    for (const range of ranges) hashes.push(await this.range(range));
    return hashes;
  }
}
