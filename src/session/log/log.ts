// The gateway's log: an append-only Merkle tree (C2SP tlog-tiles) behind a journal. An entry is in the journal when `append`
// returns; a moment later it is in a tile and under a signed checkpoint. Refuses to know: files, who reads it, what damage
// looks like (opening.ts).

import { type HoopctlError, ourError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type Chain, lineDigest } from '../recorder/line.ts';
import type { RecordingTarget } from '../recorder/sink.ts';
import type { AuditKind, AuditLog, LogEntry, LogReader } from './audit.ts';
import { checkpointText } from './checkpoint.ts';
import { blobPath, nextEntry, parseEntry, sized, withContent } from './entry.ts';
import type { Edge } from './growth.ts';
import { formatVkey, signNote } from './note.ts';
import { unreadable } from './reader.ts';
import type { LogKeys, LogStorage } from './storage.ts';
import { decodeBundle, type LogSource, readTile, TILE_WIDTH } from './tiles.ts';

/** How long an entry waits at most for the disk's own acknowledgement. */
const SYNC_MS = 200;
/** Between two checkpoints at least, while there are entries. */
export const CHECKPOINT_MS = 1000;
/** After tiles or checkpoint could not be written; the journal keeps the entries meanwhile. */
const RETRY_MS = 10_000;
/** Entries that are put into the tree at once: hashing more would hold up everybody. */
const BATCH = 4096;
/** A journal of that size is done with once its entries are in tiles. */
const JOURNAL_BYTES = 4 * 1024 * 1024;

export interface MerkleLogOptions {
  readonly storage: LogStorage;
  readonly keys: LogKeys;
  readonly now: () => number;
  readonly log: Log;
  readonly checkpointMs?: number;
  readonly journalBytes?: number;
}

/** Where the log stands, as `openLog` found or made it. */
export interface Standing {
  readonly chain: Chain;
  /** Up to the last checkpoint. */
  readonly edge: Edge;
  /** After it: in the journal, in no tile. */
  readonly pending: Buffer[];
  readonly journal: { readonly target: RecordingTarget; readonly first: number; readonly bytes: number };
}

/** One process writes it: hold the data directory's lock. Made by `openLog`. */
export class MerkleLog implements AuditLog, LogReader {
  readonly #options: MerkleLogOptions;
  readonly #chain: Chain;
  #edge: Edge;
  #pending: Buffer[];
  #journal: { target: RecordingTarget; first: number; bytes: number };
  #sync: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #integrating: Promise<void> | undefined;
  #waiting: { readonly size: number; readonly resolve: () => void }[] = [];
  #closed = false;

  constructor(options: MerkleLogOptions, standing: Standing) {
    this.#options = options;
    this.#chain = standing.chain;
    this.#edge = standing.edge;
    this.#pending = standing.pending;
    this.#journal = { ...standing.journal };
    if (this.#pending.length > 0) this.#schedule();
  }

  /** The log's own files: what is served to auditors. */
  get files(): LogSource {
    return this.#options.storage;
  }

  /** All that ever signed under this name, oldest first, as vkeys. */
  get vkeys(): readonly string[] {
    return this.#options.keys.verifiers.map(formatVkey);
  }

  /** By which each of them vouched for the next: notes. */
  get vouched(): readonly string[] {
    return this.#options.keys.vouched;
  }

  get origin(): string {
    return this.#options.keys.origin;
  }

  get size(): number {
    return this.#chain.seq;
  }

  /** How many entries the newest checkpoint covers. */
  get checkpointed(): number {
    return this.#edge.size;
  }

  append(kind: AuditKind, fields: Readonly<Record<string, unknown>>): void {
    if (this.#closed) throw this.#failure(new Error('it is closed'));
    const before = this.#chain.state;
    try {
      const { encoded, blob, name } = sized(fields);
      if (blob !== undefined) this.#options.storage.putNow(blobPath(name!.sha256), blob);
      const line = nextEntry(this.#chain, this.#options.now(), kind, encoded);
      this.#write(line);
      this.#journal.bytes += line.length;
      this.#pending.push(line.subarray(0, -1));
    } catch (thrown) {
      this.#chain.rewind(before);
      throw this.#failure(thrown);
    }
    this.#sync ??= setTimeout(() => {
      this.#sync = undefined;
      this.#durable().catch((thrown: unknown) => this.#told('make durable', thrown));
    }, SYNC_MS).unref();
    this.#schedule();
  }

  /** First that it is ours, then the entry: at a start one without the other is somebody else's. */
  #write(line: Buffer): void {
    const { keys, storage } = this.#options;
    keys.take(this.#chain.state.head, storage.synced);
    try {
      this.#journal.target.write(line);
    } catch (thrown) {
      keys.drop();
      throw thrown;
    }
  }

  async #durable(): Promise<void> {
    await this.#options.keys.syncTaken();
    await this.#journal.target.sync();
  }

  async *entries(from: number): AsyncGenerator<LogEntry> {
    let at = Math.max(0, from);
    while (at < this.size) {
      for (const bytes of await this.#read(at)) {
        const entry = parseEntry(bytes);
        if (entry?.index !== at) throw unreadable(at);
        yield await withContent(this.#options.storage, entry);
        at += 1;
      }
    }
  }

  /** Resolves when a checkpoint covers the first `size` entries, or when the log is closed. */
  async covered(size: number): Promise<void> {
    if (size <= this.#edge.size || this.#closed) return;
    await new Promise<void>((resolve) => this.#waiting.push({ size, resolve }));
  }

  /** Everything so far into tiles and under a checkpoint, now. Errors: those of the storage. */
  async checkpoint(): Promise<void> {
    const { size } = this;
    while (this.#edge.size < size) await this.#step();
  }

  /** One batch; the one that is under way where there is one. */
  #step(): Promise<void> {
    this.#integrating ??= this.#integrate().finally(() => {
      this.#integrating = undefined;
    });
    return this.#integrating;
  }

  /** Takes a new signing key; the entry that says so is the last one that the old key's signatures do not cover. */
  async rotateKey(): Promise<void> {
    await this.checkpoint();
    while (this.#integrating !== undefined) await this.#integrating;
    // In the place of a batch: no checkpoint is signed between the new key and the entry that brings it in.
    this.#integrating = this.#changeKey().finally(() => {
      this.#integrating = undefined;
    });
    await this.#integrating;
    await this.checkpoint();
  }

  async #changeKey(): Promise<void> {
    await this.#options.keys.rotate();
    await this.endorse();
  }

  /** Puts into the log that a key vouched for the one after it, where none of its entries says so yet. */
  async endorse(): Promise<void> {
    const { endorsement } = this.#options.keys;
    if (endorsement === undefined) return;
    this.append('log', { what: 'key', endorsement });
    await this.#options.keys.endorsed();
  }

  /** Keeps a checkpoint that witnesses cosigned, in place of the one before. */
  async keepCosigned(note: string): Promise<void> {
    await this.#options.storage.put('witnessed', Buffer.from(note));
  }

  /** Everything under a checkpoint, as far as the disk lets. */
  async close(): Promise<void> {
    if (this.#closed) return;
    clearTimeout(this.#sync);
    clearTimeout(this.#timer);
    await this.checkpoint().catch((thrown: unknown) => this.#told('write the last checkpoint', thrown));
    this.#closed = true;
    clearTimeout(this.#sync);
    clearTimeout(this.#timer);
    await this.#durable().catch((thrown: unknown) => this.#told('make durable', thrown));
    this.#journal.target.abandon();
    this.#options.keys.close();
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  /** The entries from that one on that stand together: in a bundle, or in memory. */
  async #read(at: number): Promise<readonly Buffer[]> {
    const waiting = at - this.#edge.size;
    if (waiting >= 0) return this.#pending.slice(waiting, waiting + TILE_WIDTH);
    const index = Math.floor(at / TILE_WIDTH);
    const first = index * TILE_WIDTH;
    if (this.#edge.size - first < TILE_WIDTH) return this.#edge.entries.slice(at - first);
    const bytes = await readTile(this.#options.storage, 'entries', index, TILE_WIDTH);
    const { entries } = decodeBundle(bytes ?? Buffer.alloc(0));
    if (entries.length < TILE_WIDTH) throw unreadable(first + entries.length);
    return entries.slice(at - first);
  }

  #schedule(after = this.#options.checkpointMs ?? CHECKPOINT_MS): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#step().then(
        // What came meanwhile waits its time: under load there are no more checkpoints than with little.
        () => this.#pending.length > 0 && this.#schedule(this.#pending.length > BATCH ? 0 : undefined),
        (thrown: unknown) => {
          this.#told('write tiles and checkpoint', thrown);
          this.#schedule(RETRY_MS);
        },
      );
    }, after).unref();
  }

  /** Journal durable, tiles, the intention to sign, checkpoint: a kill between any two leaves what the next start completes. */
  async #integrate(): Promise<void> {
    const { storage, keys } = this.#options;
    const batch = this.#pending.slice(0, BATCH);
    await this.#durable();
    const { edge, files, obsolete } = this.#edge.grow(batch);
    await storage.putAll(files);
    const { head } = edge;
    await keys.signing(head);
    await storage.put('checkpoint', Buffer.from(signNote(checkpointText(keys.origin, head), [keys.signer])));
    this.#edge = edge;
    this.#pending.splice(0, batch.length);
    const covered = this.#waiting.filter(({ size }) => size <= edge.size);
    this.#waiting = this.#waiting.filter(({ size }) => size > edge.size);
    for (const { resolve } of covered) resolve();
    for (const folder of obsolete) await storage.removeFolder(folder);
    if (this.#journal.bytes >= (this.#options.journalBytes ?? JOURNAL_BYTES)) await this.#nextJournal();
  }

  /** Only where every entry of the old one is under a checkpoint; otherwise the next time. */
  async #nextJournal(): Promise<void> {
    const { keys, storage } = this.#options;
    if (this.#pending.length > 0) return;
    const old = this.#journal;
    if (old.first === this.size) return;
    this.#journal = { target: storage.createJournal(this.size), first: this.size, bytes: 0 };
    await old.target.finish();
    // Meanwhile others may have been taken: those alone are not signed.
    const waiting = this.#pending.map((entry) => lineDigest(entry));
    keys.beginTaken(waiting);
    await storage.removeJournal(old.first);
  }

  #failure(thrown: unknown): HoopctlError {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const file = this.#journal.target.name;
    // Users are told it, and no file of ours.
    const told = (thrown as NodeJS.ErrnoException).code ?? why;
    const error = ourError('recording_failed', `cannot write the gateway's log: ${told}`, {
      fix: 'free space or repair the disk of the data directory',
      cause: thrown,
    });
    this.#options.log.error({ code: error.code, file, error: why }, error.message);
    return error;
  }

  #told(what: string, thrown: unknown): void {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    this.#options.log.error({}, `cannot ${what} (the gateway's log): ${why}`);
  }
}
