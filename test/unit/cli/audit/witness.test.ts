// What a witness knows is in its folder: which one that is, and who has it, decides what it cosigns.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WitnessState } from '../../../../src/cli/audit/witness-state.ts';
import type { MerkleLog } from '../../../../src/session/log/log.ts';
import { openTestLog } from '../../../support/log.ts';
import { temporaryDirectory } from '../../../support/process.ts';
import { hoopctl } from '../memory-io.ts';

const data = temporaryDirectory('witnessed');
const home = temporaryDirectory('witness');
const NAME = 'witness.example/w1';
let log: MerkleLog;
beforeAll(async () => {
  ({ log } = await openTestLog(data));
  log.append('login', {});
  await log.checkpoint();
});
afterAll(() => log.close());

const witness = (args: readonly string[], cwd = home) => hoopctl(['audit', 'witness', data, ...args], { cwd });

it('a relative folder is one from where the command runs, and another is another witness, which is told', async () => {
  const made = await witness(['--state', 'w', '--name', NAME]);
  expect([made.code, made.err]).toEqual([0, expect.stringContaining(`made a new witness in '${join(home, 'w')}'`)]);
  const own = JSON.parse((await witness(['--state', 'w', '--vkey', '--json'])).out).vkey;
  expect(made.out).toContain(`— ${NAME} `);
  expect((await witness(['--state', 'w'])).err).not.toContain('made');
  // From somewhere else: nothing is made unasked.
  const elsewhere = temporaryDirectory('elsewhere');
  const lost = await witness(['--state', 'w'], elsewhere);
  expect([lost.code, lost.err]).toEqual([2, expect.stringContaining(`no witness in '${join(elsewhere, 'w')}'`)]);
  expect(existsSync(join(elsewhere, 'w'))).toBe(false);
  const other = await witness(['--state', 'w', '--name', NAME, '--vkey'], elsewhere);
  expect(other.err).toContain('has seen no log yet');
  expect(other.out.trim()).not.toBe(own);
});

it.each([
  ['nothing', '', /--state is missing/],
  ['a file', 'file', /is no directory/],
  ['a witness of another name', 'w', /is witness.example\/w1, not x/],
  ['a damaged state', 'damaged', /is no witness's state: it is damaged/],
])('%s is refused', async (_, state, why) => {
  writeFileSync(join(home, 'file'), '');
  mkdirSync(join(home, 'damaged'), { recursive: true });
  writeFileSync(join(home, 'damaged', 'witness.json'), '{"name":"x"');
  await witness(['--state', 'w', '--name', NAME]);
  const { code, err } = await witness(['--state', state, '--name', 'x']);
  expect([code === 0, err]).toEqual([false, expect.stringMatching(why)]);
  expect(err).not.toContain('fault of hoopctl');
});

it('is at work once: two that cosign at a time would each have seen only what was before', async () => {
  const folder = join(home, 'once');
  const first = await WitnessState.open(folder, NAME);
  const second = await witness(['--state', 'once']);
  expect([second.code === 0, second.err]).toEqual([
    false,
    expect.stringContaining(`the witness in '${folder}' is at work`),
  ]);
  first.close();
  const third = await witness(['--state', 'once']);
  expect([third.code, third.err]).toEqual([0, expect.stringMatching(/^first seen: /)]);
  expect(Object.keys(JSON.parse(readFileSync(join(folder, 'witness.json'), 'utf8')).logs)).toEqual([log.origin]);
});
