// What a session's user keeps, against what somebody makes of it: every change is named, and no gateway speaks for another.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { Findings } from '../../../../src/session/log/check/findings.ts';
import { checkReceipt } from '../../../../src/session/log/check/proof.ts';
import { checkpointText } from '../../../../src/session/log/checkpoint.ts';
import type { MerkleLog } from '../../../../src/session/log/log.ts';
import { leafHash } from '../../../../src/session/log/merkle.ts';
import { ED25519, formatVkey, parseVkey, signerOf, signNote } from '../../../../src/session/log/note.ts';
import { formatProof, parseProof, type Receipt } from '../../../../src/session/log/proof.ts';
import { findSealed, proveEntry, receiptOf } from '../../../../src/session/log/receipts.ts';
import { openTestLog } from '../../../support/log.ts';
import { temporaryDirectory } from '../../../support/process.ts';

const DIGEST = 'd'.repeat(64);
let log: MerkleLog;
let receipt: Receipt;
let other: Receipt;
const keyOf = (vkey: string) => parseVkey(vkey)!;

beforeAll(async () => {
  ({ log } = await openTestLog(temporaryDirectory('receipt')));
  for (const session of ['s-1', 's-2']) {
    log.append('access', { verdict: 'allow', session });
    log.append('recording', { session, digest: session === 's-1' ? DIGEST : 'e'.repeat(64), lines: 7 });
  }
  await log.checkpoint();
  const made = async (session: string) => {
    const entry = (await findSealed(log, session, Date.UTC(2026, 10, 20)))!;
    return receiptOf(entry, (await proveEntry(log.files, entry.index)).proof, log.origin, log.vkeys[0]!);
  };
  [receipt, other] = [await made('s-1'), await made('s-2')];
});
afterAll(() => log.close());

function codes(of: Receipt, keys: readonly string[] = [log.vkeys[0]!]): string[] {
  const findings = new Findings();
  checkReceipt(of, 'it', { keys: keys.map(keyOf), witnesses: [] }, undefined, findings);
  return findings.problems.map(({ code }) => code);
}

it('holds as it was given', () => {
  expect(codes(receipt)).toEqual([]);
  expect(codes(receipt, [])).toEqual([]);
});

it.each<[string, (of: Receipt) => Partial<Receipt>, string]>([
  ['another session', () => ({ session: 's-2' }), 'receipt_entry'],
  ['another digest', () => ({ digest: 'e'.repeat(64) }), 'receipt_entry'],
  ['other lines', () => ({ lines: 8 }), 'receipt_entry'],
  ['another entry', () => ({ index: 3 }), 'receipt_entry'],
  ['another log', () => ({ origin: 'elsewhere.example/log/gw' }), 'receipt_entry'],
  ["another session's proof", () => ({ proof: other.proof }), 'receipt_entry'],
  ['the proof of an entry that seals nothing', () => ({ proof: 'access' }), 'receipt_entry'],
  ['an entry that was changed', ({ proof }) => ({ proof: changed(proof) }), 'proof_inclusion'],
  [
    'a signature that was changed',
    ({ proof }) => ({ proof: `${proof.slice(0, -8)}AAAA${proof.slice(-4)}` }),
    'checkpoint',
  ],
  ['no proof', () => ({ proof: 'c2sp.org/tlog-proof@v1\n\n' }), 'proof_unreadable'],
])('with %s does not', async (_, change, code) => {
  const made = { ...receipt, ...change(receipt) };
  if (made.proof === 'access') made.proof = (await proveEntry(log.files, receipt.index - 1)).proof;
  for (const keys of [[log.vkeys[0]!], []])
    expect(codes(made, keys)[0]).toMatch(new RegExp(`^(${code}|proof_unreadable)`));
});

function changed(proof: string): string {
  const { extra, index, path, checkpoint } = parseProof(proof)!;
  const bytes = Buffer.from(extra!.toString('utf8').replace(DIGEST, 'e'.repeat(64)));
  const { text, signatures } = checkpoint.note;
  return formatProof(bytes, index, path, `${text}\n${signatures.map(({ line }) => line).join('')}`);
}

it('of another gateway is none of this one, whatever its checkpoint calls itself', () => {
  // A gateway that somebody has pinned beside this one signs, with its own key, a checkpoint in this one's name.
  const theirs = signerOf('evil.example/log/gw', ED25519, Buffer.alloc(32, 7));
  const entry = Buffer.from(
    `{"seq":0,"at":"2026-11-20T07:00:00.000Z","kind":"recording","session":"s-1","digest":"${'e'.repeat(64)}","lines":7,"prev":"${'0'.repeat(64)}"}`,
  );
  const head = { size: 1, root: Buffer.from(leafHash(entry)) };
  const forged = (origin: string): Receipt => ({
    ...{
      receipt: 1,
      session: 's-1',
      digest: 'e'.repeat(64),
      lines: 7,
      origin,
      vkey: formatVkey(theirs.verifier),
      index: 0,
    },
    proof: formatProof(entry, 0, [], signNote(checkpointText(origin, head), [theirs])),
  });
  const both = [log.vkeys[0]!, formatVkey(theirs.verifier)];
  expect(codes(forged('evil.example/log/gw'), both)).toEqual([]);
  expect(codes(forged(log.origin), both)).toEqual(['checkpoint_unsigned']);
  expect(codes(forged(log.origin), [])).toEqual(['checkpoint_unsigned']);
  expect(codes(receipt, [formatVkey(theirs.verifier)])).toEqual(['checkpoint_unsigned']);
});

it('holds by a key that was pinned before it was changed, and by none that was not vouched for', async () => {
  const data = temporaryDirectory('rotated');
  const { log: one } = await openTestLog(data);
  await one.rotateKey();
  await one.rotateKey();
  one.append('recording', { session: 's-1', digest: DIGEST, lines: 7 });
  await one.checkpoint();
  const entry = (await findSealed(one, 's-1', Date.UTC(2026, 10, 20)))!;
  const { proof } = await proveEntry(one.files, entry.index);
  const [first, second, third] = one.vkeys;
  const made = receiptOf(entry, proof, one.origin, third!, one.vouched);
  for (const key of [first!, second!, third!]) expect(codes(made, [key])).toEqual([]);
  const [early, late] = made.vouched!;
  expect(codes({ ...made, vouched: [late!] }, [first!])).toEqual(['checkpoint_unsigned']);
  expect(codes({ ...made, vouched: [early!, early!] }, [first!])).toEqual(['checkpoint_unsigned']);
  expect(codes({ ...made, vouched: [early!.replace('next', 'last'), late!] }, [first!])).toEqual([
    'checkpoint_unsigned',
  ]);
  expect(codes(made, [log.vkeys[0]!])).toEqual(['checkpoint_unsigned']);
  await one.close();
  // Another process knows them too; a log that is begun anew has none of them.
  const again = (await openTestLog(data)).log;
  expect(again.vouched).toEqual(made.vouched);
  await again.close();
});
