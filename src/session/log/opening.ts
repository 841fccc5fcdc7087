// The log at a start: what the last process left is taken up where it stands, and what was changed since is noticed before
// anything is signed again. Refuses to know: files, the old log's segments (segments.ts).

import type { Log } from '../../core/log.ts';
import { Chain, GENESIS, lineDigest } from '../recorder/line.ts';
import { parseLine } from '../recorder/reader.ts';
import { type Checkpoint, parseCheckpoint, type TreeHead } from './checkpoint.ts';
import { parseEntry } from './entry.ts';
import { Edge } from './growth.ts';
import { MerkleLog, type MerkleLogOptions, type Standing } from './log.ts';
import { fullRoot, type Hash, leafHash } from './merkle.ts';
import { formatVkey, signatureBy } from './note.ts';
import { type LogSegments, sealSegments } from './segments.ts';
import type { LogKeys, LogStorage } from './storage.ts';
import { decodeBundle, readTile, splitTile, TILE_WIDTH, tileWidth } from './tiles.ts';

/** Tiles of each level that a start compares with the level above, newest first; `audit verify` compares all. */
const CHECKED_TILES = 64;

export interface OpenLogOptions extends MerkleLogOptions {
  /** Of a gateway from before the log was a tree: sealed, named in the new log's first entry, left where they are. */
  readonly segments: LogSegments;
}

export interface OpenedLog {
  readonly log: MerkleLog;
  /** What is wrong with the log that was found, in words; then it is out of the way, and another one begun. */
  readonly damage: { readonly problems: readonly string[]; readonly where: string } | undefined;
}

class Damaged extends Error {}

/** Errors: `recording_failed`, `store_failed`, those of the storage. Damage is no error: it is told, logged, an entry. */
export async function openLog(options: OpenLogOptions): Promise<OpenedLog> {
  const { storage, keys } = options;
  let found: Found;
  try {
    found = await takeUp(storage, keys);
  } catch (thrown) {
    if (!(thrown instanceof Damaged)) throw thrown;
    return beginAgain(options, thrown.message);
  }
  const log = new MerkleLog(options, found.standing);
  if (log.size === 0) {
    const segments = await sealSegments(options.segments, options.now());
    log.append('log', { what: 'began', format: 1, ...identity(keys), ...segments });
    for (const problem of segments?.problems ?? []) tell(options.log, log, 'log segment damaged', { problem });
  }
  for (const { what, ...fields } of found.notes) tell(options.log, log, what, fields);
  await log.endorse();
  await firstCheckpoint(options, log);
  return { log, damage: undefined };
}

/** So that there is one from the first moment on. A disk that takes none now may do so later: the log tries again. */
async function firstCheckpoint({ log }: OpenLogOptions, audit: MerkleLog): Promise<void> {
  if (audit.checkpointed > 0) return;
  const told = (thrown: unknown) => log.error({}, `cannot write the log's first checkpoint: ${String(thrown)}`);
  await audit.checkpoint().catch(told);
}

function identity({ origin, signer }: LogKeys): { origin: string; vkey: string } {
  return { origin, vkey: formatVkey(signer.verifier) };
}

function tell(log: Log, audit: MerkleLog, what: string, fields: Readonly<Record<string, unknown>>): void {
  log.error(fields, `the gateway's log: ${what}`);
  audit.append('failure', { what, ...fields });
}

/** The damaged one stays for whoever looks into it; another name and key, so that nothing is ever signed twice. */
async function beginAgain(options: OpenLogOptions, problem: string): Promise<OpenedLog> {
  const { storage, keys } = options;
  const before = { ...identity(keys), ...(keys.signed === undefined ? {} : shown(keys.signed)) };
  const where = await storage.quarantine();
  await keys.renew();
  keys.beginTaken([]);
  const journal = { target: storage.createJournal(0), first: 0, bytes: 0 };
  const log = new MerkleLog(options, { chain: new Chain(), edge: new Edge(), pending: [], journal });
  log.append('log', { what: 'began', format: 1, ...identity(keys), after: { ...before, where } });
  tell(options.log, log, 'log damaged', { problem, where, origin: before.origin });
  await firstCheckpoint(options, log);
  return { log, damage: { problems: [problem], where } };
}

function shown({ size, root }: TreeHead): { size: number; root: string } {
  return { size, root: root.toString('base64') };
}

interface Found {
  readonly standing: Standing;
  /** To be told once the log takes entries. */
  readonly notes: readonly (Record<string, unknown> & { readonly what: string })[];
}

async function takeUp(storage: LogStorage, keys: LogKeys): Promise<Found> {
  const checkpoint = await readCheckpoint(storage, keys);
  const size = checkpoint?.size ?? 0;
  const { edge, head } = await readEdge(storage, checkpoint);
  const taken = await keys.taken();
  const tail = await readJournals(storage, { size, head }, taken);
  checkSigned(keys.signed, edge, tail.entries);
  const notes = [...tail.notes];
  // From here on only what is known by its digest is taken up.
  if (taken === undefined) keys.beginTaken(tail.entries.map((entry) => lineDigest(entry)));
  const journal = await resume(storage, tail, size);
  return { standing: { chain: new Chain(tail.state), edge, pending: tail.entries, journal }, notes };
}

async function readCheckpoint(storage: LogStorage, keys: LogKeys): Promise<Checkpoint | undefined> {
  const bytes = await storage.get('checkpoint');
  if (bytes === undefined) return undefined;
  const checkpoint = parseCheckpoint(bytes);
  if (checkpoint === undefined) throw new Damaged('the checkpoint is no signed note');
  if (checkpoint.origin !== keys.origin) {
    throw new Damaged(`the checkpoint is of "${checkpoint.origin}", not of "${keys.origin}"`);
  }
  const signed = keys.verifiers.map((key) => signatureBy(checkpoint.note, key));
  if (signed.includes('broken')) throw new Damaged('the checkpoint was changed: its signature does not hold');
  if (!signed.includes('valid')) throw new Damaged("the checkpoint is not signed by this log's key");
  return checkpoint;
}

/** The right edge of the tree that the checkpoint is of, and the digest of its last entry. */
async function readEdge(storage: LogStorage, checkpoint: TreeHead | undefined): Promise<{ edge: Edge; head: string }> {
  if (checkpoint === undefined || checkpoint.size === 0) return { edge: new Edge(), head: GENESIS };
  const { size, root } = checkpoint;
  const levels: Hash[][] = [];
  for (let level = 0; Math.floor(size / TILE_WIDTH ** level) > 0; level++) {
    const full = Math.floor(size / TILE_WIDTH ** (level + 1));
    const width = tileWidth(level, full, size);
    levels.push(width === 0 ? [] : await readHashes(storage, level, full, width));
    await compareWithAbove(storage, level, full, size);
  }
  if (!new Edge(size, levels).head.root.equals(root)) {
    throw new Damaged(`the tiles do not make the tree of ${size} entries that the checkpoint says`);
  }
  const bundle = Math.floor(size / TILE_WIDTH);
  const width = size % TILE_WIDTH;
  const entries = width === 0 ? [] : await readBundle(storage, bundle, width, levels[0]!);
  const last =
    entries.at(-1) ??
    (await readBundle(storage, bundle - 1, TILE_WIDTH, await readHashes(storage, 0, bundle - 1, TILE_WIDTH))).at(-1)!;
  if (parseEntry(last)?.index !== size - 1) throw new Damaged(`entry ${size - 1} is not what it was`);
  return { edge: new Edge(size, levels, entries), head: lineDigest(last) };
}

async function readHashes(storage: LogStorage, level: number, index: number, width: number): Promise<Hash[]> {
  const bytes = await readTile(storage, level, index, width);
  const hashes = splitTile(bytes ?? Buffer.alloc(0)).slice(0, width);
  if (hashes.length < width) throw new Damaged(`tile ${level}/${index} is missing or cut: the checkpoint needs it`);
  return hashes;
}

/** The newest full tiles of a level against their hashes in the level above. */
async function compareWithAbove(storage: LogStorage, level: number, full: number, size: number): Promise<void> {
  for (let index = Math.max(0, full - CHECKED_TILES); index < full; index++) {
    const above = Math.floor(index / TILE_WIDTH);
    const upper = await readHashes(storage, level + 1, above, tileWidth(level + 1, above, size));
    const own = fullRoot(await readHashes(storage, level, index, TILE_WIDTH));
    if (!own.equals(upper[index % TILE_WIDTH]!)) throw new Damaged(`tile ${level}/${index} was changed`);
  }
}

async function readBundle(storage: LogStorage, index: number, width: number, hashes: Hash[]): Promise<Buffer[]> {
  const bytes = await readTile(storage, 'entries', index, width);
  const entries = decodeBundle(bytes ?? Buffer.alloc(0)).entries.slice(0, width);
  for (const [at, hash] of hashes.entries()) {
    const entry = entries[at];
    const which = `entry ${index * TILE_WIDTH + at}`;
    if (entry === undefined) throw new Damaged(`${which} is missing: the checkpoint needs it`);
    if (!leafHash(entry).equals(hash)) throw new Damaged(`${which} was changed`);
  }
  return entries;
}

interface Tail {
  /** Of the tree's last entry, then of the journal's. */
  readonly state: { readonly seq: number; readonly head: string };
  readonly entries: Buffer[];
  /** The journal to go on with; undefined: a new one, because those there are out of the way. */
  readonly last: { readonly first: number; readonly bytes: number } | undefined;
  readonly notes: (Record<string, unknown> & { what: string })[];
}

/** What was taken after the checkpoint. Lines that the tree has already are passed over: the tree is signed, they are not. */
async function readJournals(
  storage: LogStorage,
  from: { size: number; head: string },
  taken: readonly string[] | undefined,
): Promise<Tail> {
  let state = { seq: from.size, head: from.head };
  const ours = taken && new Set(taken);
  const seen = new Set([from.head]);
  const entries: Buffer[] = [];
  const notes: Tail['notes'] = [];
  let last: Tail['last'];
  for (const first of await storage.journals()) {
    const bytes = await storage.readJournal(first);
    let at = 0;
    let problem: string | undefined;
    for (let end = bytes.indexOf(10); end >= 0 && problem === undefined; end = bytes.indexOf(10, at)) {
      const line = bytes.subarray(at, end);
      const parsed = parseLine(line);
      if (parsed === undefined) problem = `a line that is none at byte ${at}`;
      else if (parsed.seq >= from.size) {
        if (parsed.seq !== state.seq || parsed.prev !== state.head) {
          problem = `entry ${parsed.seq} where ${state.seq} was due: something is missing or was changed`;
        } else {
          const head = lineDigest(line);
          if (ours?.has(head) === false) {
            problem = `entry ${parsed.seq} was put there by somebody else: this gateway did not take it`;
          } else {
            entries.push(line);
            seen.add(head);
            state = { seq: state.seq + 1, head };
          }
        }
      }
      if (problem === undefined) at = end + 1;
    }
    if (problem !== undefined) {
      const where = await storage.quarantineJournal(first);
      notes.push({ what: 'log journal damaged', journal: first, problem, where });
      last = undefined;
    } else {
      if (at < bytes.length) notes.push({ what: 'log line torn', journal: first, cut: bytes.length - at });
      last = { first, bytes: at };
    }
  }
  // The last one may be missing after a kill: it was about to be written.
  const gone = taken === undefined ? 0 : taken.length - 1 - taken.findLastIndex((digest) => seen.has(digest));
  if (gone > 1) notes.push({ what: 'log entries gone', entries: gone, after: state.seq - 1 });
  if (taken === undefined && entries.length > 0) {
    notes.push({ what: 'log entries unconfirmed', entries: entries.length, from: from.size });
  }
  return { state, entries, last, notes };
}

async function resume(storage: LogStorage, { last, entries, state }: Tail, size: number): Promise<Standing['journal']> {
  if (last !== undefined) {
    return { target: storage.reopenJournal(last.first, last.bytes), first: last.first, bytes: last.bytes };
  }
  const first = entries.length > 0 ? size : state.seq;
  const target = storage.createJournal(first);
  const lines = Buffer.concat(entries.flatMap((entry) => [entry, Buffer.from('\n')]));
  if (lines.length > 0) target.write(lines);
  return { target, first, bytes: lines.length };
}

/** Against a log that was set back: what was signed, or was about to be, must be a beginning of what is here. */
function checkSigned(signed: TreeHead | undefined, edge: Edge, tail: readonly Buffer[]): void {
  if (signed === undefined || signed.size < edge.size) return;
  const { size } = edge;
  if (signed.size > size + tail.length) {
    throw new Damaged(`it was rolled back: ${signed.size} entries were signed, ${size + tail.length} are here`);
  }
  const { head } = edge.grow(tail.slice(0, signed.size - size)).edge;
  if (!head.root.equals(signed.root))
    throw new Damaged(`its first ${signed.size} entries are not those that were signed`);
}
