// What people do to a record, and by which name `audit verify` calls it.

import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkAll } from '../../../src/cli/audit/recordings.ts';
import { formatVkey } from '../../../src/session/log/note.ts';
import { hoopctl } from '../../unit/cli/memory-io.ts';
import { BUNDLES, CHECKPOINTS, LOG, PROOFS, RECEIPTS, RECORDINGS, type Tampering } from './tampering.ts';
import { EVIDENCE_KINDS } from './tampering-evidence.ts';
import { chained, gatewayKey, makeWorld, WITNESS, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => rmSync(world.data, { recursive: true, force: true }));

/** Proofs and receipts are checked by the key that signs now; a log by its first one. */
async function check(one: World, at = '') {
  const proof = at.includes('.');
  const keys = proof ? [gatewayKey(one).verifier] : one.trust.keys;
  return (await one.check(at, { keys }, at === 'receipt.json' ? one.recording(1) : undefined)).findings;
}

it('a record that nobody touched is good', async () => {
  for (const at of ['', 'log', 'entry.tlog-proof', 'receipt.json', 'evidence']) {
    expect((await check(world, at)).problems, at).toEqual([]);
  }
});

it.each([
  ['a folder', (path: string) => mkdirSync(path)],
  ['a link', (path: string) => symlinkSync('/dev/null', path)],
])('%s by the name of a recording stands for none', async (_, put) => {
  const path = world.recording(1);
  const bytes = readFileSync(path);
  rmSync(path);
  put(path);
  const { problems } = await check(world);
  rmSync(path, { recursive: true });
  writeFileSync(path, bytes);
  expect(problems).toMatchObject([
    { code: 'recording_missing', message: expect.stringMatching(/; what has its name is no file$/) },
  ]);
});

it('recordings are checked alike on several threads', async () => {
  const files = [0, 1, 2, 3, 0, 1, 2].map((at) => ({ files: [world.recording(at)], session: world.sessions[at]! }));
  const broken = { files: [world.recording(1)], session: world.sessions[2]! };
  const jobs = [...files.slice(0, 3), broken, ...files.slice(3)];
  const threads = await checkAll(jobs, 1e9);
  expect(threads).toEqual(await checkAll(jobs, 0));
  expect(threads.map((one) => typeof one !== 'string' && one.ok)).toEqual([
    true,
    true,
    true,
    false,
    true,
    true,
    true,
    true,
  ]);
});

describe.each<[string, readonly Tampering[]]>([
  ['recordings', RECORDINGS],
  ['the log', LOG],
  ['checkpoints and keys', CHECKPOINTS],
  ['proofs', PROOFS],
  ['receipts', RECEIPTS],
  ['a bundle', BUNDLES],
  ['a bundle of evidence', EVIDENCE_KINDS],
])('tampering with %s', (_, all) => {
  it.each(all.map((one) => [one.name, one] as const))('%s', async (_name, { do: tamper, is, also = [], where, at }) => {
    const { since } = world;
    try {
      tamper(world);
      const { problems } = await check(world, at);
      const codes = [...new Set(problems.map(({ code }) => code))];
      expect(codes, JSON.stringify(problems.slice(0, 5), null, 1)).toEqual(expect.arrayContaining([...is]));
      expect(
        codes.filter((code) => !is.includes(code) && !also.includes(code)),
        JSON.stringify(problems.slice(0, 9), null, 1),
      ).toEqual([]);
      if (where !== undefined)
        expect(problems.map((problem) => problem.where).join('\n')).toMatch(new RegExp(where, 'm'));
    } finally {
      world.restore(since);
    }
  });
});

describe('hoopctl audit', () => {
  const vkey = () => formatVkey(world.firstKey.verifier);

  it('says in words what is wrong and where, and exits with 1; with 0 when nothing is', async () => {
    const good = await hoopctl(['audit', 'verify', world.data, '--key', vkey()]);
    expect([good.code, good.out]).toEqual([
      0,
      expect.stringMatching(
        /^ok {2}\S+: log gateway\.example\.com\S+, 54\d entries signed; 5 recordings, [\d.]+ KiB\n( {4}note: .*\n)+$/,
      ),
    ]);
    world.flip(world.log('tile/entries/000'), 5000);
    rmSync(world.recording(1));
    const bad = await hoopctl(['audit', 'verify', world.data, '--key', vkey()]);
    world.restore(world.since);
    expect([bad.code, bad.out]).toEqual([
      1,
      expect.stringMatching(
        /^failed {2}.*\n {4}entry_changed: entry \d+ was changed: .*\n {4}recording_missing: the recording of s-\S+ is missing: entry \d+ says /,
      ),
    ]);
  });

  it('prints the checkpoint and the key, proves, and witnesses what only grew', async () => {
    const printed = await hoopctl(['audit', 'checkpoint', world.data]);
    expect(printed.out).toBe(readFileSync(world.log('checkpoint'), 'utf8'));
    expect((await hoopctl(['audit', 'checkpoint', world.data, '--key'])).out).toBe(
      `${formatVkey(gatewayKey(world).verifier)}\n`,
    );
    const proof = await hoopctl(['audit', 'prove', world.sessions[1]!, '--log', world.data]);
    expect(proof.out).toBe(readFileSync(world.path('entry.tlog-proof'), 'utf8'));
    const state = world.path('witness');
    const witness = ['audit', 'witness', world.data, '--state', state, '--key', vkey()];
    expect((await hoopctl(witness)).code).toBe(2);
    const cosigned = await hoopctl([...witness, '--name', 'witness.example/w2']);
    expect([cosigned.code, cosigned.out]).toEqual([0, expect.stringMatching(/\n— witness\.example\/w2 \S+\n$/)]);
    world.forge(chained(world.all.toSpliced(50, 0, world.all[50]!)), gatewayKey(world));
    const forked = await hoopctl(witness);
    expect([forked.code, forked.err]).toEqual([1, expect.stringContaining('was forked')]);
    world.restore(world.since);
  });

  it.each([
    ['a key that is none', ['--key', 'hello+there']],
    ["a witness's key for the log's", ['--key', formatVkey(WITNESS.verifier)]],
  ])('%s is an error of usage', async (_, args) => {
    expect((await hoopctl(['audit', 'verify', world.data, ...args])).code).toBe(2);
  });
});
