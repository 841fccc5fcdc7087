// What the grammar reads is what shells run: random texts are run by bash and by dash, where every program leaves a mark, and
// whatever left one was told by the text's facts, or the text was called opaque.

import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commandFacts } from '../../../../src/protocol/ssh/exec/facts.ts';
import { describeWith } from '../../../support/needs.ts';
import { removeDirectory, temporaryDirectory } from '../../../support/process.ts';
import { seeded } from '../../../support/random.ts';
import { PROGRAMS, Scripts } from './scripts.ts';

const TEXTS = 800 * Math.max(1, Number(process.env.HOOPCTL_FUZZ ?? 1));
const SHELLS = ['bash', 'dash'] as const;
/** Programs that run others: the real ones, so that the texts reach what is behind them. */
const REAL = ['env', 'nohup', 'nice', 'timeout', 'setsid', 'xargs', 'stdbuf', 'sh', 'bash', 'find', 'flock', 'cat'];

describeWith(['linux'], 'what shells run', () => {
  let directory: string;
  let marks: string;

  beforeAll(() => {
    directory = temporaryDirectory('shells');
    marks = join(directory, 'marks');
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    // Says its name, and gives a name that a text may take for a program's.
    const marker = `#!/bin/dash\nset -- "$0"\necho "\${1##*/}" >&3\necho a7\n`;
    for (const name of [...PROGRAMS, 'time']) writeFileSync(join(bin, name), marker, { mode: 0o755 });
    for (const name of REAL) symlinkSync(`/usr/bin/${name}`, join(bin, name));
  });
  afterAll(() => {
    endLeftovers();
    removeDirectory(directory);
  });

  /** What texts put into the background, or into a session of its own. */
  function endLeftovers(): void {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const mine = readFileSync(`/proc/${pid}/environ`, 'latin1')
          .split('\0')
          .includes(`HOME=${join(directory, 'work')}`);
        if (mine) process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It is gone, or somebody else's.
      }
    }
  }

  function ran(shell: (typeof SHELLS)[number], text: string): string[] {
    const work = join(directory, 'work');
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work);
    // Each text has a file of its own, already open: what one leaves behind marks nothing of the next.
    rmSync(marks, { force: true });
    const marked = openSync(marks, 'a');
    // Endless loops end by themselves, also those that the shell leaves behind.
    spawnSync('/usr/bin/prlimit', ['--cpu=1', `/bin/${shell}`, '-c', text], {
      cwd: work,
      env: { PATH: join(directory, 'bin'), HOME: work },
      stdio: ['ignore', 'pipe', 'pipe', marked],
      timeout: 3000,
      killSignal: 'SIGKILL',
    });
    closeSync(marked);
    return [...new Set(readFileSync(marks, 'utf8').trim().split('\n'))].filter((name) => name !== '');
  }

  it(`is told, for ${TEXTS} random texts`, { timeout: 400_000 * Math.max(1, TEXTS / 800) }, () => {
    const random = seeded(20_260_806);
    const scripts = new Scripts(random);
    const missed: string[] = [];
    const seen = { read: 0, opaque: 0, ran: 0 };
    for (let i = 0; i < TEXTS; i++) {
      if (i % 20 === 0) endLeftovers();
      const text = scripts.next();
      const { programs = [], opaque } = commandFacts(text);
      if (opaque !== undefined) {
        seen.opaque++;
        continue;
      }
      seen.read++;
      const told = new Set(programs.map((program) => program.slice(program.lastIndexOf('/') + 1)));
      for (const shell of SHELLS) {
        const programsRun = ran(shell, text);
        seen.ran += programsRun.length;
        const untold = programsRun.filter((name) => !told.has(name));
        if (untold.length > 0) missed.push(`${shell} ran ${untold.join(', ')}: ${JSON.stringify(text)}`);
      }
    }
    expect(missed, `seed ${random.seed}`).toEqual([]);
    // The texts have to be worth something: many are read, and programs run.
    expect(seen.read).toBeGreaterThan(TEXTS / 5);
    expect(seen.ran).toBeGreaterThan(TEXTS / 2);
  });
});
