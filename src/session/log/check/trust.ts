// Whose signatures count: the keys that the log's own entries name, each vouched for by the one before, anchored by the key
// that whoever checks has from elsewhere. Refuses to know: tiles, files.

import type { LogEntry } from '../audit.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { cosignatureTime, formatVkey, signatureBy, type VerifierKey } from '../note.ts';
import { type KeyChange, keyOf } from '../rotation.ts';
import type { Findings } from './findings.ts';

export interface Trust {
  /** Keys of the log that the checker has from elsewhere; none: what the log says of itself is taken, and said so. */
  readonly keys: readonly VerifierKey[];
  /** Witnesses of which a cosignature has to be there. */
  readonly witnesses: readonly VerifierKey[];
}

/** Follows the key entries. */
export class KeyChain {
  readonly #changes: KeyChange[] = [];
  /** Entries that claim to bring a key and do not. */
  readonly wrong: number[] = [];

  entry(entry: LogEntry, origin: string): void {
    if (entry.kind !== 'log') return;
    const found = keyOf(entry, origin, this.#changes.at(-1)?.key);
    if (found === 'wrong') this.wrong.push(entry.index);
    else if (found !== undefined) this.#changes.push(found);
  }

  get keys(): readonly VerifierKey[] {
    return this.#changes.map(({ key }) => key);
  }

  /** The key that signs a tree of that size. */
  signerOf(size: number): VerifierKey | undefined {
    return this.#changes.findLast(({ index }) => index < size)?.key;
  }
}

type Signed = 'valid' | 'broken' | 'absent';

interface SignatureTrust extends Trust {
  /** Whether what the entries say of keys is what was signed; they are changed otherwise, and that is told. */
  readonly entriesGenuine: boolean;
}

/** By the key that the log says signs at that size; where its entries are not genuine, by any that is pinned. */
function signedBy(checkpoint: Checkpoint, chain: KeyChain, { keys, entriesGenuine }: SignatureTrust): Signed {
  const own = entriesGenuine ? chain.signerOf(checkpoint.size) : undefined;
  const candidates = own === undefined ? keys : [own];
  const results = candidates.map((key) => signatureBy(checkpoint.note, key));
  if (results.includes('valid')) return 'valid';
  if (results.includes('broken')) return 'broken';
  // Pinned keys may be older than the one in force, or of a log whose entries are not readable here.
  return keys.some((key) => signatureBy(checkpoint.note, key) === 'broken') ? 'broken' : 'absent';
}

export function namesOf({ note }: Checkpoint): string {
  return note.signatures.map(({ name, id }) => `${name}+${id}`).join(', ');
}

/** Whether the checkpoint is this log's, by a key that counts. */
export function checkSignature(
  checkpoint: Checkpoint,
  chain: KeyChain,
  trust: SignatureTrust,
  findings: Findings,
): boolean {
  const { origin } = checkpoint;
  const signed = signedBy(checkpoint, chain, trust);
  if (signed === 'broken') {
    findings.problem(
      'checkpoint_signature',
      'checkpoint',
      `the checkpoint of ${origin} was changed: its signature does not hold`,
    );
  } else if (signed === 'absent' && !trust.entriesGenuine) {
    // What was changed may be what names the key; the changes themselves are told.
    findings.note("the checkpoint's signature cannot be checked: the entries that name the log's keys are not whole");
    return false;
  } else if (signed === 'absent') {
    const due = chain.signerOf(checkpoint.size) ?? trust.keys[0];
    const wanted = due === undefined ? "the log's key" : formatVkey(due);
    const message = `the checkpoint of ${origin} is not signed by ${wanted}, but by ${namesOf(checkpoint)}`;
    findings.problem('checkpoint_unsigned', 'checkpoint', message);
  }
  if (trust.entriesGenuine) checkChain(chain, trust, signed, findings);
  return signed === 'valid';
}

/** What the log says of its own keys, against those that are pinned. */
function checkChain(chain: KeyChain, trust: Trust, signed: Signed, findings: Findings): void {
  for (const index of chain.wrong) {
    const message = `entry ${index} brings in a key that the key before does not vouch for`;
    findings.problem('key_not_vouched', `entry ${index}`, message);
  }
  if (trust.keys.length === 0) {
    findings.note(`no --key was given: the log's own word is taken for its key ${keyNames(chain)}`);
  } else if (signed === 'valid' && !isAnchored(chain, trust)) {
    const message = `the log's key is ${keyNames(chain)}, which no given key is or vouches for: the log was replaced, or it is another one`;
    findings.problem('key_unknown', 'checkpoint', message);
  }
}

function keyNames(chain: KeyChain): string {
  return chain.keys.map(formatVkey).at(-1) ?? '(none)';
}

function isAnchored(chain: KeyChain, { keys }: Trust): boolean {
  const own = new Set(chain.keys.map(formatVkey));
  return keys.some((key) => own.has(formatVkey(key)));
}

/** Every witness that was asked for has cosigned; the newest of these notes in which it has is taken. */
export function checkWitnesses(notes: readonly Checkpoint[], { witnesses }: Trust, findings: Findings): void {
  for (const witness of witnesses) {
    const found = notes.filter(({ note }) => signatureBy(note, witness) !== 'absent');
    const valid = found.find(({ note }) => signatureBy(note, witness) === 'valid');
    if (valid !== undefined) {
      const signature = valid.note.signatures.find(({ name, id }) => name === witness.name && id === witness.id)!;
      const seconds = cosignatureTime(signature);
      const when = seconds === undefined ? '' : ` at ${new Date(seconds * 1000).toISOString()}`;
      findings.note(`witness ${witness.name} cosigned the first ${valid.size} entries${when}`);
    } else if (found.length > 0) {
      const message = `the cosignature of ${witness.name} does not hold: it was changed, or is of another checkpoint`;
      findings.problem('cosignature_broken', 'checkpoint', message);
    } else {
      findings.problem(
        'cosignature_missing',
        'checkpoint',
        `witness ${witness.name} has cosigned no checkpoint that is here`,
      );
    }
  }
}
