// A checkpoint (C2SP tlog-checkpoint): the log's origin, its size and its root, as the text of a signed note.
// Refuses to know: who signed it and whether that counts (keys.ts, check/).

import { HASH_BYTES } from './merkle.ts';
import { decodeBase64, type Note, parseNote } from './note.ts';

export interface TreeHead {
  readonly size: number;
  readonly root: Buffer;
}

export interface Checkpoint extends TreeHead {
  readonly origin: string;
  readonly note: Note;
}

export function checkpointText(origin: string, { size, root }: TreeHead): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** Undefined for what is no checkpoint by the letter (tlog-checkpoint, "Note text"). */
export function parseCheckpoint(bytes: Uint8Array | string): Checkpoint | undefined {
  const note = parseNote(bytes);
  if (note === undefined) return undefined;
  const [origin, sizeText, rootText, ...more] = note.text.slice(0, -1).split('\n');
  if (!origin || sizeText === undefined || rootText === undefined || more.includes('')) return undefined;
  const size = /^(0|[1-9]\d{0,15})$/.test(sizeText) ? Number(sizeText) : Number.NaN;
  const root = decodeBase64(rootText);
  if (!Number.isSafeInteger(size) || root?.length !== HASH_BYTES) return undefined;
  return { origin, size, root, note };
}
