// The whole tree, from files alone: entries against tiles, tiles against each other, all of it against the checkpoint, and
// the entries' own order. Streams: a bundle at a time. Refuses to know: who signs (trust.ts), what entries mean.

import { hash as digest } from 'node:crypto';
import { GENESIS, lineDigest } from '../../recorder/line.ts';
import type { LogEntry } from '../audit.ts';
import type { TreeHead } from '../checkpoint.ts';
import { blobOf, blobPath, followsLine, parseEntry } from '../entry.ts';
import { fullRoot, GrowingTree, type Hash, leafHash } from '../merkle.ts';
import {
  decodeBundle,
  encodeBundle,
  type LogSource,
  partialsPath,
  readTile,
  splitTile,
  TILE_WIDTH,
  tilePath,
  tilesOf,
  tileWidth,
} from '../tiles.ts';
import type { Findings } from './findings.ts';

/** A source that can say what files there are, so that left-overs are looked at too. */
export interface ListingSource extends LogSource {
  /** Names in a folder; none where there is none. */
  list?(folder: string): Promise<readonly string[]>;
}

export interface TreeCheckOptions {
  readonly source: ListingSource;
  readonly head: TreeHead;
  /** Sizes at which the root is wanted: of checkpoints that were kept elsewhere. */
  readonly sizes: readonly number[];
  /** What the journal has of them, by index. */
  readonly journal: ReadonlyMap<number, Buffer>;
  /** Every entry that can be read, in order, with its bytes. */
  readonly entry: (entry: LogEntry, bytes: Buffer) => void;
}

export interface TreeCheck {
  /** What makes the tree that the checkpoint says: the entries (and so all of it), the lowest tiles alone, neither. */
  readonly fits: 'entries' | 'tiles' | 'neither';
  /** Roots of the sizes that were asked for, by what fits; by the entries where neither does and both say the same. */
  readonly roots: ReadonlyMap<number, Hash>;
  /** The digest of the last entry: what the journal goes on from. */
  readonly head: string;
}

const MAX_MISFITS = 100;

/** Entries beside each other of which the same is to be said. */
interface Misfits {
  readonly code: 'entry_missing' | 'entry_moved' | 'entry_repeated' | 'entry_changed';
  readonly from: number;
  to: number;
  /** Whether the lowest tiles have hashes for them. */
  readonly hashed: boolean;
  /** The number that the first one says it has. */
  readonly claims: number | undefined;
}

export async function checkTree(options: TreeCheckOptions, findings: Findings): Promise<TreeCheck> {
  const check = new Check(options, findings);
  await check.entries();
  await check.upperTiles();
  return check.conclude();
}

class Check {
  readonly #options: TreeCheckOptions;
  readonly #findings: Findings;
  /** By the entries, and by the hashes in the lowest tiles. */
  readonly #byEntries = new GrowingTree();
  readonly #byTiles = new GrowingTree();
  readonly #roots = { entries: new Map<number, Hash>(), tiles: new Map<number, Hash>() };
  readonly #misfits: Misfits[] = [];
  /** Entries that the journal has otherwise than the bundles, than the tiles. */
  readonly #journal = { entries: [] as number[], tiles: [] as number[] };
  /** Problems of order, told where the tree is not the signed one: then they say what was done. */
  readonly #order: (() => void)[] = [];
  #chain = GENESIS;
  #lastAt = '';
  /** It ends before the size that the checkpoint says: which may be any, with more tiles than anybody could look for. */
  #ends = false;

  constructor(options: TreeCheckOptions, findings: Findings) {
    this.#options = options;
    this.#findings = findings;
  }

  get #size(): number {
    return this.#options.head.size;
  }

  async entries(): Promise<void> {
    this.#note();
    for (let bundle = 0; bundle * TILE_WIDTH < this.#size; bundle++) {
      const width = Math.min(TILE_WIDTH, this.#size - bundle * TILE_WIDTH);
      const entries = await this.#bundle(bundle, width);
      const hashes = await this.#lowest(bundle, width);
      if (entries === undefined && hashes === undefined) {
        this.#ends = true;
        break;
      }
      await this.#partials('entries', bundle, width, (count) => encodeBundle((entries ?? []).slice(0, count)));
      for (let at = 0; at < width; at++) await this.#entry(bundle * TILE_WIDTH + at, entries?.[at], hashes?.[at]);
    }
  }

  async #bundle(bundle: number, width: number): Promise<Buffer[] | undefined> {
    const path = tilePath('entries', bundle, width);
    const partial = await this.#options.source.get(path);
    const bytes = partial ?? (await readTile(this.#options.source, 'entries', bundle, width));
    if (bytes === undefined) {
      const last = bundle * TILE_WIDTH + width - 1;
      this.#findings.problem(
        'entries_missing',
        path,
        `entries ${bundle * TILE_WIDTH} to ${last} are missing: there is no ${path}`,
      );
      return undefined;
    }
    const { entries, whole } = decodeBundle(bytes);
    // The full form that took a partial one's place has more than this tree.
    const exact = partial !== undefined || width === TILE_WIDTH;
    if (entries.length < width || !whole || (exact && entries.length > width)) {
      const have = `${entries.length} whole entries${whole ? '' : ' and a torn one'}`;
      this.#order.push(() =>
        this.#findings.problem(
          'entry_changed',
          path,
          `${path} has ${have} where ${width} belong: it was cut or added to`,
        ),
      );
    }
    return entries.slice(0, width);
  }

  async #lowest(bundle: number, width: number): Promise<Hash[] | undefined> {
    const hashes = await this.#tile(0, bundle, width);
    await this.#partials(0, bundle, width, (count) => Buffer.concat((hashes ?? []).slice(0, count)));
    return hashes;
  }

  async #tile(level: number, index: number, width: number): Promise<Hash[] | undefined> {
    const path = tilePath(level, index, width);
    const own = await this.#options.source.get(path);
    const bytes = own ?? (await readTile(this.#options.source, level, index, width));
    if (bytes === undefined) {
      this.#findings.problem(
        'tile_missing',
        path,
        `there is no ${path}: it belongs to the tree of ${this.#size} entries`,
      );
      return undefined;
    }
    const hashes = splitTile(bytes);
    const exact = own !== undefined || width === TILE_WIDTH;
    if (hashes.length < width || bytes.length % 32 !== 0 || (exact && hashes.length > width)) {
      const message = `${path} has ${bytes.length} bytes where ${width * 32} belong: it was cut or added to`;
      this.#findings.problem('tile_changed', path, message);
    }
    return hashes.slice(0, width);
  }

  /** Partial forms of earlier sizes that are still there: beginnings of what the tree has now. */
  async #partials(
    level: number | 'entries',
    index: number,
    width: number,
    due: (count: number) => Buffer,
  ): Promise<void> {
    const { source } = this.#options;
    const folder = partialsPath(level, index);
    for (const name of (await source.list?.(folder)) ?? []) {
      const count = /^[1-9]\d{0,2}$/.test(name) ? Number(name) : Number.NaN;
      // Of a tree that is larger than the checkpoint says: written by a step that was, or is being, made.
      if (!(count < width)) continue;
      const bytes = await source.get(`${folder}/${name}`);
      if (bytes === undefined || bytes.equals(due(count))) continue;
      const path = `${folder}/${name}`;
      this.#order.push(() =>
        this.#findings.problem('tile_changed', path, `${path} is no beginning of what the tree has there`),
      );
    }
  }

  async #entry(index: number, bytes: Buffer | undefined, hashed: Hash | undefined): Promise<void> {
    const leaf = bytes === undefined ? undefined : leafHash(bytes);
    if (leaf !== undefined) this.#byEntries.push(leaf);
    if (hashed !== undefined) this.#byTiles.push(hashed);
    this.#note();
    const entry = bytes === undefined ? undefined : parseEntry(bytes);
    if (leaf === undefined || hashed === undefined || !leaf.equals(hashed))
      this.#misfit(index, bytes, hashed, entry?.index);
    const taken = this.#options.journal.get(index);
    if (taken !== undefined) this.#compareJournal(index, leafHash(taken), leaf, hashed);
    if (bytes === undefined) return;
    this.#checkOrder(index, bytes, entry);
    this.#chain = lineDigest(bytes);
    if (entry === undefined) return;
    if (entry.at < this.#lastAt)
      this.#findings.note(`entry ${index}: the clock went back from ${this.#lastAt} to ${entry.at}`);
    this.#lastAt = entry.at;
    await this.#checkBlob(entry);
    this.#options.entry(entry, bytes);
  }

  #misfit(index: number, bytes: Buffer | undefined, hash: Hash | undefined, claims: number | undefined): void {
    let code: Misfits['code'] = 'entry_changed';
    if (bytes === undefined) code = 'entry_missing';
    else if (claims !== undefined && claims > index) code = 'entry_moved';
    else if (claims !== undefined && claims < index) code = 'entry_repeated';
    const last = this.#misfits.at(-1);
    const hashed = hash !== undefined;
    if (last?.code === code && last.to === index - 1 && last.hashed === hashed) last.to = index;
    else if (this.#misfits.length < MAX_MISFITS) this.#misfits.push({ code, from: index, to: index, hashed, claims });
  }

  #compareJournal(index: number, taken: Hash, leaf: Hash | undefined, hashed: Hash | undefined): void {
    if (leaf === undefined || !taken.equals(leaf)) this.#journal.entries.push(index);
    if (hashed === undefined || !taken.equals(hashed)) this.#journal.tiles.push(index);
  }

  #note(): void {
    const { sizes } = this.#options;
    if (sizes.includes(this.#byEntries.size)) this.#roots.entries.set(this.#byEntries.size, this.#byEntries.root);
    if (sizes.includes(this.#byTiles.size)) this.#roots.tiles.set(this.#byTiles.size, this.#byTiles.root);
  }

  #checkOrder(index: number, bytes: Buffer, entry: LogEntry | undefined): void {
    const where = `entry ${index}`;
    const tell = (code: Parameters<Findings['problem']>[0], message: string) =>
      this.#order.push(() => this.#findings.problem(code, where, message));
    if (entry === undefined) {
      tell('entry_unreadable', `entry ${index} is no line of a log`);
    } else if (entry.index > index) {
      tell(
        'entry_missing',
        `entry ${entry.index} stands where entry ${index} should: something before it was taken out`,
      );
    } else if (entry.index < index) {
      tell(
        'entry_repeated',
        `entry ${entry.index} stands where entry ${index} should: it was repeated, moved or put in`,
      );
    } else if (!followsLine(bytes, this.#chain)) {
      tell(
        'entry_changed',
        `entry ${index} does not follow the one before it: ${index === 0 ? 'it is no first one' : `entry ${index - 1} was changed`}`,
      );
    }
  }

  async #checkBlob(entry: LogEntry): Promise<void> {
    const name = blobOf(entry);
    if (name === undefined) return;
    const path = blobPath(name.sha256);
    const bytes = await this.#options.source.get(path);
    const where = `entry ${entry.index}`;
    if (bytes === undefined) {
      this.#findings.problem('blob_missing', path, `the content of ${where} is missing: there is no ${path}`);
    } else if (digest('sha256', bytes, 'hex') !== name.sha256 || bytes.length !== name.bytes) {
      this.#findings.problem('blob_changed', path, `the content of ${where} was changed: ${path} has another digest`);
    }
  }

  /** Each tile above the lowest: its hashes are the roots of the full tiles below. */
  async upperTiles(): Promise<void> {
    if (this.#ends) return;
    for (const { level, index, width } of tilesOf(this.#size)) {
      if (level === 0) continue;
      const hashes = await this.#tile(level, index, width);
      if (hashes === undefined) continue;
      await this.#partials(level, index, width, (count) => Buffer.concat(hashes.slice(0, count)));
      for (const [at, claimed] of hashes.entries()) {
        const below = index * TILE_WIDTH + at;
        const lower = await this.#quiet(level - 1, below);
        if (lower === undefined || fullRoot(lower).equals(claimed)) continue;
        const path = tilePath(level, index, width);
        const message = `${path} does not fit ${tilePath(level - 1, below)}: one of the two was changed`;
        this.#findings.problem('tile_changed', path, message);
      }
    }
  }

  async #quiet(level: number, index: number): Promise<Hash[] | undefined> {
    const width = tileWidth(level, index, this.#size);
    const bytes = await this.#options.source.get(tilePath(level, index, width));
    return bytes?.length === width * 32 ? splitTile(bytes) : undefined;
  }

  conclude(): TreeCheck {
    const { root, size } = this.#options.head;
    const entriesFit = this.#byEntries.size === size && this.#byEntries.root.equals(root);
    const tilesFit = this.#byTiles.size === size && this.#byTiles.root.equals(root);
    if (entriesFit) for (const misfit of this.#misfits) this.#tellTile(misfit);
    else if (tilesFit) for (const misfit of this.#misfits) this.#tellEntry(misfit);
    else this.#tellBoth(size);
    // Where the tiles name each changed entry, the chain's view of the same changes would say it twice.
    if (!tilesFit || entriesFit || this.#misfits.length === 0) for (const tell of this.#order) tell();
    for (const index of entriesFit ? this.#journal.entries : tilesFit ? this.#journal.tiles : []) {
      const message = `the journal has another entry ${index} than the tree: it was changed there`;
      this.#findings.problem('journal_changed', `entry ${index}`, message);
    }
    const fits = entriesFit ? 'entries' : tilesFit ? 'tiles' : 'neither';
    return { fits, roots: this.#rootsBy(fits), head: this.#chain };
  }

  #rootsBy(fits: TreeCheck['fits']): ReadonlyMap<number, Hash> {
    const { entries, tiles } = this.#roots;
    if (fits !== 'neither') return fits === 'entries' ? entries : tiles;
    return new Map([...entries].filter(([size, root]) => tiles.get(size)?.equals(root)));
  }

  #tellTile({ from, to, hashed }: Misfits): void {
    // A tile that is not there has been told.
    if (!hashed) return;
    const bundle = Math.floor(from / TILE_WIDTH);
    const path = tilePath(0, bundle, tileWidth(0, bundle, this.#size));
    const which = from === to ? `the hash of entry ${from} was` : `the hashes of entries ${from} to ${to} were`;
    this.#findings.problem('tile_changed', path, `${path}: ${which} changed; the entries themselves are genuine`);
  }

  #tellEntry({ code, from, to, claims }: Misfits): void {
    const many = from !== to;
    const which = many ? `entries ${from} to ${to}` : `entry ${from}`;
    const others = many ? `entries from ${claims} on stand` : `entry ${claims} stands`;
    const words = {
      entry_missing: `${which} ${many ? 'are' : 'is'} missing: the tree has the hash`,
      entry_changed: `${which} ${many ? 'were' : 'was'} changed: the hash is not the one in the tree`,
      entry_moved: `${others} where ${which} should: something before was taken out, or it was moved`,
      entry_repeated: `${others} where ${which} should: it was repeated, moved or put in`,
    };
    this.#findings.problem(code, which, words[code]);
  }

  #tellBoth(size: number): void {
    const same = this.#byEntries.root.equals(this.#byTiles.root) && this.#misfits.length === 0;
    const what = same
      ? `the entries and tiles make a tree of ${this.#byEntries.size} entries that is not the one the checkpoint signs`
      : `neither the entries nor the tiles make the tree of ${size} entries that the checkpoint signs`;
    this.#findings.problem(
      'log_rewritten',
      'log',
      `${what}: the log was rewritten, or the checkpoint is of another one`,
    );
    for (const misfit of this.#misfits) this.#tellEntry(misfit);
  }
}
