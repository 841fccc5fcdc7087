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
  const note = typeof fields.endorsement === 'string' ? parseNote(fields.endorsement) : undefined;
  const key = parseVkey(note?.text.split('\n')[2] ?? '');
  if (note === undefined || key === undefined || before === undefined || key.name !== origin) return 'wrong';
  const said = note.text === endorsementText(origin, note.text.split('\n')[2]!);
  return said && signatureBy(note, before) === 'valid' ? { index, key } : 'wrong';
}
