// Whether a proof or a receipt holds: the entry is what it says, under the root, under a signature that counts.
// Refuses to know: files, how either was made.

import type { Verification } from '../../recorder/verify.ts';
import type { LogEntry } from '../audit.ts';
import { parseEntry } from '../entry.ts';
import { leafHash, rootOfInclusion } from '../merkle.ts';
import { formatVkey, parseVkey, signatureBy, type VerifierKey } from '../note.ts';
import { type Proof, parseProof, type Receipt } from '../proof.ts';
import { vouchedFor } from '../rotation.ts';
import type { Findings } from './findings.ts';
import { checkWitnesses, namesOf, type Trust } from './trust.ts';

/** The entry that is proven; undefined when it is not. `name`: what to call the proof by. */
export function checkProof(text: string, name: string, trust: Trust, findings: Findings): LogEntry | undefined {
  const proof = parseProof(text);
  if (proof === undefined) {
    findings.problem('proof_unreadable', name, `${name} is no proof as C2SP tlog-proof has it`);
    return undefined;
  }
  const { extra, index, path, checkpoint } = proof;
  const entry = extra === undefined ? undefined : parseEntry(extra);
  if (extra === undefined || entry === undefined || entry.index !== index) {
    const what =
      entry === undefined ? 'carries no entry of a log' : `carries entry ${entry.index}, and proves entry ${index}`;
    findings.problem('proof_entry', name, `${name} ${what}`);
    return undefined;
  }
  const signed = checkSignedBy(proof, name, trust.keys, findings);
  const root = rootOfInclusion(leafHash(extra), index, checkpoint.size, path);
  const included = root?.equals(checkpoint.root) === true;
  if (!included && signed) {
    const message = `${name} does not hold: its entry and path do not lead to the root that the checkpoint of ${checkpoint.size} entries signs`;
    findings.problem('proof_inclusion', name, message);
  }
  checkWitnesses([checkpoint], trust, findings);
  return included && signed ? entry : undefined;
}

function checkSignedBy({ checkpoint }: Proof, name: string, keys: readonly VerifierKey[], findings: Findings): boolean {
  // A key is its log's (C2SP tlog-checkpoint, "Signatures"): who pins several must not take one's word for another's log.
  const results = keys.filter(({ name }) => name === checkpoint.origin).map((key) => signatureBy(checkpoint.note, key));
  if (results.includes('valid')) return true;
  if (results.includes('broken')) {
    findings.problem(
      'checkpoint_signature',
      name,
      `the checkpoint in ${name} was changed: its signature does not hold`,
    );
  } else {
    const due = keys.map(formatVkey).join(' or ');
    findings.problem(
      'checkpoint_unsigned',
      name,
      `the checkpoint of ${checkpoint.origin} in ${name} is not signed by ${due}, but by ${namesOf(checkpoint)}`,
    );
  }
  return false;
}

/** Keys that came after those, each by the word of one before it. */
function vouchedBy(keys: readonly VerifierKey[], { origin, vouched = [] }: Receipt): VerifierKey[] {
  const found: VerifierKey[] = [];
  for (const note of vouched) {
    const by = [...keys, ...found];
    const next = by.map((key) => vouchedFor(note, origin, key)).find((key) => key !== undefined);
    if (next !== undefined) found.push(next);
  }
  return found;
}

/** `recording`: what its own chain and seal say, where it is at hand. Without keys the receipt's own word is taken for the log's. */
export function checkReceipt(
  receipt: Receipt,
  name: string,
  trust: Trust,
  recording: Verification | undefined,
  findings: Findings,
): void {
  const own = parseVkey(receipt.vkey);
  const pinned = trust.keys.length > 0;
  if (!pinned && own === undefined) {
    findings.problem('receipt_unreadable', name, `${name} names no key that could be one`);
    return;
  }
  if (!pinned) findings.note(`no --key was given: the receipt's own word is taken for the log's key ${receipt.vkey}`);
  const keys = pinned ? [...trust.keys, ...vouchedBy(trust.keys, receipt)] : [own!];
  const entry = checkProof(receipt.proof, name, { ...trust, keys }, findings);
  if (entry === undefined) return;
  const { session, digest, lines } = entry.fields;
  const fits =
    entry.kind === 'recording' && session === receipt.session && digest === receipt.digest && lines === receipt.lines;
  if (!fits || entry.index !== receipt.index || parseProof(receipt.proof)?.checkpoint.origin !== receipt.origin) {
    const message = `${name} says ${receipt.session}, ${receipt.lines} lines, digest ${receipt.digest}, entry ${receipt.index}; what it proves is ${String(session)}, ${String(lines)} lines, ${String(digest)}, entry ${entry.index}`;
    findings.problem('receipt_entry', name, message);
  }
  if (recording === undefined) return;
  for (const { message, line } of recording.problems) {
    findings.problem('recording_changed', `line ${line}`, `the recording: ${message}`);
  }
  if (recording.digest !== receipt.digest) {
    const message = `the recording has digest ${recording.digest ?? '(no seal)'}, ${name} is for ${receipt.digest}: it is not the one that was sealed`;
    findings.problem('receipt_recording', name, message);
  } else if (recording.ok) findings.note(`the recording is the one of ${name}: ${recording.lines} lines, as sealed`);
}
