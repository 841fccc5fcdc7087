// Compiled code is run as it is found: it is found only where nobody else can have put it.

import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository, runOk, temporaryDirectory } from '../../support/process.ts';

const compiledIn = (home: string) => join(home, '.cache/hoopctl/compile');

async function helped(home: string): Promise<void> {
  const script = 'umask 000; exec "$0" src/cli/main.ts --help';
  const env = { PATH: process.env.PATH, HOME: home, NODE_NO_WARNINGS: '1' };
  await runOk('sh', ['-c', script, process.execPath], { cwd: repository, env });
}

describe('compiled code', () => {
  it('is kept where only its user can write, whatever the umask', async () => {
    const home = temporaryDirectory('compiled');
    await helped(home);
    expect(readdirSync(compiledIn(home))).toHaveLength(1);
    for (const folder of ['.cache', '.cache/hoopctl', '.cache/hoopctl/compile']) {
      expect((statSync(join(home, folder)).mode & 0o777).toString(8), folder).toBe('700');
    }
  });

  it('is neither taken from nor kept in a folder that others can write to', async () => {
    const home = temporaryDirectory('compiled');
    mkdirSync(compiledIn(home), { recursive: true });
    chmodSync(compiledIn(home), 0o777);
    await helped(home);
    expect(readdirSync(compiledIn(home))).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0)('nor in one of somebody else, as with the HOME of who called sudo', async () => {
    const home = temporaryDirectory('compiled');
    mkdirSync(compiledIn(home), { recursive: true });
    chownSync(compiledIn(home), 65_534, 65_534);
    await helped(home);
    expect(readdirSync(compiledIn(home))).toEqual([]);
  });
});
