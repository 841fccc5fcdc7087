// A witness (C2SP tlog-witness, tlog-cosignature): cosigns a checkpoint after it has seen for itself that the log only grew
// since the one it cosigned before. Refuses to know: where it keeps what it saw, how a checkpoint comes to it.

import { userError } from '../../core/errors.ts';
import { type Checkpoint, parseCheckpoint, type TreeHead } from './checkpoint.ts';
import { EMPTY_ROOT, verifyConsistency } from './merkle.ts';
import { type SignerKey, signatureBy, signatureLine, type VerifierKey } from './note.ts';
import { type LogSource, TileMissing, TreeReader } from './tiles.ts';

export interface WitnessOptions {
  readonly source: LogSource;
  /** Of the log; one of them has to have signed. */
  readonly keys: readonly VerifierKey[];
  /** What this witness cosigned last of this log; undefined: nothing yet. */
  readonly last: (origin: string) => TreeHead | undefined;
  readonly signer: SignerKey;
  /** Since the epoch. */
  readonly seconds: number;
}

export interface Cosigned {
  /** To keep, durably, before the cosignature is given to anybody. */
  readonly checkpoint: Checkpoint;
  /** The line of the cosignature alone, and the note with it. */
  readonly line: string;
  readonly note: string;
}

/** Errors: recording_invalid, with what the log did wrong. */
export async function cosign({ source, keys, last, signer, seconds }: WitnessOptions): Promise<Cosigned> {
  const bytes = await source.get('checkpoint');
  const checkpoint = bytes === undefined ? undefined : parseCheckpoint(bytes);
  if (checkpoint === undefined) throw refused('there is no checkpoint of a log here');
  const { origin, size, root, note } = checkpoint;
  const results = keys.filter(({ name }) => name === origin).map((key) => signatureBy(note, key));
  if (results.includes('broken')) throw refused(`the checkpoint of ${origin} was changed: its signature does not hold`);
  if (!results.includes('valid')) throw refused(`the checkpoint of ${origin} is signed by none of the keys given`);
  if (size === 0 && !root.equals(EMPTY_ROOT)) throw refused(`the checkpoint of ${origin} has no entries and a root`);
  const before = last(origin);
  if (before !== undefined) await assertGrown(source, origin, before, checkpoint);
  const line = signatureLine(note.text, signer, seconds);
  // A cosignature of ours from before would be one of two.
  const others = note.signatures.filter(({ name, id }) => name !== signer.verifier.name || id !== signer.verifier.id);
  return { checkpoint, line, note: `${note.text}\n${others.map((one) => one.line).join('')}${line}` };
}

async function assertGrown(source: LogSource, origin: string, before: TreeHead, now: TreeHead): Promise<void> {
  if (now.size < before.size) {
    throw refused(`${origin} was rolled back: ${before.size} entries were cosigned, now it has ${now.size}`);
  }
  let proof: readonly Uint8Array[];
  try {
    proof = await new TreeReader(source, now.size).consistency(before.size);
  } catch (thrown) {
    if (!(thrown instanceof TileMissing)) throw thrown;
    throw refused(`${origin} cannot be compared with what was cosigned: there is no ${thrown.message}`);
  }
  if (!verifyConsistency(before, now, proof)) {
    throw refused(`${origin} was forked: its first ${before.size} entries are not those that were cosigned`);
  }
}

function refused(message: string): Error {
  return userError('recording_invalid', message, {
    fix: "keep both checkpoints: they are the evidence; run 'hoopctl audit verify --since' with the one that was cosigned",
  });
}
