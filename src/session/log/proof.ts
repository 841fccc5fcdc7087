// A proof that one entry is in the log, as a text that stands for itself (C2SP tlog-proof): the entry, its index, its audit
// path, a checkpoint. And the receipt of a session, which is one with a few words around it.
// Refuses to know: who asks for one, whose signatures count (check/proof.ts).

import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { HASH_BYTES, type Hash } from './merkle.ts';
import { decodeBase64 } from './note.ts';
import { type LogSource, TreeReader } from './tiles.ts';

const MAGIC = 'c2sp.org/tlog-proof@v1';

export interface Proof {
  /** The entry itself: what tlog-proof leaves to the application. */
  readonly extra: Buffer | undefined;
  readonly index: number;
  /** From the leaf's sibling to the root's child (RFC 6962 §2.1.1). */
  readonly path: readonly Hash[];
  readonly checkpoint: Checkpoint;
}

/** tlog-proof, "Format". `checkpoint`: the signed note, verbatim. */
export function formatProof(entry: Uint8Array, index: number, path: readonly Hash[], checkpoint: string): string {
  const lines = [MAGIC, `extra ${Buffer.from(entry).toString('base64')}`, `index ${index}`];
  return [...lines, ...path.map((hash) => hash.toString('base64')), '', checkpoint].join('\n');
}

/** Undefined for what is none by the letter. */
export function parseProof(text: string): Proof | undefined {
  const blank = text.indexOf('\n\n');
  const [magic, ...lines] = text.slice(0, Math.max(blank, 0)).split('\n');
  const checkpoint = parseCheckpoint(text.slice(blank + 2));
  if (blank < 0 || magic !== MAGIC || checkpoint === undefined) return undefined;
  const extraLine = lines[0]?.startsWith('extra ') ? lines.shift()!.slice('extra '.length) : undefined;
  const extra = extraLine === undefined ? undefined : decodeBase64(extraLine);
  const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '')?.[1];
  const path = lines.map(decodeBase64);
  if (index === undefined || (extraLine !== undefined && extra === undefined)) return undefined;
  if (!path.every((hash) => hash?.length === HASH_BYTES)) return undefined;
  return { extra, index: Number(index), path: path as Hash[], checkpoint };
}

export function isProof(text: string): boolean {
  return text.startsWith('c2sp.org/tlog-proof@');
}

/** The audit path of an entry under a checkpoint. Errors: TileMissing. */
export function inclusionPath(source: LogSource, index: number, size: number): Promise<Hash[]> {
  return new TreeReader(source, size).inclusion(index);
}

/** What a session's user keeps: what was sealed, and the proof that the log says so. */
export interface Receipt {
  readonly receipt: 1;
  readonly session: string;
  /** The seal's digest: it stands for every byte of the recording. */
  readonly digest: string;
  readonly lines: number;
  /** Of the log. */
  readonly origin: string;
  readonly vkey: string;
  /** Where the log's key was another one before: how those before it vouched for it, notes, oldest first. */
  readonly vouched?: string[];
  readonly index: number;
  /** A tlog-proof of the entry that says it. */
  readonly proof: string;
}

/** Undefined for what is no receipt. */
export function parseReceipt(text: string): Receipt | undefined {
  let value: Partial<Receipt>;
  try {
    value = JSON.parse(text) as Partial<Receipt>;
  } catch {
    return undefined;
  }
  const { receipt, session, digest, lines, origin, vkey, vouched = [], index, proof } = value;
  const texts = [session, digest, origin, vkey, proof].every((one) => typeof one === 'string');
  const notes = Array.isArray(vouched) && vouched.every((one) => typeof one === 'string');
  return receipt === 1 && texts && notes && Number.isSafeInteger(lines) && Number.isSafeInteger(index)
    ? (value as Receipt)
    : undefined;
}
