// Others' programs on our log: the Go project's note and tlog packages, and a checker in Python from the specifications.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { formatVkey } from '../../../src/session/log/note.ts';
import { describeWith, GO_PACKAGES, SYSTEM_PYTHON } from '../../support/needs.ts';
import { removeDirectory, repository, run, temporaryDirectory } from '../../support/process.ts';
import { gatewayKey, makeWorld, WITNESS, type World } from './world.ts';

const programs = join(import.meta.dirname, 'programs');
const built = temporaryDirectory('go');
const kept = join(built, 'kept');
let world: World;
beforeAll(async () => {
  world = await makeWorld();
  writeFileSync(kept, world.since!);
});
afterAll(() => removeDirectory(world.data));

describeWith(['python3-cryptography'], 'from the specifications', () => {
  it('a checker in Python accepts the log, its cosignature and a proof, and nothing that was changed', async () => {
    const vkey = formatVkey(gatewayKey(world).verifier);
    const check = () =>
      run(SYSTEM_PYTHON, [
        join(programs, 'check.py'),
        world.log(''),
        vkey,
        formatVkey(WITNESS.verifier),
        world.path('entry.tlog-proof'),
      ]);
    const good = await check();
    expect([good.code, good.stdout]).toEqual([
      0,
      expect.stringMatching(/^ok: gateway.example.com\S+, 54\d entries, root /),
    ]);
    for (const name of [
      'log/tile/0/000',
      'log/tile/entries/001',
      'log/tile/1/000.p/2',
      'log/checkpoint',
      'log/witnessed',
      'entry.tlog-proof',
    ]) {
      world.flip(world.path(name), name === 'entry.tlog-proof' ? 40 : 60);
      expect((await check()).code, name).toBe(1);
      world.restore(world.since);
    }
  });
});

describeWith(['golang.org/x/mod'], "by others' packages", () => {
  it('golang.org/x/mod/sumdb accepts the checkpoint, every entry, proofs and the consistency, and nothing that was changed', async () => {
    const binary = join(built, 'check');
    const env = { ...process.env, GO111MODULE: 'off', GOPATH: GO_PACKAGES, GOCACHE: join(repository, '.cache/go') };
    const compiled = await run('go', ['build', '-o', binary, join(programs, 'check.go')], { env });
    expect(compiled.stderr).toBe('');
    const key = (signer: { verifier: Parameters<typeof formatVkey>[0] }) => formatVkey(signer.verifier);
    const args = [world.log(''), key(gatewayKey(world)), kept, key(world.firstKey), world.path('entry.tlog-proof')];
    const good = await run(binary, args);
    expect([good.code, good.stdout]).toEqual([0, expect.stringMatching(/^ok: 54\d entries, root /)]);
    for (const name of ['log/tile/0/000', 'log/tile/entries/001', 'log/checkpoint', 'entry.tlog-proof', 'kept']) {
      if (name === 'kept') writeFileSync(kept, world.since!.replace('\n276\n', '\n275\n'));
      else world.flip(world.path(name), name === 'entry.tlog-proof' ? 40 : 60);
      expect((await run(binary, args)).code, name).toBe(1);
      world.restore(world.since);
      writeFileSync(kept, world.since!);
    }
  });
});
