// One signing key follows another: the old one vouches for the new one in an entry of the log itself, so that whoever pinned
// any of them finds the one in force. Refuses to know: where private keys are.

import type { LogEntry } from './audit.ts';
import { ED25519, parseNote, parseVkey, signatureBy, type VerifierKey } from './note.ts';

/** What the old key signs. The second line is no tree size: it can be taken for no checkpoint. */
export function endorsementText(origin: string, vkey: string): string {
  return `${origin}\nthe next key of this log is\n${vkey}\n`;
}

export interface KeyChange {
  /** The entry that says so: the checkpoint that covers it is signed by the new key. */
  readonly index: number;
  readonly key: VerifierKey;
}

/** The key that a note vouches for by the word of that one; undefined: it does not. */
export function vouchedFor(text: string, origin: string, by: VerifierKey): VerifierKey | undefined {
  const note = parseNote(text);
  const vkey = note?.text.split('\n')[2] ?? '';
  const key = parseVkey(vkey);
  if (note === undefined || key === undefined || key.name !== origin || by.name !== origin) return undefined;
  return note.text === endorsementText(origin, vkey) && signatureBy(note, by) === 'valid' ? key : undefined;
}

/** The key that an entry brings in: the first one, or one that the key before vouches for. `wrong`: it claims to, and does not. */
export function keyOf(
  entry: LogEntry,
  origin: string,
  before: VerifierKey | undefined,
): KeyChange | 'wrong' | undefined {
  const { index, kind, fields } = entry;
  if (kind !== 'log') return undefined;
  if (fields.what === 'began') {
    const key = typeof fields.vkey === 'string' ? parseVkey(fields.vkey) : undefined;
    return index === 0 && fields.origin === origin && key?.name === origin && key.type === ED25519
      ? { index, key }
      : 'wrong';
  }
  if (fields.what !== 'key') return undefined;
  if (typeof fields.endorsement !== 'string' || before === undefined) return 'wrong';
  const key = vouchedFor(fields.endorsement, origin, before);
  return key === undefined ? 'wrong' : { index, key };
}
