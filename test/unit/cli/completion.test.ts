// Completion: what fits, from the tree and from the cache, and that a real shell understands it.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findProgram, pathWithNode, repository, runOk, temporaryDirectory } from '../../support/process.ts';
import { hoopctl } from './memory-io.ts';

function home(age = 0) {
  const directory = temporaryDirectory('completion');
  mkdirSync(join(directory, 'cache'));
  const url = 'https://gw:7443';
  writeFileSync(
    join(directory, 'config.json'),
    JSON.stringify({ gateways: [{ url, principal: { subject: 'me' } }], current: url }),
  );
  const at = Date.now() - age;
  const names = {
    connections: { at, names: ['prod-db', 'prod-logs', 'dev'] },
    sessions: { at, names: ['s-1'] },
    reviews: { at, names: [] },
  };
  writeFileSync(join(directory, 'cache/names.json'), JSON.stringify({ [url]: names }));
  return directory;
}

async function offered(words: string[], directory = home()): Promise<string[]> {
  const { out } = await hoopctl(['__complete', '--', ...words], { env: { HOME: directory, HOOPCTL_HOME: directory } });
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0]!);
}

describe('completion', () => {
  it.each([
    [['lo'], ['login', 'logout']],
    [['sessions', 'rep'], ['replay']],
    [
      ['admin', 'users', ''],
      ['add', 'ls', 'password', 'groups', 'rm'],
    ],
    [['--json', 'reviews', 'a'], ['approve']],
    [['--gateway', 'x', 'wh'], ['whoami']],
    [['sessions', 'ls', '--st'], ['--state']],
    [
      ['sessions', 'ls', '--state', ''],
      ['open', 'ended', 'interrupted', 'all'],
    ],
    [
      ['login', '--no'],
      ['--no-browser', '--no-qr'],
    ],
    [
      ['connect', 'prod'],
      ['prod-db', 'prod-logs'],
    ],
    [['exec', 'dev,prod-l'], ['dev,prod-logs']],
    [['exec', 'dev', '--reason', 'x', '--', 'p'], [':files']],
    [['psql', 'dev', '-'], [':files']],
    [['sessions', 'show', ''], ['s-1']],
    [['sessions', 'kill', 's-1', ''], ['s-1']],
    [['--gateway', ''], ['https://gw:7443']],
    [['login', 'https'], ['https://gw:7443']],
    [['audit', 'verify', 'x'], [':files']],
    [['nonsense', ''], []],
    [['sessions', 'show', 's-1', ''], []],
  ])('of %j offers %j', async (words, expected) => {
    const found = await offered(words);
    expect(
      words.at(-1)!.startsWith('-') && !expected.includes(':files')
        ? found.filter((one) => expected.includes(one))
        : found,
    ).toEqual(expected);
  });

  it('offers every visible verb, and no hidden one', async () => {
    const verbs = await offered(['']);
    expect(verbs).toContain('serve');
    expect(verbs).not.toContain('__complete');
  });

  it('offers nothing, and says nothing, where no gateway is known', async () => {
    expect(await offered(['connect', ''], temporaryDirectory('nobody'))).toEqual([]);
  });

  it('marks an old cache as renewed before it is, so that a key held down starts one process', async () => {
    const directory = home(3_600_000);
    const read = () =>
      JSON.parse(readFileSync(join(directory, 'cache/names.json'), 'utf8'))['https://gw:7443'].connections;
    const before = read().at;
    expect(await offered(['connect', 'd'], directory)).toEqual(['dev']);
    expect(read().at).toBeGreaterThan(before);
    expect(read().names).toEqual(['prod-db', 'prod-logs', 'dev']);
  });

  it.each(['bash', 'zsh', 'fish'])('prints a script for %s', async (shell) => {
    expect((await hoopctl(['completion', shell])).out).toContain('__complete');
  });

  it('refuses another shell', async () => {
    expect(await hoopctl(['completion', 'tcsh'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('bash, zsh or fish'),
    });
  });

  it.skipIf(findProgram('bash') === undefined)('is understood by bash', async () => {
    const directory = home();
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    const main = join(repository, 'src/cli/main.ts');
    writeFileSync(join(bin, 'hoopctl'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
    const script = `
      source <(hoopctl completion bash)
      COMP_WORDS=(hoopctl connect prod-); COMP_CWORD=2
      _hoopctl 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"
    `;
    const env = { PATH: `${bin}:${pathWithNode()}`, HOME: directory, HOOPCTL_HOME: directory, NODE_NO_WARNINGS: '1' };
    expect((await runOk('bash', ['-c', script], { env })).stdout).toBe('prod-db\nprod-logs\n');
  });
});
