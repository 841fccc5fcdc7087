// Finds the entry that seals a session's recording, or tells that its key was erased, and makes the receipt and the proof of it.
// Refuses to know: who asks, sessions that live.

import { userError } from '../../core/errors.ts';
import type { LogEntry, LogReader } from './audit.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { signatureBy, type VerifierKey } from './note.ts';
import { formatProof, inclusionPath, type Receipt } from './proof.ts';
import { decodeBundle, type LogSource, readTile, TILE_WIDTH } from './tiles.ts';

/** Entries from before the session's end that are looked at too: clocks step. */
const SLACK_MS = 60_000;

/** The newest entry that seals the session's recording. `endedAt` in ms shortens the search. */
export async function findSealed(
  log: Pick<LogReader, 'size' | 'entries'>,
  session: string,
  endedAt: number,
): Promise<LogEntry | undefined> {
  const from = await firstSince(log, new Date(endedAt - SLACK_MS).toISOString());
  return (await search(log, session, from)) ?? (from === 0 ? undefined : search(log, session, 0));
}

async function search(log: Pick<LogReader, 'entries'>, session: string, from: number): Promise<LogEntry | undefined> {
  for await (const entry of log.entries(from)) {
    if (entry.kind === 'recording' && entry.fields.session === session && typeof entry.fields.digest === 'string')
      return entry;
  }
  return undefined;
}

/** The tombstone of its recording's key, the newest where a kill left two; undefined: nobody had it erased. */
export async function findErasure(
  log: Pick<LogReader, 'size' | 'entries'>,
  session: string,
  endedAt: number,
): Promise<LogEntry | undefined> {
  let found: LogEntry | undefined;
  for await (const entry of log.entries(await firstSince(log, new Date(endedAt - SLACK_MS).toISOString()))) {
    const { kind, fields } = entry;
    if (kind === 'purge' && fields.session === session && fields.what === 'key') found = entry;
  }
  return found;
}

/** The first entry that is not older, found by halving: the log's times go up but for a clock that stepped. */
async function firstSince(log: Pick<LogReader, 'size' | 'entries'>, at: string): Promise<number> {
  let [low, high] = [0, log.size];
  while (high - low > TILE_WIDTH) {
    const middle = Math.floor((low + high) / 2);
    const { value } = await log.entries(middle)[Symbol.asyncIterator]().next();
    if (value !== undefined && (value as LogEntry).at < at) low = middle;
    else high = middle;
  }
  return low;
}

/** A proof of an entry under the newest checkpoint that witnesses cosigned, where that covers it; else the newest. */
export async function proveEntry(source: LogSource, index: number): Promise<{ entry: Buffer; proof: string }> {
  const notes = [await source.get('witnessed'), await source.get('checkpoint')];
  const texts = notes.filter((note) => note !== undefined).map(String);
  const text = texts.find((one) => (parseCheckpoint(one)?.size ?? 0) > index);
  if (text === undefined) {
    throw userError('not_found', `no checkpoint covers entry ${index} yet`, { fix: 'try again in a moment' });
  }
  const { size } = parseCheckpoint(text)!;
  const bundle = Math.floor(index / TILE_WIDTH);
  const bytes = await readTile(source, 'entries', bundle, Math.min(TILE_WIDTH, size - bundle * TILE_WIDTH));
  const entry = decodeBundle(bytes ?? Buffer.alloc(0)).entries[index % TILE_WIDTH];
  if (entry === undefined) throw userError('recording_invalid', `entry ${index} of the log is missing`);
  return { entry, proof: formatProof(entry, index, await inclusionPath(source, index, size), text) };
}

/** What a user keeps of a session. `vkey`: of the key that signed the checkpoint of the proof; `vouched`: as in the receipt. */
export function receiptOf(
  entry: LogEntry,
  proof: string,
  origin: string,
  vkey: string,
  vouched: readonly string[] = [],
): Receipt {
  const { session, digest, lines } = entry.fields as { session: string; digest: string; lines: number };
  const before = vouched.length === 0 ? {} : { vouched: [...vouched] };
  return { receipt: 1, session, digest, lines, origin, vkey, ...before, index: entry.index, proof };
}

/** Whether the note is a checkpoint by one of the log's keys, cosigned by one of the witnesses. */
export function isCosigned(note: string, keys: readonly VerifierKey[], witnesses: readonly VerifierKey[]): boolean {
  const checkpoint = parseCheckpoint(note);
  if (checkpoint === undefined) return false;
  const signed = (key: VerifierKey) => signatureBy(checkpoint.note, key) === 'valid';
  return keys.some(signed) && witnesses.some(signed);
}
