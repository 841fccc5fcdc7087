// Bit flips everywhere in a small log: each is noticed, and what was flipped is named.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Findings } from '../../../src/session/log/check/findings.ts';
import { Ledger } from '../../../src/session/log/check/ledger.ts';
import { checkLog } from '../../../src/session/log/check/log.ts';
import { checkProof } from '../../../src/session/log/check/proof.ts';
import { formatProof } from '../../../src/session/log/proof.ts';
import { TreeReader } from '../../../src/session/log/tiles.ts';
import { LogFolder } from '../../../src/store/log-directory.ts';
import { logKeys, openTestLog } from '../../support/log.ts';
import { filesUnder } from '../../support/process.ts';
import { seeded } from '../../support/random.ts';

const data = mkdtempSync(join(tmpdir(), 'flips-'));
afterAll(() => rmSync(data, { recursive: true, force: true }));

async function smallLog(): Promise<Map<string, Buffer>> {
  const { log } = await openTestLog(data);
  for (let i = 0; i < 3; i++) log.append('login', { i });
  await log.checkpoint();
  log.append('recording', { session: 's-1', digest: 'ab'.repeat(32), lines: 3 });
  log.append('policy', { what: 'loaded', document: 'x'.repeat(66_000) });
  await log.close();
  return new Map(filesUnder(join(data, 'log')).map((name) => [name, readFileSync(join(data, 'log', name))]));
}

/** The files in memory, as a source. */
function memory(files: ReadonlyMap<string, Buffer>) {
  return {
    get: async (path: string) => files.get(path),
    list: async (folder: string) =>
      [...files.keys()].filter((name) => name.startsWith(`${folder}/`)).map((name) => name.slice(folder.length + 1)),
    journals: async () => [0],
    readJournal: async () => files.get('journal/000000000000.jsonl')!,
  };
}

/** What a flip in a file has to be called. */
const NAMES: readonly (readonly [RegExp, RegExp])[] = [
  [/^checkpoint$/, /^(checkpoint_\w+|since_other_log)$/],
  [/^tile\/0/, /^tile_changed$/],
  [/^tile\/entries/, /^(entry_changed|entry_missing|entry_moved|entry_repeated|tile_changed|blob_\w+|log_rewritten)$/],
  [/^blob/, /^blob_changed$/],
  [/^journal/, /^journal_changed$/],
];

it('each is named, in every file', async () => {
  const files = await smallLog();
  const keys = [logKeys(data).signer.verifier];
  const random = seeded(20261120);
  const check = async () => {
    const findings = new Findings();
    await checkLog(
      { source: memory(files), trust: { keys, witnesses: [] }, since: [], ledger: new Ledger() },
      findings,
    );
    return findings.problems;
  };
  expect(await check()).toEqual([]);
  const missed: string[] = [];
  let flips = 0;
  for (const [name, bytes] of files) {
    const due = NAMES.find(([pattern]) => pattern.test(name))![1];
    // Of the long content a few are enough: it is one hash.
    const step = bytes.length > 60_000 ? 6011 : bytes.length > 1000 ? 2 : 1;
    for (let at = 0; at < bytes.length; at += step) {
      // Without its end the journal's last line is one that was torn, and in the tree all the same.
      if (name.startsWith('journal') && at === bytes.length - 1) continue;
      const good = bytes[at]!;
      bytes[at] = good ^ (1 << random.below(8));
      const codes = (await check()).map(({ code }) => code);
      if (codes.length === 0 || codes.some((code) => !due.test(code)))
        missed.push(`${name} byte ${at}: ${codes.join()}`);
      bytes[at] = good;
      flips += 1;
    }
  }
  expect(missed).toEqual([]);
  expect(flips).toBeGreaterThan(2000);
});

it('and everywhere in a proof', async () => {
  const source = new LogFolder(join(data, 'log'));
  const checkpoint = readFileSync(join(data, 'log', 'checkpoint'), 'utf8');
  const entry = readFileSync(join(data, 'log', 'journal/000000000000.jsonl'), 'utf8').split('\n')[4]!;
  const proof = Buffer.from(
    formatProof(Buffer.from(entry), 4, await new TreeReader(source, 6).inclusion(4), checkpoint),
  );
  const trust = { keys: [logKeys(data).signer.verifier], witnesses: [] };
  const random = seeded(4);
  const missed: string[] = [];
  for (let at = 0; at < proof.length; at++) {
    const good = proof[at]!;
    proof[at] = good ^ (1 << random.below(8));
    const findings = new Findings();
    checkProof(proof.toString('latin1'), 'it', trust, findings);
    const broken = new Findings();
    checkProof(proof.toString('utf8'), 'it', trust, broken);
    if (findings.ok || broken.ok) missed.push(`byte ${at}`);
    proof[at] = good;
  }
  expect(missed).toEqual([]);
});
