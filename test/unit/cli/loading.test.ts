// What is loaded for help: the start of the program is its users' time. No clock here, only modules.

import { describe, expect, it } from 'vitest';
import { repository, runOk, temporaryDirectory } from '../../support/process.ts';

const SPY = `
  import { registerHooks } from 'node:module';
  import { writeSync } from 'node:fs';
  registerHooks({ load(url, context, next) { writeSync(2, 'LOADED ' + url + '\\n'); return next(url, context); } });
`;

async function loadedFor(...args: string[]): Promise<string[]> {
  const home = temporaryDirectory('loading');
  const { stderr } = await runOk(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(SPY)}`, 'src/cli/main.ts', ...args],
    { cwd: repository, env: { PATH: process.env.PATH, HOME: home, HOOPCTL_HOME: home, NODE_NO_WARNINGS: '1' } },
  );
  return [...stderr.matchAll(/^LOADED (.*)$/gm)].map((match) => match[1]!).filter((url) => !url.startsWith('node:'));
}

const packagesOf = (urls: readonly string[]) =>
  [...new Set(urls.flatMap((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []))].sort();

describe('--help', () => {
  it('loads commander and nothing else of others, and no command', async () => {
    const urls = await loadedFor('--help');
    expect(packagesOf(urls)).toEqual(['commander']);
    expect(urls.filter((url) => url.includes('/src/cli/commands/'))).toEqual([
      expect.stringContaining('/src/cli/commands/index.ts'),
    ]);
    expect(urls.filter((url) => /\/src\/(gateway|session|store|client|tunnel|protocol|config)\//.test(url))).toEqual(
      [],
    );
  });

  it('of one command loads that command', async () => {
    const urls = await loadedFor('sessions', 'ls', '--help');
    expect(packagesOf(urls)).toEqual(['commander']);
    expect(urls.filter((url) => url.includes('/src/cli/commands/')).map((url) => url.split('/commands/')[1])).toEqual([
      'index.ts',
      'sessions/ls.ts',
    ]);
  });
});

describe('a completion', () => {
  it('loads no package but commander', async () => {
    expect(packagesOf(await loadedFor('__complete', '--', 'connect', ''))).toEqual(['commander']);
  });
});
