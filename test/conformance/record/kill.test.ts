// A process that writes the log is killed at random moments while another one verifies it all the time: nothing that was
// taken is lost or doubled, every state that anybody could see verifies. HOOPCTL_FUZZ: so many times as often.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { logEntries } from '../../support/log.ts';
import { removeDirectory, repository, temporaryDirectory } from '../../support/process.ts';
import { seeded } from '../../support/random.ts';
import { checkLogIn } from './world.ts';

const ROUNDS = 2 * Math.max(1, Number(process.env.HOOPCTL_FUZZ ?? 1));

it(
  'survives being killed while it is read',
  async () => {
    const data = temporaryDirectory('killed');
    const random = seeded(7);
    const taken: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const program = join(repository, 'test/conformance/record/programs/writer.ts');
      const writer = spawn(process.execPath, [program, data, String(round * 1_000_000)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = new Promise<void>((resolve) => writer.once('close', () => resolve()));
      let rest = '';
      writer.stdout.on('data', (chunk: Buffer) => {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop()!;
        taken.push(...lines.map(Number));
      });
      await new Promise<void>((resolve) => writer.stdout.once('data', () => resolve()));
      for (let checks = 1 + random.below(4); checks > 0; checks--)
        expect((await checkLogIn(data)).problems).toEqual([]);
      writer.kill('SIGKILL');
      await ended;
      expect((await checkLogIn(data)).problems).toEqual([]);
    }
    const entries = await logEntries(data);
    expect(entries.map(({ index }) => index)).toEqual([...entries.keys()]);
    const logins = entries.filter(({ kind }) => kind === 'login').map(({ fields }) => fields.n as number);
    expect(new Set(logins).size).toBe(logins.length);
    const here = new Set(logins);
    expect(taken.filter((n) => !here.has(n))).toEqual([]);
    expect(taken.length).toBeGreaterThan(20);
    removeDirectory(data);
  },
  60_000 * ROUNDS,
);
