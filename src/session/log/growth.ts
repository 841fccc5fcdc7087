// The right edge of the tree: takes entries, gives the tiles, bundles and the root that they make. Changes nothing in place,
// so that a step whose files could not be written is simply made again. Refuses to know: files, signatures.

import type { TreeHead } from './checkpoint.ts';
import { foldRight, fullRoot, type Hash, leafHash } from './merkle.ts';
import type { LogFile } from './storage.ts';
import { encodeBundle, partialsPath, TILE_WIDTH, tilePath } from './tiles.ts';

export interface Growth {
  readonly edge: Edge;
  /** To write before the checkpoint: whole tiles and bundles, and the partial ones of the new size. */
  readonly files: readonly LogFile[];
  /** Folders of partial tiles that whole ones have taken the place of: to remove after the checkpoint. */
  readonly obsolete: readonly string[];
}

export class Edge {
  readonly size: number;
  /** The hashes of the partial tile of each level, lowest first; none is full. */
  readonly #levels: readonly (readonly Hash[])[];
  /** The entries of the partial bundle. */
  readonly entries: readonly Buffer[];

  constructor(size = 0, levels: readonly (readonly Hash[])[] = [], entries: readonly Buffer[] = []) {
    this.size = size;
    this.#levels = levels;
    this.entries = entries;
  }

  get head(): TreeHead {
    const peaks: Hash[] = [];
    // Highest first: a tile's hashes are whole subtrees of its level, in powers of two from the left.
    for (const hashes of this.#levels.toReversed()) {
      let at = 0;
      for (let bit = TILE_WIDTH / 2; bit >= 1; bit /= 2) {
        if ((hashes.length & bit) === 0) continue;
        peaks.push(fullRoot(hashes.slice(at, at + bit)));
        at += bit;
      }
    }
    return { size: this.size, root: foldRight(peaks) };
  }

  grow(entries: readonly Buffer[]): Growth {
    const levels = this.#levels.map((hashes) => [...hashes]);
    const files: LogFile[] = [];
    const obsolete: string[] = [];
    let { size } = this;
    let bundle = [...this.entries];
    for (const entry of entries) {
      bundle.push(entry);
      size += 1;
      if (bundle.length === TILE_WIDTH) {
        const index = size / TILE_WIDTH - 1;
        files.push({ path: tilePath('entries', index), bytes: encodeBundle(bundle) });
        obsolete.push(partialsPath('entries', index));
        bundle = [];
      }
      let hash: Hash | undefined = leafHash(entry);
      for (let level = 0; hash !== undefined; level++) {
        levels[level] ??= [];
        const tile: Hash[] = levels[level]!;
        tile.push(hash);
        if (tile.length < TILE_WIDTH) break;
        const index = size / TILE_WIDTH ** (level + 1) - 1;
        files.push({ path: tilePath(level, index), bytes: Buffer.concat(tile) });
        obsolete.push(partialsPath(level, index));
        hash = fullRoot(tile);
        levels[level] = [];
      }
    }
    if (bundle.length > 0) {
      const index = Math.floor(size / TILE_WIDTH);
      files.push({ path: tilePath('entries', index, bundle.length), bytes: encodeBundle(bundle) });
    }
    for (const [level, tile] of levels.entries()) {
      if (tile.length === 0) continue;
      const index = Math.floor(size / TILE_WIDTH ** (level + 1));
      files.push({ path: tilePath(level, index, tile.length), bytes: Buffer.concat(tile) });
    }
    return { edge: new Edge(size, levels, bundle), files, obsolete };
  }
}
